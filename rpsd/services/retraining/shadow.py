"""Shadow mode: predecessor and challenger predict beside the model in production, and the score of each is kept."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from rpsd.config import Settings
from rpsd.core import instant
from rpsd.core.errors import CorruptData, NoModel, RpsdError, UnknownModel
from rpsd.core.market import INTERVALS
from rpsd.core.model import Array, ModelVersion, Packet
from rpsd.core.observed import observed, sources
from rpsd.services.compute import Compute
from rpsd.services.model.name import BookName, RegimeName, parse
from rpsd.services.model.served import is_whole
from rpsd.services.price import Prices, stored_prices
from rpsd.store import model as models
from rpsd.store import score as rows
from rpsd.store import series as series_rows
from rpsd.store.db import Connection, Database
from rpsd.store.score import SERVED, Row, Scores
from rpsd.telemetry import logger

if TYPE_CHECKING:
    from rpsd.services.book.service import BookService

PREDECESSOR: Final = "predecessor"
CHALLENGER: Final = "challenger"
Challenger = Callable[[Connection, str], ModelVersion | None]

_BATCH: Final = 32
_DEADLINE_SECONDS: Final = 300.0
_MOST_EVENTS: Final = 100_000
"""Of a book that one look reads, the newest."""
_NOT_NEEDED: Final = frozenset({"trace", "trial", "pits"})


@dataclass(frozen=True, slots=True)
class Look:
    """A model in production, its rivals by role, and what is on record of them."""

    name: str
    champion: ModelVersion
    rivals: Mapping[str, ModelVersion]
    packets: Mapping[int, Packet]
    line: Scores
    held: Mapping[int, Row]
    prices: Prices | None = None
    tapes: tuple[Any, ...] = ()


@dataclass(slots=True)
class Task:
    """What the worker is asked: cases, their arrays, and whose scores case i is of: the versions in their order."""

    cases: list[dict[str, Any]] = field(default_factory=list)
    arrays: dict[str, Array] = field(default_factory=dict)
    owners: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)

    def add(self, case: dict[str, Any], arrays: Mapping[str, Array], name: str, versions: Mapping[int, Packet]) -> None:
        """One more case; arrays are named by what follows its number."""
        number = len(self.cases)
        self.cases.append(case | {"versions": len(versions)})
        self.owners.append((name, tuple(versions)))
        for word, array in arrays.items():
            kind, _, rest = word.partition("/")
            self.arrays[f"{kind}/{number}/{rest}" if rest else f"{kind}/{number}"] = array
        for j, packet in enumerate(versions.values()):
            kept = {word: array for word, array in packet.arrays.items() if word not in _NOT_NEEDED}
            self.arrays[f"model/{number}/{j}"] = np.frombuffer(Packet(packet.head, kept).pack(), np.uint8)


class ShadowService:
    """Scores of models in nats a bar, or a move of a book; each bar is scored once and keeps its score."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        compute: Compute,
        *,
        book: "BookService",
        challenger: Challenger,
        clock: Callable[[], int],
    ) -> None:
        self._settings, self._database, self._compute, self._book, self._clock = settings, database, compute, book, clock
        self._challenger = challenger

    def told(self, name: str) -> dict[str, Any]:
        """The newest comparison of what serves under the name with its predecessor and its challenger. Raises UnknownModel, NoModel."""
        champion = self._database.read(lambda c: models.production(c, name) or _absent(c, name))
        held = self._database.read(lambda c: rows.find(c, name))
        served = held.get(SERVED)
        unit = "move" if name.startswith("book:") else "bar"
        about = {"name": name, "version": champion.version, "shadow": self._settings.models.shadow, "unit": f"nats a {unit}"}
        scored = {"at": None, "scored": 0, "mean": None} if served is None else {"at": instant.text(served.at_ns), **served.facts}
        rivals = [{"version": row.version, "role": row.role, **row.facts} for row in held.values() if row.version != SERVED]
        return about | scored | {"rivals": rivals}

    def score(self, names: Sequence[str], *, cancelled: Callable[[], bool] = lambda: False) -> dict[str, list[Row]]:
        """Score what has come since the last look, and keep it; the rows of each model that there was something new of.

        Of a name without a version in production, or that nothing new has come of, there are none; and none at all when models.shadow is
        off. Raises Cancelled, WorkerFailed, DeadlineExceeded.
        """
        names = names if self._settings.models.shadow else ()
        done: dict[str, list[Row]] = {}
        for begin in range(0, len(names), _BATCH):
            looks = {look.name: look for name in names[begin : begin + _BATCH] if (look := self._look_unless_refused(name)) is not None}
            if looks:
                done |= self._scored(looks, cancelled)
        return done

    def _look_unless_refused(self, name: str) -> Look | None:
        """The look, or None with a line in the log: a model whose book is gone must not keep the others from being watched."""
        try:
            return self._look(name)
        except RpsdError as error:
            logger(operation="watch", model=name).warning(f"not scored: {error.detail}", error_code=error.code)
            return None

    def _look(self, name: str) -> Look | None:
        wanted = parse(name)
        look = self._database.read(lambda c: self._begun(c, name, wanted))
        if look is None or isinstance(wanted, RegimeName):
            return look
        symbols = look.champion.card.get("window", {}).get("symbols", []) if wanted.is_pooled else [wanted.symbol]
        if not symbols:
            return None  # a card that tells no window: there is nothing to score it by
        since_ns, most = look.champion.trained_until_ns + 1, _MOST_EVENTS // len(symbols)
        tapes = [one for symbol in symbols for one in self._book.stretches(symbol, since_ns, None, most)]
        return Look(look.name, look.champion, look.rivals, look.packets, look.line, look.held, None, tuple(tapes)) if tapes else None

    def _begun(self, c: Connection, name: str, wanted: RegimeName | BookName) -> Look | None:
        """The model with its rivals; None when nothing serves, or when nothing has come since the last look."""
        champion = models.production(c, name)
        if champion is None:
            return None
        held = rows.find(c, name)
        line = _line(champion, held.get(SERVED))
        if isinstance(wanted, RegimeName) and not _has_news(c, wanted, champion, line):
            return None
        if (state := _packet(c, champion)) is None:
            return None
        prices = self._since(c, wanted, champion, line, state) if isinstance(wanted, RegimeName) else None
        if isinstance(wanted, RegimeName) and prices is None:
            return None
        found = {PREDECESSOR: self._predecessor(c, champion, line, prices), CHALLENGER: self._challenger(c, name)}
        rivals, packets = dict[str, ModelVersion](), {champion.version: state}
        for role, one in found.items():
            packet = None if one is None else _packet(c, one)
            if one is not None and packet is not None and _comparable(packet, state):
                rivals[role], packets[one.version] = one, packet
        if prices is not None and rivals:
            wanted_from = min(one.trained_until_ns for one in (champion, *rivals.values()))
            prices = self._bars(c, wanted, state, wanted_from)  # type: ignore[arg-type]  # only of a regime are there prices
        return Look(name, champion, rivals, packets, line, held, prices)

    def _since(self, c: Connection, wanted: RegimeName, champion: ModelVersion, line: Scores, state: Packet) -> Prices | None:
        """The closed bars since the training of what serves; None when each is scored."""
        prices = self._bars(c, wanted, state, champion.trained_until_ns)
        return prices if prices.t.size and prices.t[-1] > _scored_ns(champion, line) else None

    def _bars(self, c: Connection, wanted: RegimeName, state: Packet, after_ns: int) -> Prices:
        info = series_rows.require(c, wanted.symbol, wanted.interval)
        closed_ns = self._clock() - INTERVALS[wanted.interval]
        return stored_prices(c, info, after_ns + 1, closed_ns, sources(observed(state.head["columns"])))

    def _predecessor(self, c: Connection, champion: ModelVersion, line: Scores, prices: Prices | None) -> ModelVersion | None:
        """The newest version that served before and that enough of what was served since came after; else the oldest of them.

        Enough are models.watch.min_bars: of a model that is fitted each night the version of a month ago tells more than yesterday's.
        """
        served = [one for one in models.versions(c, champion.name) if one.promoted_ns is not None and one.version < champion.version]
        if prices is None:
            return served[0] if served else None
        new = prices.t[prices.t > (line.t[-1] if line.t.size else champion.trained_until_ns)]
        t = np.concatenate([line.t, new])
        by = np.concatenate([line.by, np.full(new.size, champion.version)])
        counts = [int(((t > one.trained_until_ns) & (by != one.version)).sum()) for one in served]
        enough = [one for one, count in zip(served, counts, strict=True) if count >= self._settings.models.watch.min_bars]
        return enough[0] if enough else served[-1] if served else None

    def _scored(self, looks: Mapping[str, Look], cancelled: Callable[[], bool]) -> dict[str, list[Row]]:
        task = _task(looks)
        asked = Packet({"cases": task.cases}, task.arrays)
        answer = self._compute.run("model_score", asked, deadline_seconds=_DEADLINE_SECONDS, cancelled=cancelled).arrays
        found: dict[str, list[dict[int, Scores]]] = {name: [] for name in looks}
        for i, (name, versions) in enumerate(task.owners):
            scores = {v: Scores.of(v, answer[f"t/{i}/{j}"], answer[f"values/{i}/{j}"]) for j, v in enumerate(versions)}
            found[name].append(scores)
        now_ns = self._clock()
        made = {name: self._rows(look, found[name], now_ns) for name, look in looks.items()}

        def write(c: Connection) -> None:
            for name, kept in made.items():
                rows.put(c, name, kept)

        self._database.write(write).result()
        return made

    def _rows(self, look: Look, found: list[dict[int, Scores]], now_ns: int) -> list[Row]:
        """What is kept of a model: what served, and each rival with how it compares."""
        line, kept = look.line, list[Row]()
        roles = {version.version: role for role, version in look.rivals.items()}
        for scores in found:
            mine = scores[look.champion.version]
            line = mine if look.prices is None else line.followed(mine)
            for version, new in scores.items():
                if version != look.champion.version:
                    held = look.held.get(version)
                    theirs = new if look.prices is None or held is None else held.scores.followed(new)
                    kept.append(Row(version, roles[version], self._compared(line, theirs), now_ns, theirs))
        mean = float(line.values.mean()) if line.values.size else None
        return [Row(SERVED, "served", {"scored": int(line.values.size), "mean": mean}, now_ns, line), *kept]

    def _compared(self, line: Scores, theirs: Scores) -> dict[str, Any]:
        """What served against a version, on the bars that both have scored and that the version did not serve itself."""
        t, mine, other = np.intersect1d(line.t, theirs.t, assume_unique=False, return_indices=True)
        apart = line.by[mine] != theirs.by[other]
        t, a, b = t[apart], line.values[mine][apart], theirs.values[other][apart]
        facts: dict[str, Any] = {"scored": int(t.size), "mean": None, "lead": None, "standard_error": None, "t": None, "p": None}
        facts |= {"since": None, "until": None}
        if t.size:
            facts |= {"mean": float(b.mean()), "lead": float((b - a).mean())}
            facts |= {"since": instant.text(int(t[0])), "until": instant.text(int(t[-1]))}
        if t.size >= self._settings.models.watch.min_bars:
            from rpsd.drift.score import diff_test  # numerics wait for the first comparison

            told = diff_test(b, a)
            numbers = {"standard_error": told.se, "t": told.t, "p": told.p}
            facts |= {word: float(value) for word, value in numbers.items() if np.isfinite(value)}
        return facts


def _scored_ns(champion: ModelVersion, line: Scores) -> int:
    """The last bar that what serves has seen, or was scored on."""
    return max(int(line.t[-1]) if line.t.size else champion.trained_until_ns, champion.trained_until_ns)


def _has_news(c: Connection, wanted: RegimeName, champion: ModelVersion, line: Scores) -> bool:
    """Whether any bar, closed or open, lies behind those; most looks end here."""
    info = series_rows.find(c, wanted.symbol, wanted.interval)
    return info is not None and info.last_ns is not None and info.last_ns > _scored_ns(champion, line)


def _absent(c: Connection, name: str) -> ModelVersion:
    models.versions(c, name)
    raise NoModel(f"no version of {name} is in production")


def _packet(c: Connection, version: ModelVersion) -> Packet | None:
    """Its state; None when it is damaged, gone, or of an older release: it cannot be scored, and the rest can."""
    try:
        packet = models.packet(c, version.name, version.version)
    except (CorruptData, UnknownModel):
        return None
    return packet if is_whole(packet) else None


def _comparable(one: Packet, other: Packet) -> bool:
    """Whether both speak of the same: densities of the same columns, probabilities of the same label."""
    word = "label" if one.head.get("kind") == "book" else "columns"
    return bool(one.head[word] == other.head[word])


def _line(champion: ModelVersion, held: Row | None) -> Scores:
    """What served so far. It begins anew with a version that does not go on from the one before: taken back, chosen, or fitted afresh."""
    if held is None or not held.scores.by.size:
        return Scores.none()
    last = int(held.scores.by[-1])
    goes_on = champion.card.get("predecessor") == last and champion.card.get("started") == "warm"
    return held.scores if champion.version == last or goes_on else Scores.none()


def _task(looks: Mapping[str, Look]) -> Task:
    """Of a regime model all versions are scored on the same bars; of a book each rival beside what serves, on what both have not seen."""
    task = Task()
    for name, look in looks.items():
        if look.prices is not None:
            arrays: dict[str, Array] = {"prices": look.prices.values, "t": look.prices.t}
            arrays |= {f"cells/{column}": cells for column, cells in look.prices.cells.items()}
            task.add({"kind": "regime", "cells": list(look.prices.cells)}, arrays, name, look.packets)
            continue
        columns = ("kind", "t", "received", "sequence", "row", "bids", "asks", "counts", "quotes", "trades")
        tapes = {f"tape/{j}/{column}": getattr(tape, column) for j, (tape, _) in enumerate(look.tapes) for column in columns}
        mine = look.champion.version
        pairs = [{mine: look.packets[mine], one.version: look.packets[one.version]} for one in look.rivals.values()]
        for pair in pairs or [{mine: look.packets[mine]}]:
            task.add({"kind": "book", "ticks": [tick for _, tick in look.tapes]}, tapes, name, pair)
    return task
