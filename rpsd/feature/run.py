"""Computing a view: over all bars, or over the next ones with what is remembered of those before."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

import numpy as np

from rpsd.core.errors import CorruptData, Fault
from rpsd.core.feature import Feature
from rpsd.core.market import Vector
from rpsd.core.model import Packet
from rpsd.core.model_errors import BadView
from rpsd.core.result import Matrix
from rpsd.feature.graph import Graph
from rpsd.feature.node import Node
from rpsd.feature.transform import Transform
from rpsd.kernels import moving

_NOTHING: Final = np.empty(0)


@dataclass(frozen=True, slots=True)
class Memory:
    """What a view needs of the bars before: `seen`, their number, and for each step its last values and its state (empty if none)."""

    seen: int
    tails: tuple[Vector, ...]
    states: tuple[Vector, ...]

    @classmethod
    def fresh(cls, graph: Graph) -> "Memory":
        """Before the first bar."""
        return cls(0, (_NOTHING,) * len(graph.nodes), tuple(_start(node) for node in graph.nodes))

    def pack(self, graph: Graph) -> bytes:
        """A packet that holds the graph's hash."""
        head = {"graph": graph.hash, "seen": self.seen}
        return Packet(head, {"values": np.concatenate([*self.tails, *self.states])}).pack()

    @classmethod
    def unpack(cls, graph: Graph, data: bytes) -> "Memory | None":
        """The memory in data, None when it is of another graph or damaged."""
        try:
            packet = Packet.unpack(data)
        except CorruptData:
            return None
        if packet.head.get("graph") != graph.hash:
            return None
        seen, values = int(packet.head["seen"]), packet.arrays["values"]
        fresh = cls.fresh(graph)
        sizes = [min(seen, tail) for tail in graph.tails] + [state.size for state in fresh.states]
        if values.size != sum(sizes):
            return None
        ends = list(accumulate(sizes))
        parts = [values[end - size : end] for size, end in zip(sizes, ends, strict=True)]
        return cls(seen, tuple(parts[: len(sizes) // 2]), tuple(parts[len(sizes) // 2 :]))


def compute(graph: Graph, columns: Mapping[str, Vector]) -> Matrix:
    """The features (n, F) of all bars in the order of graph.names, NaN where one cannot be told. Causal. Source: Feature.source of each.

    `columns` holds each of graph.inputs (n,), NaN where a cell is missing. Raises BadView when one is not there. O(n F).
    """
    _require(graph, columns)
    held: list[Vector] = []
    with np.errstate(over="ignore", invalid="ignore"):  # as in _steps
        for node in graph.nodes:
            method, sources = node.method, [held[source] for source in node.sources]
            if method is None:
                held.append(_readable(columns[node.name]))
            elif isinstance(method, Transform):
                held.append(method.run(tuple(sources), node.windows[0] if node.windows else 0))
            else:
                held.append(method.run(dict(zip(node.reads, sources, strict=True)), node.windows))
    return _told(graph, held, columns[graph.inputs[0]].size)


def advance(graph: Graph, memory: Memory, columns: Mapping[str, Vector]) -> tuple[Matrix, Memory]:
    """The features (n, F) of the next bars, each column contiguous, and the memory after them; the memory given is left alone.

    Any split of the bars gives the numbers of `compute` over all of them, bit for bit. Raises BadView. Causal. O(n F).
    """
    held, states, n = _steps(graph, memory, columns)
    if n == 0:
        return np.empty((0, len(graph.names))), memory
    seen = memory.seen + n
    tails = tuple(values[-min(seen, tail) :].copy() if tail else _NOTHING for values, tail in zip(held, graph.tails, strict=True))
    return _told(graph, held, n), Memory(seen, tails, tuple(states))


def _steps(graph: Graph, memory: Memory, columns: Mapping[str, Vector]) -> tuple[list[Vector], list[Vector], int]:
    """What each step has come to, behind what is remembered of it, its state, and the number of bars. Raises BadView."""
    _require(graph, columns)
    n = columns[graph.inputs[0]].size
    held: list[Vector] = []
    states: list[Vector] = []
    if n == 0:
        return held, states, n
    with np.errstate(over="ignore", invalid="ignore"):  # what goes beyond the numbers of a machine becomes missing
        for node, tail, state in zip(graph.nodes, memory.tails, memory.states, strict=True):
            now, after = _step(node, n, memory.seen, held, state, columns)
            held.append(now if tail.size == 0 else np.concatenate([tail, now]))
            states.append(after)
    return held, states, n


def _told(graph: Graph, held: list[Vector], n: int) -> Matrix:
    """The last n values of each feature (n, F), each column contiguous; what is beyond the numbers of a machine is missing."""
    rows = np.empty((len(graph.places), n))
    for row, place in zip(rows if n else (), graph.places if n else (), strict=True):
        row[:] = held[place][-n:]
    moving.told(rows.reshape(-1))
    return rows.T


def _readable(column: Vector) -> Vector:
    """The column as the kernels take it; a sealed one is copied."""
    fits = column.flags.carray and column.dtype == np.float64
    return column if fits else np.require(column, np.float64, ["C", "W"])


def _require(graph: Graph, columns: Mapping[str, Vector]) -> None:
    if absent := [name for name in graph.inputs if name not in columns]:
        raise missing(graph, absent)


def missing(graph: Graph, absent: list[str]) -> BadView:
    """The error of a series without columns that the view needs: it names each feature with the column."""
    read = read_by(graph)
    faults = [
        Fault(f"/features/{name}", f"needs the column {column}, which the series lacks")
        for name, place in zip(graph.names, graph.places, strict=True)
        for column in absent
        if column in read[place]
    ]
    return BadView(f"the view {graph.name} needs the columns {', '.join(absent)}, which the series lacks", errors=faults)


def read_by(graph: Graph) -> list[set[str]]:
    """The inputs that each step depends on."""
    read: list[set[str]] = []
    for node in graph.nodes:
        read.append({node.name} if node.kind == "input" else set().union(*(read[source] for source in node.sources)))
    return read


def _start(node: Node) -> Vector:
    """The state of a step before the first bar."""
    recursion = node.method.recursion if isinstance(node.method, Feature) else None
    return _NOTHING if recursion is None else recursion.start(node.windows)


def _step(node: Node, n: int, seen: int, held: list[Vector], state: Vector, columns: Mapping[str, Vector]) -> tuple[Vector, Vector]:
    """The next n values of one step, and its state after them."""
    method = node.method
    if method is None:
        return _readable(columns[node.name]), state
    if seen:
        needed = n + min(seen, node.reach)
        sources = [held[source][-needed:] for source in node.sources]
    else:
        sources = [held[source] for source in node.sources]
    if isinstance(method, Transform):
        values = method.run(tuple(sources), node.windows[0] if node.windows else 0)
    else:
        named = dict(zip(node.reads, sources, strict=True))
        if method.recursion is None:
            values = method.run(named, node.windows)
        else:
            state = state.copy()
            values = method.recursion.advance(state, named, node.windows)
    return values[-n:] if seen else values, state
