"""The steps of a view: reading a column of the series, computing a feature of it, transforming what another step tells."""

from dataclasses import dataclass
from typing import Any, Final

from rpsd.core.feature import Feature
from rpsd.feature.naming import names_of
from rpsd.feature.transform import Transform

INPUTS: Final = ("open", "high", "low", "close", "volume")
"""What a view may read of a series; close stands for the series' price."""


@dataclass(frozen=True, slots=True)
class Node:
    """One step: an input, a feature or a transform (`method`), with its windows and the places of the steps that it reads.

    `reach` is the number of bars before a bar that the step itself reads (0 of one that remembers), `lookback` the number of bars of the
    series before which it tells nothing. A feature finds its sources under the names `reads`. The further fields are as in Feature.
    """

    kind: str
    name: str
    windows: tuple[int, ...]
    sources: tuple[int, ...]
    reach: int
    lookback: int
    version: int
    unit: str
    low: float | None
    high: float | None
    null_tolerance: float
    relative: bool
    method: Feature | Transform | None = None
    reads: tuple[str, ...] = ()

    def facts(self) -> list[Any]:
        """What the numbers depend on, as JSON."""
        return [self.kind, self.name, list(self.windows), list(self.sources), self.version]


def input_node(name: str) -> Node:
    """The step that reads a column of the series."""
    price = name != "volume"
    return Node("input", name, (), (), 0, 0, 1, "price" if price else "volume", 0.0, None, 0.0, price)


def feature_node(feature: Feature, windows: tuple[int, ...], sources: tuple[int, ...], warm: int) -> Node:
    """The step that computes a member of the catalogue; `warm` is the longest lookback of what it is made of."""
    lookback = feature.lookback(windows)
    return Node(
        "feature",
        feature.name,
        windows,
        sources,
        0 if feature.recursion else lookback - warm,
        lookback,
        feature.version,
        feature.unit,
        feature.low,
        feature.high,
        feature.null_tolerance,
        feature.relative,
        feature,
        (*feature.inputs, *names_of(feature, windows)),
    )


def transform_node(transform: Transform, window: int | None, places: tuple[int, ...], sources: tuple[Node, ...]) -> Node:
    """The step that transforms one other, or two: what is to be expected of it follows from what is of them."""
    reach = transform.reach(window or 0)
    unit, low, high, relative = _expected(transform.name, sources)
    windows = () if window is None else (window,)
    lookback = reach + max(source.lookback for source in sources)
    tolerance = max(source.null_tolerance for source in sources)
    return Node(
        "transform", transform.name, windows, places, reach, lookback, transform.version, unit, low, high, tolerance, relative, transform
    )


def _expected(name: str, sources: tuple[Node, ...]) -> tuple[str, float | None, float | None, bool]:
    """Unit, range and whether it is of the price's unit."""
    x = sources[0]
    if name == "lag":
        return x.unit, x.low, x.high, x.relative
    if name == "difference":
        span = None if x.low is None or x.high is None else x.high - x.low
        return x.unit, None if span is None else -span, span, x.relative
    if name == "zscore":
        return "deviations", None, None, False
    y = sources[1]
    positive = all(source.low is not None and source.low >= 0.0 for source in sources)
    return ("ratio" if x.unit == y.unit else f"{x.unit} / {y.unit}"), 0.0 if positive else None, None, x.relative and not y.relative
