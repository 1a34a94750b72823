"""What a drift scan reads of the store: models in production, their training windows, and what has come since."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from rpsd.config import Settings
from rpsd.core.book import Tape
from rpsd.core.errors import RpsdError, UnknownModel
from rpsd.core.market import INTERVALS, SeriesInfo, Times
from rpsd.core.model import Array, ModelVersion, Packet
from rpsd.core.observed import observed, sources
from rpsd.core.regime import SEVERITIES
from rpsd.services.drift.cases import LEAST_CURRENT, MOST_CURRENT, MOST_REFERENCE
from rpsd.services.model.name import BookName, RegimeName, parse
from rpsd.services.model.served import is_whole
from rpsd.services.price import column_of
from rpsd.store import book as books
from rpsd.store import drift as reports
from rpsd.store import model as models
from rpsd.store import series as rows
from rpsd.store import view as views
from rpsd.store.db import Connection, Database
from rpsd.store.drift import Kept

if TYPE_CHECKING:
    from rpsd.services.book.service import BookService

_INPUTS: Final = ("open", "high", "low", "volume")
"""Columns that features take beside the price."""
_UNUSED: Final = frozenset({"trace", "trial"})
"""Arrays of a model that serve retraining alone."""
_TAPES: Final = (60_000, 30_000)
"""Events of a training window, and since, that a scan reads of each book."""
_SAID: Final = "forecast."
_NEW_SHARE: Final = 10
"""A scan looks at another window once a tenth of the window's values is new."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One model as the worker takes it: its case and arrays, its windows (ns UTC), and the report before this one if there is one.

    `new` tells how many values have come after a moment; `before` names what was significant in the window before, `counted_ns` is the end
    from which the present window counts.
    """

    version: ModelVersion
    case: Mapping[str, Any]
    arrays: Mapping[str, Array]
    reference: tuple[int, int]
    current: tuple[int, int]
    before: frozenset[str] = frozenset()
    counted_ns: int = 0


@dataclass(frozen=True, slots=True)
class Unread:
    """A model that is not looked at, and why; `is_unchanged`: because nothing has come since its last report."""

    name: str
    reason: str
    is_unchanged: bool = False


@dataclass(slots=True)
class DriftReading:
    """Reads models one by one, so that no read transaction lasts."""

    settings: Settings
    database: Database
    book: "BookService"
    clock: Callable[[], int]
    _columns: tuple[str, ...] = field(default=tuple(one.name for one in fields(Tape)), init=False)

    def names(self) -> list[str]:
        """The models in production."""
        return list(self.database.read(models.serving))

    def views(self) -> list[dict[str, Any]]:
        """The versions of the default view, the newest first, as drift_cases.scanned takes them."""

        def look(c: Connection) -> list[dict[str, Any]]:
            known = {f"{view.name}@{view.version}": dict(view.definition) for view in views.every(c)}
            found = views.versions(c, self.settings.features.default_view)
            return [{"name": one.name, "version": one.version, "definition": dict(one.definition), "known": known} for one in found]

        return self.database.read(look)

    def read(self, name: str, *, only_new: bool) -> Reading | Unread:
        """What a scan of the model needs; with `only_new` a model about which nothing has come since its last report is left alone."""
        try:
            version, packet, last, alarmed_ns = self.database.read(lambda c: _found(c, name))
            if not is_whole(packet):
                return Unread(name, f"version {version.version} was fitted by another rpsd, and this one cannot serve it")
            if "window" not in version.card:
                return Unread(name, f"the card of version {version.version} does not tell its training window")
            wanted = parse(name)
            if isinstance(wanted, BookName):
                return self._of_book(version, packet, last, only_new)
            reading = self._of_bars(wanted, version, packet, last, only_new)
        except RpsdError as error:
            return Unread(name, error.detail)
        if isinstance(reading, Reading) and alarmed_ns is not None:
            t = reading.arrays["t"]  # forecasts that have led to another version say nothing of this one
            return replace(reading, case={**reading.case, "record": int(((t > alarmed_ns) & (t <= version.trained_until_ns)).sum())})
        return reading

    def _of_bars(self, wanted: RegimeName, version: ModelVersion, packet: Packet, last: Kept | None, only_new: bool) -> Reading | Unread:
        """Bars from the training window's start to the newest closed one."""
        interval_ns, from_ns, until_ns = INTERVALS[wanted.interval], version.card["window"]["from_ns"], version.trained_until_ns
        closed_ns, seen_ns = self.clock() - interval_ns, _seen(version, last) if only_new else None

        def read(c: Connection) -> tuple[SeriesInfo, Any]:
            info = rows.require(c, wanted.symbol, wanted.interval)
            if seen_ns is not None and (info.last_ns or until_ns) <= seen_ns:
                return info, None
            further = sources(observed(packet.head["columns"]))
            names = dict.fromkeys([column_of(info), *(name for name in _INPUTS if name in info.columns), *further])
            return info, rows.read(c, info, start_ns=from_ns, end_ns=closed_ns, columns=list(names))

        info, samples = self.database.read(read)
        if samples is None or (seen_ns is not None and samples.n and samples.t[-1] <= seen_ns):
            return Unread(version.name, "no bar has closed since the last report", is_unchanged=True)
        samples = samples.closing()
        split = int(np.searchsorted(samples.t, until_ns, "right"))
        kept = slice(max(0, split - MOST_REFERENCE), None)
        t = samples.t[kept]
        cells = {name: column[kept] for name, column in samples.columns.items()}
        cells = {"close": cells[column_of(info)], **{name: column for name, column in cells.items() if name != "close"}}
        case = {"kind": "regime", "until_ns": until_ns, "cells": list(cells)}
        arrays: dict[str, Array] = {"t": t, **{f"cells/{name}": column for name, column in cells.items()}, "model": _packed(packet)}
        since = t[t > until_ns]
        current = (int(since[-MOST_CURRENT:][0]), int(since[-1])) if since.size else (until_ns, until_ns)
        window = (since if since.size >= LEAST_CURRENT else t)[-MOST_CURRENT:]
        return _reading(version, (case, arrays), (int(t[0]) if t.size else from_ns, until_ns), current, (last, window))

    def _of_book(self, version: ModelVersion, packet: Packet, last: Kept | None, only_new: bool) -> Reading | Unread:
        """Tapes of the training window, and those since; of a pooled model of each of its books."""
        window, until_ns = version.card["window"], version.trained_until_ns
        symbols = list(window["symbols"])
        newest = [self.database.read(lambda c, symbol=symbol: books.require(c, symbol).info.last_ns) for symbol in symbols]  # type: ignore[misc]
        last_ns = max((ns for ns in newest if ns is not None), default=until_ns)
        if only_new and (seen_ns := _seen(version, last)) is not None and last_ns <= seen_ns:
            return Unread(version.name, "no event has come since the last report", is_unchanged=True)
        spans = ((int(window["from_ns"]), until_ns), (until_ns + 1, None))
        arrays: dict[str, Array] = {"model": _packed(packet)}
        ticks: list[list[float]] = []
        events: list[Times] = []
        for side, ((start_ns, end_ns), most) in enumerate(zip(spans, _TAPES, strict=True)):
            tapes = [one for symbol in symbols for one in self.book.stretches(symbol, start_ns, end_ns, most // len(symbols))]
            for j, (tape, _) in enumerate(tapes):
                arrays |= {f"tape/{side}/{j}/{name}": getattr(tape, name) for name in self._columns}
            ticks.append([tick for _, tick in tapes])
            events.append(np.sort(np.concatenate([np.empty(0, np.int64), *(tape.t for tape, _ in tapes)])))
        before, since = events
        current = (int(since[0]), max(int(since[-1]), last_ns)) if since.size else (until_ns, last_ns)
        reference = (int(before[0]) if before.size else int(window["from_ns"]), until_ns)
        return _reading(version, ({"kind": "book", "ticks": ticks}, arrays), reference, current, (last, since))


def _found(c: Connection, name: str) -> tuple[ModelVersion, Packet, Kept | None, int | None]:
    """The version in production, its state, the name's last report, and until when older versions had drifted. Raises UnknownModel."""
    version = models.production(c, name)
    if version is None:
        raise UnknownModel(f"{name[:80]} has no version in production")
    alarmed_ns = reports.alarmed_until(c, name, version.version)
    return version, models.packet(c, name, version.version), reports.newest_of(c, name), alarmed_ns


def _seen(version: ModelVersion, last: Kept | None) -> int | None:
    """Up to where the last report of this version has looked, None without one."""
    return last.report.current[1] if last is not None and last.report.version == version.version else None


def _packed(packet: Packet) -> Array:
    """What a scan needs of a model, as bytes."""
    return np.frombuffer(Packet(packet.head, {name: one for name, one in packet.arrays.items() if name not in _UNUSED}).pack(), np.uint8)


def _reading(
    version: ModelVersion,
    task: tuple[dict[str, Any], dict[str, Array]],
    reference: tuple[int, int],
    current: tuple[int, int],
    since: tuple[Kept | None, Times],
) -> Reading:
    """The reading with what counts as the window before: the last report's, once a tenth of the window is new since, else the one before.

    Of another version's report only what it says of forecasts counts, for its features were held against another reference; and nothing
    once it had drifted HIGH, for then this version is the answer to that.
    """
    (case, arrays), (last, t) = task, since
    before, counted_ns = frozenset[str](), current[1]
    if last is not None:
        is_another = int((t > last.counted_ns).sum()) * _NEW_SHARE >= max(t.size, 1)
        before, counted_ns = (last.significant, current[1]) if is_another else (last.before, last.counted_ns)
        if last.report.version != version.version:
            is_answered = last.report.severity == SEVERITIES[-1]
            before = frozenset(name for name in before if name.startswith(_SAID) and not is_answered)
    case |= {"name": version.name, "before": sorted(before)}
    return Reading(version, case, arrays, reference, current, before, counted_ns)


def packed(readings: Sequence[Reading], views: list[dict[str, Any]], settings: Settings) -> Packet:
    """The task drift_scan of these models; see drift_cases.scanned."""
    arrays: dict[str, Array] = {}
    for i, one in enumerate(readings):
        for name, array in one.arrays.items():
            kind, _, rest = name.partition("/")
            arrays[f"{kind}/{i}/{rest}" if rest else f"{kind}/{i}"] = array
    tolerance = {"psi": list(settings.drift.psi), "false_alarm_rate": settings.drift.false_alarm_rate}
    return Packet({"tolerance": tolerance, "views": views, "cases": [dict(one.case) for one in readings]}, arrays)
