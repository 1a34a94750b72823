"""A view resolved: the steps from the columns of a series to the features, and the hash of all that their numbers depend on."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rpsd.feature.definition import Reading
from rpsd.feature.node import INPUTS, Node


@dataclass(frozen=True, slots=True)
class Graph:
    """A resolved view: its steps in order of evaluation and its columns by name, each the place of a step.

    `definition` is the view's with every default filled in and every included view pinned to its version: what a registry keeps.
    `hash` is the SHA-256 (hex) of steps and column names; two views of the same steps and names have the same. `inputs` are the columns
    of a series that it needs, `lookback` the number of bars before the first whole row, `tails` the number of values to remember of each
    step.
    """

    name: str
    definition: Mapping[str, Any]
    hash: str
    names: tuple[str, ...]
    inputs: tuple[str, ...]
    lookback: int
    nodes: tuple[Node, ...]
    places: tuple[int, ...]
    tails: tuple[int, ...]

    @property
    def columns(self) -> tuple[Node, ...]:
        """The step of each column in the order of `names`."""
        return tuple(self.nodes[place] for place in self.places)

    @property
    def features(self) -> list[dict[str, Any]]:
        """What each column is, as JSON: name, made (how), lookback, low, high, null_tolerance, unit, relative, causal (always true)."""
        return [
            {
                "name": name,
                "made": self._made(place),
                "lookback": node.lookback,
                "low": node.low,
                "high": node.high,
                "null_tolerance": node.null_tolerance,
                "unit": node.unit,
                "relative": node.relative,
                "causal": True,
            }
            for name, place, node in zip(self.names, self.places, self.columns, strict=True)
        ]

    def _made(self, place: int, depth: int = 0) -> str:
        """The step in words, such as zscore_20(rsi_14)."""
        node = self.nodes[place]
        name = "_".join([node.name, *map(str, node.windows)])
        if node.kind != "transform":
            return name
        return f"{name}({', '.join('…' if depth > 3 else self._made(source, depth + 1) for source in node.sources)})"


def resolve(name: str, definition: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]) -> Graph:
    """The graph of a view named `name`: {"features": [...], "views": [...]}, as a caller wrote it.

    A feature is a name of the catalogue (sma_20) or {"name", "transform", "of", "by"?, "window"?}; `of` and `by` name a feature, an input
    (close), another item of the view, or an item of an included view (core_technical.rsi_14). A view is a name, which stands for the newest
    version, or name@version; its columns come first, each as view.column. `known` are the definitions of other views by name@version.
    Raises UnknownFeature when unknown features are all that is wrong, else BadView; both name every bad place.
    """
    reading = Reading(known)
    pinned, columns = reading.read(name, definition)
    return _finished(name, pinned, tuple(reading.nodes), columns)


def _finished(name: str, definition: Mapping[str, Any], nodes: tuple[Node, ...], columns: Mapping[str, int]) -> Graph:
    """The graph of these steps with these columns."""
    tails = [0] * len(nodes)
    for node in nodes:
        for source in node.sources:
            tails[source] = max(tails[source], node.reach)
    told = {"columns": [[column, place] for column, place in columns.items()], "steps": [node.facts() for node in nodes]}
    return Graph(
        name=name,
        definition=definition,
        hash=hashlib.sha256(json.dumps(told, separators=(",", ":"), sort_keys=True).encode()).hexdigest(),
        names=tuple(columns),
        inputs=tuple(column for column in INPUTS if any(node.kind == "input" and node.name == column for node in nodes)),
        lookback=max(nodes[place].lookback for place in columns.values()),
        nodes=nodes,
        places=tuple(columns.values()),
        tails=tuple(tails),
    )
