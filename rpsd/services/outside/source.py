"""Market data from the sources of the settings: what is new of each symbol, asked for with restraint and stored like any post."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from rpsd.config import Settings
from rpsd.config.secret import secret_path
from rpsd.core.errors import BadConfig, BadRows, Cancelled, Fault, InvalidRequest, RpsdError, SourceFailed, UnknownSeries
from rpsd.core.market import DAY_NS, INTERVALS, SECOND_NS, Samples, SeriesInfo
from rpsd.core.source import Ask, SourceSetting
from rpsd.services.outside.breaker import Breaker, Breakers
from rpsd.services.outside.pace import Pace
from rpsd.telemetry import Metrics, logger

if TYPE_CHECKING:
    from rpsd.source.fetch import Fetcher

JOB: Final = "fetch"
_PAGES: Final = 500
"""Answers that one fetch of one symbol asks for at most; the next fetch goes on."""
_TOLD: Final = 20
"""Failures that an account names; it counts all."""
_QUIET: Final = 8
"""A symbol that had nothing new is asked for again after so great a part of its interval: markets close, and calls are few."""
_RESCALED: Final = 0.01
_SAME: Final = 1e-3
"""All overlapping closes off by one factor, which differs from 1 by the first and is the same within the second: a split."""

_NONSENSE: Final = (TypeError, ValueError, OverflowError, LookupError, AttributeError, RecursionError)

Sleep = Callable[[float], None]


class SeriesAccess(Protocol):
    """What a fetch needs of the stored series: those of this process, or of another one."""

    def require(self, symbol: str, interval: str) -> SeriesInfo:
        """What is known of the series. Raises UnknownSeries."""

    def read(self, symbol: str, interval: str, *, start_ns: int, end_ns: int, columns: list[str]) -> Samples:
        """Rows from start_ns to end_ns, both inclusive."""

    def append(self, symbol: str, interval: str, samples: Samples, *, by: str) -> dict[str, Any]:
        """Store the rows; {"inserted", "updated", …}. Raises BadRows."""


@dataclass(slots=True)
class _Source:
    """One entry of the settings at work; times in ns UTC."""

    name: str
    setting: SourceSetting
    breaker: Breaker
    pace: Pace
    lock: threading.Lock = field(default_factory=threading.Lock)
    quiet_until: dict[str, int] = field(default_factory=dict)
    hold_until: int = 0
    newest: int | None = None
    failing: str = ""


class SourceService:
    """Fetches on demand; the job `fetch` calls it by schedule. Without sources in the settings it costs nothing."""

    def __init__(
        self,
        settings: Settings,
        series: "SeriesAccess",
        breakers: Breakers,
        metrics: Metrics,
        clock: Callable[[], int],
        sleep: Sleep = time.sleep,
    ) -> None:
        self._secrets_dir = settings.storage.secrets_dir
        self._series, self._metrics, self._clock, self._sleep = series, metrics, clock, sleep
        self._sources = {
            name: _Source(name, setting, breakers.add(f"source:{name}"), Pace(setting.calls, setting.per_seconds, clock))
            for name, setting in settings.sources.items()
        }

    def failing(self) -> list[str]:
        """Names of the sources whose last fetch brought nothing but failures."""
        return [source.name for source in self._sources.values() if source.failing]

    def closed_ns(self) -> dict[str, int]:
        """When the newest bar closed that each source is known to have brought, ns UTC."""
        known = [one for one in self._sources.values() if one.newest is not None]
        return {one.name: (one.newest or 0) + INTERVALS[one.setting.interval] for one in known}

    def standing(self) -> dict[str, Any]:
        """For health: {"configured": how many, "failing": names}."""
        return {"configured": len(self._sources), "failing": self.failing()}

    def fetch(
        self,
        source: str | None = None,
        symbol: str | None = None,
        *,
        eager: bool = False,
        progress: Callable[[float, str], None] = lambda *_: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> dict[str, Any]:
        """Bring every symbol of every source, or of the one named, up to the last closed bar; a failure does not stop the rest.

        Without `eager` a symbol that can have nothing new yet is not asked for. Answer: {"sources": {name: {fetched, fresh, waiting,
        failed, inserted, updated}}, "failed": [{source, symbol, code, detail}] (the first of them)}. Raises InvalidRequest for a source
        or a symbol that the settings do not have, Cancelled.
        """
        chosen = self._chosen(source, symbol)
        done, total, failures = 0, sum(len(symbols) for _, symbols in chosen), []
        told: dict[str, dict[str, int]] = {}
        for one, symbols in chosen:
            counts: Counter[str] = Counter(fetched=0, fresh=0, waiting=0, failed=0, inserted=0, updated=0)
            with one.lock, self._fetcher(one, cancelled) as fetcher:
                for theirs in symbols:
                    if cancelled():
                        raise Cancelled("the fetch was stopped")
                    progress(done / total, f"{one.name} {theirs}")
                    if failure := self._counted(one, theirs, fetcher, counts, eager=eager):
                        failures.append(failure)
                    done += 1
            self._conclude(one, counts, failures)
            told[one.name] = dict(counts)
        return {"sources": told, "failed": failures[:_TOLD]}

    def _chosen(self, source: str | None, symbol: str | None) -> list[tuple[_Source, list[str]]]:
        """The sources with the symbols, as the vendor writes them, that are meant. `symbol` may be ours or the vendor's."""
        if source is not None and source not in self._sources:
            known = ", ".join(self._sources) or "none"
            raise InvalidRequest(f"the settings have no source {source[:40]!r}; they have {known}", errors=[Fault("/source", "unknown")])
        found = []
        for one in self._sources.values():
            pairs = one.setting.symbols.items()
            wanted = [theirs for theirs, ours in pairs if symbol is None or symbol in (theirs, ours)]
            if wanted and source in (None, one.name):
                found.append((one, wanted))
        if symbol is not None and not found:
            raise InvalidRequest(f"no source has the symbol {symbol[:40]!r}", errors=[Fault("/symbol", "unknown")])
        return found

    def _fetcher(self, one: _Source, cancelled: Callable[[], bool]) -> "Fetcher":
        from rpsd.source.destination import GRANTABLE
        from rpsd.source.fetch import Fetcher  # the HTTP client is loaded by those who fetch

        setting = one.setting
        return Fetcher(
            deadline_seconds=setting.timeout_seconds,
            most_bytes=setting.most_bytes,
            retries=setting.retries,
            private=GRANTABLE if setting.private else (),
            home=setting.url,
            sleep=self._sleep,
            cancelled=cancelled,
        )

    def _counted(self, one: _Source, theirs: str, fetcher: "Fetcher", counts: "Counter[str]", *, eager: bool) -> dict[str, Any] | None:
        """Fetch one symbol into the counts; how it failed, if it did."""
        try:
            counts.update(self._fetch(one, theirs, fetcher, eager=eager))
        except Cancelled:
            raise
        except RpsdError as error:
            if isinstance(error, SourceFailed) and error.retry_after:
                one.hold_until = self._clock() + int(error.retry_after * SECOND_NS)
            counts["failed"] += 1
            return {"source": one.name, "symbol": theirs, "code": error.code, "detail": error.detail}
        return None

    def _conclude(self, one: _Source, counts: "Counter[str]", failures: list[dict[str, Any]]) -> None:
        """What a finished round says of its source."""
        own = [failure for failure in failures if failure["source"] == one.name]
        if own and not counts["fetched"]:
            one.failing = str(own[-1]["detail"])
        elif counts["fetched"]:
            one.failing = ""
        if own:
            logger().warning(
                f"{one.name}: {counts['failed']} symbols failed; the first: {own[0]['detail']}",
                operation="fetch",
                error_code=own[0]["code"],
            )
        if one.newest is not None:
            gauge = self._metrics.source_freshness_seconds.labels(one.name)
            closed_ns = one.newest + INTERVALS[one.setting.interval]
            gauge.set_function(lambda: (self._clock() - closed_ns) / SECOND_NS)

    def _fetch(self, one: _Source, theirs: str, fetcher: "Fetcher", *, eager: bool) -> dict[str, int]:
        """Bring one symbol up to date; what to add to the counts."""
        setting, now_ns = one.setting, self._clock()
        length, ours = INTERVALS[setting.interval], setting.symbols[theirs]
        info = self._known(ours, setting.interval)
        if info is not None and info.last_ns is not None:
            one.newest = max(one.newest or 0, info.last_ns)
            is_current = now_ns < info.last_ns + 2 * length  # the next bar is not closed yet
            if not eager and (is_current or now_ns < one.quiet_until.get(theirs, 0)):
                return {"fresh": 1}
        if now_ns < one.hold_until:
            return {"waiting": 1}
        samples = self._ask(one, theirs, fetcher, self._start(one, info, now_ns), now_ns)
        if samples is None:
            return {"waiting": 1}
        if info is not None and (factor := self._rescaled(info, samples)) is not None:
            logger().warning(f"{one.name} {theirs}: the past was rescaled by {factor:.6g}; fetched anew", operation="fetch")
            first_ns = max(info.first_ns or 0, self._reach(one, now_ns))
            samples = self._ask(one, theirs, fetcher, first_ns, now_ns) or samples
        stored = self._store(one, ours, samples)
        if not stored["inserted"]:
            one.quiet_until[theirs] = now_ns + length // _QUIET
        return {"fetched": 1, **stored}

    def _known(self, symbol: str, interval: str) -> SeriesInfo | None:
        try:
            return self._series.require(symbol, interval)
        except UnknownSeries:
            return None

    def _start(self, one: _Source, info: SeriesInfo | None, now_ns: int) -> int:
        """The open of the first bar to ask for."""
        reach = self._reach(one, now_ns)
        if info is None or info.last_ns is None:
            return max(reach, now_ns - int(one.setting.history_seconds * SECOND_NS))
        return max(reach, info.last_ns - one.setting.overlap * INTERVALS[one.setting.interval])

    def _reach(self, one: _Source, now_ns: int) -> int:
        """The earliest bar that the vendor tells at all."""
        from rpsd.source import vendor_of

        days = vendor_of(one.setting.kind).reach.get(one.setting.interval)
        return 0 if days is None else now_ns - int(days * DAY_NS)

    def _ask(self, one: _Source, theirs: str, fetcher: "Fetcher", start_ns: int, now_ns: int) -> Samples | None:
        """The closed bars from start_ns on; None when the rate leaves no room for the first call."""
        from rpsd.source import vendor_of

        vendor, setting, length = vendor_of(one.setting.kind), one.setting, INTERVALS[one.setting.interval]
        key, parts = _key(setting, self._secrets_dir), list[Samples]()
        for _ in range(_PAGES):
            if not one.pace.take(self._sleep):
                break
            ask = Ask(theirs, setting.interval, start_ns, now_ns, key)
            with one.breaker.guard():
                part = self._read(one, fetcher.get(vendor.request(setting.url or vendor.url, ask)), ask)
            parts.append(part)
            if vendor.page is None or part.n < vendor.page:
                break
            start_ns = int(part.t[-1]) + length
        return _joined(parts, now_ns - length) if parts else None

    def _read(self, one: _Source, answer: Any, ask: Ask) -> Samples:
        """The bars of an answer from the first that was asked for. Raises SourceFailed, UnknownSeries."""
        from rpsd.source import vendor_of

        vendor = vendor_of(one.setting.kind)
        try:
            if vendor.plain is not None:
                found = _table(vendor.plain(answer, ask), one)
            else:
                assert vendor.read is not None
                found = vendor.read(answer, ask)
        except _NONSENSE as error:  # numbers beyond all types, lists that are none: there is no end of what a vendor may send
            raise SourceFailed(f"{one.name} answered with what cannot be read ({type(error).__name__})") from error
        if answer.status >= 400:
            raise SourceFailed(f"{one.name} answered {answer.status}")
        return _cut(found, found.t >= ask.start_ns)

    def _rescaled(self, info: SeriesInfo, samples: Samples) -> float | None:
        """The factor by which the vendor has rescaled the past since it was stored; None when it has not."""
        name = "close"
        if samples.n < 2 or name not in info.columns or name not in samples.columns:
            return None
        held = self._series.read(info.symbol, info.interval, start_ns=int(samples.t[0]), end_ns=int(samples.t[-1]), columns=[name])
        _, here, there = np.intersect1d(samples.t, held.t, return_indices=True)
        new, old = samples.columns[name][here], held.columns[name][there]
        told = (old > 0) & (new > 0)
        if told.sum() < 2:
            return None
        factors = new[told] / old[told]
        middle = float(np.median(factors))
        is_one = abs(middle - 1.0) <= _RESCALED or bool((np.abs(factors / middle - 1.0) > _SAME).any())
        return None if is_one else middle

    def _store(self, one: _Source, symbol: str, samples: Samples) -> dict[str, int]:
        """Append the bars; what was new and what was corrected."""
        if not samples.n:
            return {"inserted": 0, "updated": 0}
        try:
            done = self._series.append(symbol, one.setting.interval, samples, by=f"source:{one.name}")
        except BadRows as error:
            raise SourceFailed(f"{one.name} {symbol}: {error.detail}") from error
        one.newest = max(one.newest or 0, int(samples.t[-1]))
        return {"inserted": done["inserted"], "updated": done["updated"]}


def _table(text: bytes, one: _Source) -> Samples:
    """The rows of a CSV; a header alone is a table without rows. Raises SourceFailed."""
    from rpsd.services.intake.csv import CsvReader

    header, _, rows = text.partition(b"\n")
    if not rows.strip() and b"," in header and header.lstrip(b'\xef\xbb\xbf"')[:1].isalpha():
        return Samples(np.zeros(0, np.int64), {})
    setting = one.setting
    try:
        # what goes out runs where no machine code may be made
        reader = CsvReader(setting.interval, tz=setting.tz or None, date_format=setting.date_format or None, compiled=False)
        reader.feed(text)
        return reader.finish().samples
    except RpsdError as error:
        raise SourceFailed(f"{one.name} answered with a table that cannot be read: {error.detail}") from error


def _key(setting: SourceSetting, secrets_dir: Path) -> str:
    """The vendor's key, read anew each time so that it can be renewed in place. Raises BadConfig."""
    if not setting.key_file:
        return ""
    try:
        key = secret_path(setting.key_file, secrets_dir).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfig(f"the key file {setting.key_file} cannot be read: {type(error).__name__}") from error
    if not key or not key.isprintable() or len(key) > 4096:
        raise BadConfig(f"the key file {setting.key_file} holds no key")
    return key


def _cut(samples: Samples, kept: "np.ndarray[Any, np.dtype[np.bool_]]") -> Samples:
    """The kept (n,) rows."""
    if kept.all():
        return samples
    known = None if samples.known_at is None else samples.known_at[kept]
    return Samples(samples.t[kept], {name: values[kept] for name, values in samples.columns.items()}, known)


def _joined(parts: list[Samples], last_ns: int) -> Samples:
    """The pages as one table up to the bar that opened at last_ns: a later one is still open, and would be stored before it is true."""
    if len(parts) > 1:
        names = [name for name in parts[0].columns if all(name in part.columns for part in parts)]
        t = np.concatenate([part.t for part in parts])
        joined = Samples(t, {name: np.concatenate([part.columns[name] for part in parts]) for name in names})
    else:
        joined = parts[0]
    return _cut(joined, joined.t <= last_ns)
