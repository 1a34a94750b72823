"""Faults of twelve kinds and two more, put into a clean tape by chance: what the validator must find, and where."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from rpsd.book.ladder import Ladder, follow
from rpsd.book.validity import Limits, Watch, judge
from rpsd.core.book import Event, Integers, Rule, Tape, Updates
from rpsd.core.market import SECOND_NS

Rng = np.random.Generator
MS_NS: Final = 1_000_000
SETTLED: Final = 2000
"""The first events stay clean: by then the tick is believed and the medians stand."""


@dataclass(frozen=True, slots=True)
class Spoilt:
    """A tape with faults. `rows`: the events that are faulty."""

    tape: Tape
    rows: Integers


def _column(tape: Tape, name: str) -> np.ndarray:
    return getattr(tape, name).copy()


def _levels(tape: Tape, rows: Integers) -> list[tuple[np.ndarray, np.ndarray]]:
    """Writable bids and asks (L, 2) of the events, of a tape whose tables may be written."""
    sides = []
    for row in rows.tolist():
        place = int(tape.row[row])
        if tape.kind[row] == Event.DEPTH:
            bids, asks = tape.counts[place]
            sides.append((tape.bids[place, :bids], tape.asks[place, :asks]))
        else:
            sides.append((tape.quotes[place, :2][None], tape.quotes[place, 2:][None]))
    return sides


def _opened(tape: Tape) -> Tape:
    """A copy whose books and quotes may be written."""
    copy = replace(tape, bids=_column(tape, "bids"), asks=_column(tape, "asks"), quotes=_column(tape, "quotes"))
    for array in (copy.bids, copy.asks, copy.quotes):
        array.flags.writeable = True
    return copy


def _by_level(change: Callable[[np.ndarray, np.ndarray, Rng, float], None], kinds: tuple[Event, ...] = (Event.DEPTH, Event.QUOTE)):  # type: ignore[no-untyped-def]
    """A fault that changes the levels of a record."""

    def spoil(tape: Tape, n: int, tick: float, rng: Rng) -> Spoilt:
        rows = _chosen(tape, n, rng, kinds)
        copy = _opened(tape)
        for bids, asks in _levels(copy, rows):
            change(bids, asks, rng, tick)
        return Spoilt(replace(copy, kind=copy.kind.copy()), rows)  # the tape seals its arrays again

    return spoil


def _chosen(tape: Tape, n: int, rng: Rng, kinds: tuple[Event, ...]) -> Integers:
    candidates = np.flatnonzero(np.isin(tape.kind, kinds))
    return np.sort(rng.choice(candidates[candidates >= SETTLED], n, replace=False))


def _any_level(bids: np.ndarray, asks: np.ndarray, rng: Rng) -> np.ndarray:
    side = bids if rng.random() < 0.5 else asks
    return side[rng.integers(len(side))]


def _crossed(bids: np.ndarray, asks: np.ndarray, rng: Rng, tick: float) -> None:
    steps = int(rng.integers(1, 20)) * tick
    if rng.random() < 0.5:
        bids[0, 0] = np.round(asks[0, 0] + steps, 9)
    else:
        asks[0, 0] = np.round(bids[0, 0] - steps, 9)


def _locked(bids: np.ndarray, asks: np.ndarray, rng: Rng, tick: float) -> None:
    if rng.random() < 0.5:
        bids[0, 0] = asks[0, 0]
    else:
        asks[0, 0] = bids[0, 0]


def _unsorted(bids: np.ndarray, asks: np.ndarray, rng: Rng, tick: float) -> None:
    side = bids if rng.random() < 0.5 else asks
    k = int(rng.integers(len(side) - 1))
    if rng.random() < 0.5:
        side[[k, k + 1]] = side[[k + 1, k]]
    else:
        side[k + 1, 0] = side[k, 0]


def _negative(bids: np.ndarray, asks: np.ndarray, rng: Rng, tick: float) -> None:
    _any_level(bids, asks, rng)[1] *= -1.0


def _zero(bids: np.ndarray, asks: np.ndarray, rng: Rng, tick: float) -> None:
    _any_level(bids, asks, rng)[0] *= -float(rng.integers(2))


def _not_finite(bids: np.ndarray, asks: np.ndarray, rng: Rng, tick: float) -> None:
    _any_level(bids, asks, rng)[rng.integers(2)] = rng.choice([np.nan, np.inf, -np.inf])


def _off_tick(bids: np.ndarray, asks: np.ndarray, rng: Rng, tick: float) -> None:
    side, sign = (bids, -1.0) if rng.random() < 0.5 else (asks, 1.0)
    side[rng.integers(len(side)), 0] += sign * tick * rng.uniform(0.02, 0.98)


def _wide(bids: np.ndarray, asks: np.ndarray, rng: Rng, tick: float) -> None:
    asks[:, 0] = np.round(asks[:, 0] + np.rint(0.02 * asks[0, 0] / tick) * tick, 9)


def _late(tape: Tape, n: int, tick: float, rng: Rng) -> Spoilt:
    """Received ten seconds to ten minutes after its time, where the others took no such time."""
    rows, received = _chosen(tape, n, rng, (Event.DEPTH, Event.QUOTE)), _column(tape, "received")
    received[rows] += (rng.uniform(10.0, 600.0, n) * SECOND_NS).astype(np.int64)
    return Spoilt(replace(tape, received=received), rows)


def _jumped(tape: Tape, n: int, tick: float, rng: Rng) -> Spoilt:
    rows, t = _chosen(tape, n, rng, (Event.DEPTH, Event.QUOTE)), _column(tape, "t")
    t[rows] += (rng.uniform(10.0, 86_400.0, n) * SECOND_NS).astype(np.int64)
    return Spoilt(replace(tape, t=t), rows)


def _older(tape: Tape, n: int, tick: float, rng: Rng) -> Spoilt:
    """A millisecond to two seconds older than the last good one of its kind."""
    rows, t = _chosen(tape, n, rng, (Event.DEPTH, Event.QUOTE)), _column(tape, "t")
    kind = _column(tape, "kind")
    kind[rows] = len(Event)
    for row in rows.tolist():
        last = tape.t[:row][kind[:row] == tape.kind[row]][-1]
        t[row] = last - int(rng.integers(1, 2000)) * MS_NS
    return Spoilt(replace(tape, t=t), rows)


def _again(tape: Tape, n: int, tick: float, rng: Rng) -> Spoilt:
    """The record once more: at once, or after a newer one of its kind when that comes soon."""
    copies: list[tuple[int, int]] = []  # the event behind which the copy comes, and which it copies
    for row in _chosen(tape, n, rng, (Event.DEPTH, Event.QUOTE)).tolist():
        near = slice(row + 1, row + 13)
        newer = np.flatnonzero((tape.kind[near] == tape.kind[row]) & (tape.t[near] > tape.t[row]))
        copies.append((row + 1 + int(newer[0]) if newer.size and rng.random() < 0.5 else row, row))
    behind, copied = np.array(sorted(copies)).T
    places = np.insert(np.arange(tape.n), behind + 1, copied)
    return Spoilt(_of_events(tape, places), behind + 1 + np.arange(n))


def _of_events(tape: Tape, places: Integers) -> Tape:
    """The events at these places, some of them more than once."""
    row_of = tape.row[places]
    tables = {event: row_of[tape.kind[places] == event] for event in Event}
    numbers = np.empty(places.size, np.int64)
    for event in Event:
        numbers[tape.kind[places] == event] = np.arange(tables[event].size)
    columns = {name: getattr(tape, name)[places] for name in ("kind", "t", "received", "sequence")}
    columns |= {name: getattr(tape, name)[tables[Event.DEPTH]] for name in ("bids", "asks", "counts")}
    quotes, trades = tape.quotes[tables[Event.QUOTE]], tape.trades[tables[Event.TRADE]]
    return Tape(**columns, row=numbers, quotes=quotes, trades=trades)


FAULTS: Final[dict[Rule, Callable[[Tape, int, float, Rng], Spoilt]]] = {
    Rule.NOT_FINITE: _by_level(_not_finite),
    Rule.ZERO_PRICE: _by_level(_zero),
    Rule.NEGATIVE_SIZE: _by_level(_negative),
    Rule.UNSORTED: _by_level(_unsorted, (Event.DEPTH,)),
    Rule.CROSSED: _by_level(_crossed),
    Rule.LOCKED: _by_level(_locked),
    Rule.OFF_TICK: _by_level(_off_tick),
    Rule.WIDE_SPREAD: _by_level(_wide),
    Rule.DUPLICATE: _again,
    Rule.OUT_OF_ORDER: _older,
    Rule.CLOCK_JUMP: _jumped,
    Rule.STALE: _late,
}
"""How each kind of fault is put into a tape of books and quotes; gaps are a matter of updates, see `gaps`."""


@dataclass(frozen=True, slots=True)
class Found:
    """What came of the faults of one kind: how many were put in, how many were named as such, under other names, and false alarms."""

    rule: Rule
    injected: int
    named: int
    otherwise: int
    false: int


def found(tape: Tape, rule: Rule, n: int, tick: float, *, seed: int = 1, told: bool = False) -> Found:
    """Put n faults of a kind into a clean tape and judge it; `told`: the tick is given, not inferred."""
    spoilt = FAULTS[rule](tape, n, tick, np.random.default_rng(seed))
    codes = judge(spoilt.tape, Limits(tick if told else None), Watch.fresh()).codes
    named, faulty = int((codes[spoilt.rows] == rule).sum()), int((codes != Rule.ACCEPTED).sum())
    otherwise = int((codes[spoilt.rows] != Rule.ACCEPTED).sum()) - named
    return Found(rule, spoilt.rows.size, named, otherwise, faulty - named - otherwise)


def gaps(updates: Updates, n: int, *, seed: int = 1) -> Found:
    """Leave out one message of a clean feed, n times, and see whether the next is named; false: of n without one left out."""
    rng = np.random.default_rng(seed)
    first = int(np.flatnonzero(updates.is_snapshot)[0]) + 10
    places = np.sort(rng.choice(np.arange(first, updates.n - 2), n, replace=False)).tolist()
    ladder, at, named, false = Ladder.fresh(), 0, 0, 0
    for place in places:
        ladder, at = follow(_piece(updates, at, place), ladder, 1).ladder, place
        named += int(follow(_piece(updates, place + 1, place + 2), ladder, 1).codes[0] == Rule.GAP)
        false += int(follow(_piece(updates, place, place + 2), ladder, 1).codes.any())
    return Found(Rule.GAP, n, named, 0, false)


def _piece(updates: Updates, begin: int, stop: int) -> Updates:
    """The messages [begin, stop)."""
    rows, start = slice(begin, stop), updates.start[begin : stop + 1]
    columns = {name: getattr(updates, name)[rows] for name in ("t", "received", "first", "last", "previous", "is_snapshot")}
    columns |= {name: getattr(updates, name)[start[0] : start[-1]] for name in ("side", "price", "size")}
    return replace(updates, **columns, start=start - start[0])
