"""The past played again: feature rows as they were when their bars became known, although bars were revised or came late since."""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from rpsd.core.market import Times, Vector
from rpsd.services.feature.rows import Piece

if TYPE_CHECKING:
    from rpsd.feature.graph import Graph
    from rpsd.feature.run import Memory

_APART: Final = 64
"""Bars between two memories to go back to."""
_MOST: Final = 1024
"""Memories held; each is some ten kilobytes."""


@dataclass(frozen=True, slots=True)
class Version:
    """Rows as they stood at a time: t (n,), when each counts as known (n,), when it was said to be (n,), the inputs (n,) by name."""

    t: Times
    known: Times
    said: Times
    inputs: Mapping[str, Vector]


@dataclass(frozen=True, slots=True)
class _Events:
    """Everything that became known, in that order: which bar, when, and its inputs by name; `is_new` where no later bar was known."""

    bar: npt.NDArray[np.int64]
    known: Times
    inputs: Mapping[str, Vector]
    is_new: npt.NDArray[np.bool_]


def replayed(graph: "Graph", versions: Sequence[Version], now_ns: int, check: Callable[[], None]) -> Piece:
    """The row of each bar as it was computed when the bar first became known, from all that was known then and nothing else.

    `versions` hold every state of every row, superseded ones too; what is known only after now_ns is left out. `check` is called between
    steps and may raise. Causal in both times: a row rests on bars up to its own, as they stood at its known time. Cost: O(n) for bars in
    order, and for each late or revised bar the bars from it to the newest of that moment.
    """
    from rpsd.feature.run import Memory  # numerics wait for the warm-up

    times = np.unique(np.concatenate([version.t[version.known <= now_ns] for version in versions]))
    events = _ordered(versions, times, now_ns)
    player = _Player(graph, Memory.fresh(graph), times.size)
    for start, stop in _groups(events):
        check()
        player.take(events, start, stop)
    return Piece(times, player.known, player.features)


def _ordered(versions: Sequence[Version], times: Times, now_ns: int) -> _Events:
    """The states in the order in which they became known; of two that count from the same moment on the one said later."""
    t, known, said = (np.concatenate([getattr(version, name) for version in versions]) for name in ("t", "known", "said"))
    order = np.lexsort((said, t, known))
    order = order[known[order] <= now_ns]
    t, known = t[order], known[order]
    last = np.append((np.diff(t) != 0) | (np.diff(known) != 0), True)[: t.size]
    order, t, known = order[last], t[last], known[last]
    bar = np.searchsorted(times, t)
    before = np.concatenate([[-1], np.maximum.accumulate(bar)])[: bar.size]
    inputs = {name: np.concatenate([version.inputs[name] for version in versions])[order] for name in versions[0].inputs}
    return _Events(bar, known, inputs, bar > before)


def _groups(events: _Events) -> list[tuple[int, int]]:
    """Stretches that are played at once: new bars one after another, or what became known of older bars at one moment."""
    n = events.bar.size
    if not n:
        return []
    breaks = np.diff(events.is_new.astype(np.int8)) != 0
    breaks |= ~events.is_new[1:] & (np.diff(events.known) != 0)
    edges = [0, *(np.flatnonzero(breaks) + 1).tolist(), n]
    return list(pairwise(edges))


class _Player:
    """The bars that are known by now, the rows told so far, and memories to go back to."""

    def __init__(self, graph: "Graph", fresh: "Memory", n: int) -> None:
        self._graph = graph
        self._there = np.zeros(n, np.bool_)
        self._inputs = {name: np.full(n, np.nan) for name in graph.inputs}
        self._head = -1
        self._marks: list[int] = [-1]
        self._memories: list[Memory] = [fresh]
        self.known = np.zeros(n, np.int64)
        self.features = np.full((n, len(graph.names)), np.nan)

    def take(self, events: _Events, start: int, stop: int) -> None:
        """Play one stretch: put its states in place, compute from the first of its bars on, and tell the rows of bars seen first."""
        bars = events.bar[start:stop]
        first = bars[~self._there[bars]]
        self.known[first] = events.known[start:stop][~self._there[bars]]
        self._there[bars] = True
        for name, cells in self._inputs.items():
            cells[bars] = events.inputs[name][start:stop]
        self._head = max(self._head, int(bars[-1]))
        self._compute(int(bars[0]), first)

    def _compute(self, since: int, wanted: npt.NDArray[np.int64]) -> None:
        """Recompute from the last memory before bar `since` to the head; rows of the wanted bars alone are told."""
        from rpsd.feature import run  # numerics wait for the warm-up

        keep = bisect_left(self._marks, since)
        del self._marks[keep:], self._memories[keep:]
        bars = self._marks[-1] + 1 + np.flatnonzero(self._there[self._marks[-1] + 1 : self._head + 1])
        memory = self._memories[-1]
        is_wanted = np.zeros(self._there.size, np.bool_)
        is_wanted[wanted] = True
        for at in range(0, bars.size, _APART):
            part = bars[at : at + _APART]
            features, memory = run.advance(self._graph, memory, {name: cells[part] for name, cells in self._inputs.items()})
            told = is_wanted[part]
            self.features[part[told]] = features[told]
            self._remember(int(part[-1]), memory)

    def _remember(self, bar: int, memory: "Memory") -> None:
        """Note a memory; of those close together the newest two are enough, and of too many every second."""
        if len(self._marks) > 2 and bar - self._marks[-2] < _APART:
            del self._marks[-1], self._memories[-1]
        self._marks.append(bar)
        self._memories.append(memory)
        if len(self._marks) > _MOST:
            self._marks[1:-1], self._memories[1:-1] = self._marks[2:-1:2], self._memories[2:-1:2]
