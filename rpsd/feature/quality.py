"""How good a row of features is: which are missing, and which are beyond what is to be expected."""

import math
from typing import Any

import numpy as np

from rpsd.core.market import Vector
from rpsd.core.result import Matrix
from rpsd.feature.graph import Graph


def judged(graph: Graph, row: Vector, seen: int | None = None) -> tuple[float, list[dict[str, Any]]]:
    """The quality 1 - (nulls + out of range) / F of a row (F,), and its faults: feature, fault, reason, value (None of a null).

    With the number of bars seen so far, the row's own included, a null of the warm-up says so; it counts all the same. O(F).
    """
    faults: list[dict[str, Any]] = []
    for name, node, value in zip(graph.names, graph.columns, row.tolist(), strict=True):
        if math.isnan(value):
            early = seen is not None and seen <= node.lookback
            reason = f"needs {node.lookback + 1} bars, there are {seen}" if early else "a value that it needs is missing"
            faults.append({"feature": name, "fault": "null", "reason": reason, "value": None})
        elif (node.low is not None and value < node.low) or (node.high is not None and value > node.high):
            low, high = ("-∞" if node.low is None else f"{node.low:g}"), ("∞" if node.high is None else f"{node.high:g}")
            reason = f"expected {low} to {high}"
            faults.append({"feature": name, "fault": "out_of_range", "reason": reason, "value": value})
    return 1.0 - len(faults) / len(graph.names), faults


def columns(graph: Graph, matrix: Matrix, first: int = 0) -> dict[str, dict[str, Any]]:
    """What is wrong with each feature over rows (n, F): rows, nulls, out_of_range, and whether the nulls are within its tolerance.

    `first` is the place of the first row in the series: rows of a feature's warm-up are left out, so `rows` differs. O(n F).
    """
    told: dict[str, dict[str, Any]] = {}
    for i, (name, node) in enumerate(zip(graph.names, graph.columns, strict=True)):
        values = matrix[max(0, node.lookback - first) :, i]
        nulls = int(np.isnan(values).sum())
        low, high = (-np.inf if node.low is None else node.low), (np.inf if node.high is None else node.high)
        outside = int(((values < low) | (values > high)).sum())
        told[name] = {"rows": values.size, "nulls": nulls, "out_of_range": outside, "tolerated": nulls <= node.null_tolerance * values.size}
    return told


def comparable(graph: Graph, matrix: Matrix, price: Vector) -> Matrix:
    """The features (n, F) freed of the price's level, price (n,): what is of its unit becomes a ratio to it, so that years compare.

    Of a level above zero, such as an average, it is the logarithm of the ratio; of a difference, such as macd, the ratio itself.
    NaN where either is missing or the logarithm has none. Causal. O(n F). Source: Campbell, Lo and MacKinlay (1997), 1.4.
    """
    freed = matrix.copy()
    scale = np.where(price > 0.0, price, np.nan)
    for i, node in enumerate(graph.columns):
        if node.relative:
            ratio = matrix[:, i] / scale
            level = node.low is not None and node.low >= 0.0
            freed[:, i] = np.log(ratio, out=np.full(ratio.size, np.nan), where=ratio > 0.0) if level else ratio
    return freed
