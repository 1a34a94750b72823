"""Live regimes moved on by the bars of their series, inside the writer's transaction, with the way back for late ones."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from rpsd.core.errors import CorruptData, RpsdError
from rpsd.core.market import INTERVALS, SEQUENCE, Samples, SeriesInfo, Times, Upsert, Vector
from rpsd.core.observed import observed, sources
from rpsd.core.regime import REGIME_TYPES
from rpsd.core.result import Matrix
from rpsd.services.following import slices
from rpsd.services.herald import LiveRegime
from rpsd.services.model.name import RegimeName
from rpsd.services.model.served import ServedModel, ServedModels
from rpsd.services.price import column_of
from rpsd.store import derived, live, standing
from rpsd.store import series as rows
from rpsd.store.blocks import AT_CLOSE, Rows
from rpsd.store.db import Connection
from rpsd.store.standing import Stood
from rpsd.telemetry import logger

if TYPE_CHECKING:
    from rpsd.regime.standing import Standing

MOST_STATES: Final = 5
_AT_ONCE: Final = 65536
"""Bars that one transaction takes in; what is beyond waits for the next post or question."""
_PIECE: Final = 1024
"""Bars between two checkpoints."""
_META: Final = {"kind": "regime_live", "causal": True}
_COLUMNS: Final = ("model_version", "state", *(f"p{i}" for i in range(MOST_STATES)))


@dataclass(frozen=True, slots=True)
class Move:
    """What taking in bars comes to, before anything of it is written: where the filter stands, its steps, and the checkpoints."""

    stood: Stood
    standing: "Standing"
    t: Times
    alpha: Matrix
    checkpoints: tuple[tuple[int, Stood], ...]
    back_to_ns: int | None = None


def group_of(name: RegimeName) -> str:
    """The derived group that keeps the rows of a live regime as they were served."""
    return f"regime_{name.regime_type}"


class Standings:
    """Moves the filters of production models on; the store alone remembers where they stand.

    A bar counts once it has closed. Its row is written with the filter's step and never again, whatever is revised later; the filter itself
    goes back for a late or revised bar. A version that has just come into production begins where its training ended.
    """

    def __init__(self, models: ServedModels, clock: Callable[[], int], *, ready: bool) -> None:
        """`ready`: the numerics may be used at once; otherwise begin() says when."""
        self._models, self._clock, self.ready = models, clock, ready
        self._complained: set[str] = set()

    def begin(self) -> None:
        """The kernels are warm."""
        self.ready = True

    def follow(self, c: Connection, info: SeriesInfo, samples: Samples, done: Upsert) -> list[LiveRegime]:
        """Move the live regimes of the series on by a write that has just been done, in its transaction; the rows that came of it.

        One that cannot be moved stays behind until it is asked for, and the samples are stored all the same.
        """
        kept: list[LiveRegime] = []
        if done.changed_ns is None:
            return kept
        names = [str(RegimeName(info.symbol, info.interval, kind)) for kind in REGIME_TYPES]
        for stood in standing.serving(c, names):
            failure = None
            if self.ready:
                found: list[LiveRegime] = []
                failure = live.apart(c, lambda s=stood, f=found: f.extend(self._follow(c, info, s, samples, done)))  # type: ignore[misc]
                kept += found
            if not self.ready or failure is not None:
                _leave_behind(c, info, stood, done.changed_ns)
            if failure is not None:
                self._complain(stood.name, failure)
        return kept

    def level(self, c: Connection, name: RegimeName) -> tuple[bool, list[LiveRegime]]:
        """Take in the closed bars that wait, at most 65,536, in a write; whether that was all, and the rows that came of it.

        Raises UnknownSeries, CorruptData.
        """
        info = rows.require(c, name.symbol, name.interval)
        for stood in standing.serving(c, [str(name)]):
            move = self.moved(c, info, stood)
            kept = self._store(c, info, name, move)
            return not self.waits(move.stood), kept
        return True, []

    def waits(self, stood: Stood) -> bool:
        """Whether a closed bar has not been taken in."""
        from rpsd.regime import standing as numerics  # numerics wait for the warm-up

        is_open = stood.waits_ns is None or stood.waits_ns > self._clock()
        return not is_open or stood.state is None or numerics.unpack(stood.state) is None

    def moved(
        self,
        c: Connection,
        info: SeriesInfo,
        stood: Stood,
        changed_ns: int | None = None,
        given: Samples | None = None,
        most: int | None = None,
    ) -> Move:
        """Where the filter stands after the closed bars behind it; nothing is written. Raises UnknownColumn, CorruptData.

        `changed_ns`: the earliest bar that has changed. `given`: the bars, when they are known to be all that follow; else at most 65,536
        of them, or `most`, are read.
        """
        model = self._models.of(c, stood.name, stood.version)
        if stood.is_damaged:
            self._complain(stood.name, CorruptData(f"where the filter of {stood.name} stood does not match its checksum; it begins anew"))
            stood = replace(stood, is_damaged=False)
        at, back_to_ns = self._start(c, model, stood, changed_ns)
        stood = replace(stood, seen_ns=at.seen_ns)
        if given is None:
            names = [column_of(info), *_sources(model)]
            slabs: Iterable[Samples] = slices(c, info, list(dict.fromkeys(names)), at.seen_ns, _AT_ONCE if most is None else most)
        else:
            slabs = [given]
        return self._over(slabs, info, model, (stood, at, back_to_ns))

    def _start(self, c: Connection, model: ServedModel, stood: Stood, changed_ns: int | None) -> "tuple[Standing, int | None]":
        """Where to go on from, and from when on checkpoints count for nothing (None: they all hold)."""
        from rpsd.regime import standing as numerics  # numerics wait for the warm-up

        at = None if stood.state is None else numerics.unpack(stood.state)
        if at is None:
            return numerics.beginning(model.packet), -(2**63)
        if changed_ns is None or changed_ns > at.seen_ns:
            return at, None
        held = standing.before(c, stood, changed_ns)
        at = None if held is None else numerics.unpack(held)
        return at or numerics.beginning(model.packet), changed_ns

    def _over(self, slabs: Iterable[Samples], info: SeriesInfo, model: ServedModel, start: "tuple[Stood, Standing, int | None]") -> Move:
        """The move over the rows as far as their bars have closed."""
        from rpsd.regime import standing as numerics  # numerics wait for the warm-up

        stood, at, back_to_ns = start
        length = INTERVALS[info.interval]
        closed_ns, waits_ns = self._clock() - length, None
        steps, alphas, checkpoints = [], [np.empty((0, at.p.size))], []
        for slab in slabs:
            prices, cells = _cells(slab, column_of(info)), {name: _cells(slab, name) for name in _sources(model)}
            closed = int(np.searchsorted(slab.t, closed_ns, "right"))
            for begin in range(0, closed, _PIECE):
                piece = slice(begin, min(begin + _PIECE, closed))
                before = at
                beside = {name: values[piece] for name, values in cells.items()}
                at, t, alpha = numerics.advance(model.packet, at, slab.t[piece], prices[piece], beside, model.opened)
                steps.append(t)
                alphas.append(alpha)
                if at.looked // _PIECE > before.looked // _PIECE:
                    kept = replace(stood, seen_ns=at.seen_ns, waits_ns=None, state=numerics.pack(at))
                    checkpoints.append((at.looked // _PIECE, kept))
            if closed < slab.n:
                waits_ns = int(slab.t[closed]) + length
                break
        else:
            if info.last_ns is not None and at.seen_ns < info.last_ns:
                waits_ns = self._clock()  # there was more than could be taken at once
        t = np.concatenate([np.empty(0, np.int64), *steps])
        stood = replace(stood, seen_ns=at.seen_ns, waits_ns=waits_ns, state=numerics.pack(at))
        return Move(stood, at, t, np.concatenate(alphas), tuple(checkpoints), back_to_ns)

    def _follow(self, c: Connection, info: SeriesInfo, stood: Stood, samples: Samples, done: Upsert) -> list[LiveRegime]:
        given = None
        changed_ns, level = done.changed_ns, stood.seen_ns is not None and stood.seen_ns == done.before_ns
        assert changed_ns is not None  # follow() has looked
        if level and stood.seen_ns is not None and changed_ns > stood.seen_ns and SEQUENCE not in info.columns and samples.n <= _AT_ONCE:
            given = samples
        name = RegimeName.parse(stood.name)
        move = self.moved(c, info, stood, changed_ns, given)
        return self._store(c, info, name, move) if move.stood != stood or move.back_to_ns is not None else []

    def _store(self, c: Connection, info: SeriesInfo, name: RegimeName, move: Move) -> list[LiveRegime]:
        """Write what the move comes to: rows that were never served, checkpoints, and where the filter stands; these rows."""
        stood = move.stood
        if move.back_to_ns is not None:
            standing.forget(c, stood, move.back_to_ns)
        kept_ns, t, alpha = self._keep(c, info, name, move)
        for slot, checkpoint in move.checkpoints:
            standing.put(c, info, checkpoint, slot)
        standing.put(c, info, replace(stood, kept_ns=kept_ns))
        if not t.size:
            return []
        labels = self._models.of(c, stood.name, stood.version).packet.head["labels"]
        return [LiveRegime(name.symbol, name.interval, name.regime_type, stood.name, stood.version, labels, t, alpha)]

    def _keep(self, c: Connection, info: SeriesInfo, name: RegimeName, move: Move) -> tuple[int | None, Times, Matrix]:
        """Write the rows of bars that have none; the last bar that has one, and what was written: t (n,) and alpha (n, k)."""
        if not move.t.size:
            return move.stood.kept_ns, move.t, move.alpha
        now_ns, t, alpha = self._clock(), move.t, move.alpha
        group = _group(c, info, name, now_ns)
        last_ns = move.stood.kept_ns if move.stood.kept_ns is not None else derived.totals(c, info, group)[2]
        if last_ns is not None and t[0] <= last_ns:
            _, held = derived.read_group(c, info, group.name, int(t[0]), int(t[-1]))
            new = ~np.isin(t, held.t)
            t, alpha = t[new], alpha[new]
        if t.size:
            derived.append_rows(c, info, group, _rows(move.stood.version, t, alpha, last_ns, now_ns), now_ns)
        return max(int(move.t[-1]), last_ns if last_ns is not None else int(move.t[-1])), t, alpha

    def _complain(self, name: str, error: Exception) -> None:
        """Log why a live regime stays behind: once, for every post would meet it again."""
        if name in self._complained:
            return
        self._complained.add(name)
        code = error.code if isinstance(error, RpsdError) else "internal_error"
        logger(operation="live", model=name).error("a live regime stays behind", outcome="error", error_code=code, exc_info=error)


def _leave_behind(c: Connection, info: SeriesInfo, stood: Stood, changed_ns: int) -> None:
    """Note that a bar has come that the filter could not take in now, so that whoever asks next has it taken in."""
    if stood.seen_ns is None:
        return
    if changed_ns <= stood.seen_ns:
        standing.rewind(c, stood.name, changed_ns)
    elif stood.waits_ns is None:
        standing.put(c, info, replace(stood, waits_ns=changed_ns + INTERVALS[info.interval]))


def _sources(model: ServedModel) -> tuple[str, ...]:
    """The stored columns that the model sees beside the price."""
    return sources(observed(model.packet.head["columns"]))


def _cells(slab: Samples, name: str) -> Vector:
    """The column (n,), missing throughout where the rows lack it."""
    found = slab.columns.get(name)
    return np.full(slab.n, np.nan) if found is None else found


def _group(c: Connection, info: SeriesInfo, name: RegimeName, now_ns: int) -> derived.GroupInfo:
    """The group of the live regime, made when there is none."""
    if (found := derived.find_group(c, info, group_of(name))) is None:
        nothing: dict[str, Any] = {column: np.empty(0) for column in _COLUMNS}
        derived.write_group(c, info, group_of(name), _META, Samples(np.empty(0, np.int64), nothing), now_ns)
        found = derived.find_group(c, info, group_of(name))
    assert found is not None  # it has just been made
    return found


def _rows(version: int, t: Times, alpha: Matrix, last_ns: int | None, now_ns: int) -> Rows:
    """Steps (n, k) as rows; one in front of a row that was served before was known only now."""
    cells = np.full((len(_COLUMNS), t.size), np.nan)
    cells[0], cells[1] = version, alpha.argmax(axis=1)
    cells[2 : 2 + alpha.shape[1]] = alpha.T
    late = t <= last_ns if last_ns is not None else np.zeros(t.size, np.bool_)
    return Rows(t, cells, np.where(late, now_ns, AT_CLOSE) if late.any() else None)
