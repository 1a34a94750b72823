"""Boosted trees on the features and their mirror, flattened for the kernel; only training needs scikit-learn."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rpsd.book.forecast import mirror
from rpsd.core.book import Grid, Integers
from rpsd.core.market import Vector
from rpsd.core.parameters import BookParameters

LEAST_MOVES: Final = 5000
"""Distinct moves of the training part below which trees are not allowed: they would learn single moves by heart."""
_RATE: Final = 0.05
_LEAF_SHARE: Final = 200  # a leaf holds at least one event in so many
_RIDGE: Final = 1.0


@dataclass(frozen=True, slots=True)
class Trees:
    """Nodes (K, 3) of column (-1 of a leaf), left, right; `cuts` (K,); `roots` (T,), those of the direction first; `base` of a move."""

    nodes: Integers
    cuts: Vector
    roots: Integers
    direction_trees: int
    base: float


def fit(x: Grid, y: Integers, params: BookParameters, seed: int, counts: tuple[int, int] | None = None) -> Trees:
    """Trees for the direction of the events that moved and, if some did not, for a move at all, on features x (n, 27) and outcomes y (n,).

    Every event stands beside its mirror. `counts`: how many trees of the direction and of the move are kept, params.trees each by
    default. Hindsight over x. O(n trees log leaves). Source: Friedman (2001), Ann. Stat. 29, 1189-1232, by histograms: Ke et al. (2017),
    Adv. Neural Inf. Process. Syst. 30.
    """
    kept = counts or (params.trees, params.trees)
    moved = y != 0
    directions = _flattened(_grown(x[moved], y[moved] > 0, -1, params, seed), kept[0])
    if moved.all():
        return Trees(*directions, 0.0)
    grown = _grown(x, moved, 1, params, seed)
    nodes, cuts, roots, _ = _flattened(grown, kept[1])
    offset = len(directions[0])
    nodes[nodes[:, 0] >= 0, 1:] += offset
    together = (np.vstack([directions[0], nodes]), np.concatenate([directions[1], cuts]), np.concatenate([directions[2], roots + offset]))
    return Trees(*together, directions[3], float(np.ravel(grown._baseline_prediction)[0]))


def best_counts(x: Grid, y: Integers, new: Grid, came: Integers, params: BookParameters, seed: int) -> tuple[int, int]:
    """How many trees of the direction and of the move give the least log loss on later events new (m, 27) with outcomes came (m,)."""
    moved, later = y != 0, came != 0
    direction = _best(_grown(x[moved], y[moved] > 0, -1, params, seed), new[later], came[later] > 0, -1)
    return (direction, 0) if moved.all() else (direction, _best(_grown(x, moved, 1, params, seed), new, later, 1))


def scores(x: Grid, trees: Trees) -> Grid:
    """Log-odds (n, 2) of up against down, of a move against none (infinite without flat), in the readable way: O(n T leaves)."""
    source, sign = mirror()
    both = (x, sign * x[:, source])
    first, second = trees.roots[: trees.direction_trees], trees.roots[trees.direction_trees :]
    here, there = (_sum(one, first, trees) for one in both)
    if not second.size and not trees.base:
        return np.column_stack([0.5 * (here - there), np.full(len(x), np.inf)])
    evens = [_sum(one, second, trees) for one in both]
    return np.column_stack([0.5 * (here - there), trees.base + 0.5 * (evens[0] + evens[1])])


def _grown(x: Grid, came: npt.NDArray[np.bool_], parity: int, params: BookParameters, seed: int) -> Any:
    """The booster of scikit-learn on every event and its mirror, whose outcome is the other one (parity -1) or the same (1)."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    source, sign = mirror()
    booster = HistGradientBoostingClassifier(
        learning_rate=_RATE,
        max_iter=params.trees,
        max_leaf_nodes=params.leaves,
        min_samples_leaf=max(20, 2 * len(x) // _LEAF_SHARE),
        l2_regularization=_RIDGE,
        early_stopping=False,
        random_state=seed,
    )
    return booster.fit(np.vstack([x, sign * x[:, source]]), np.concatenate([came, came if parity > 0 else ~came]))


def _best(booster: Any, new: Grid, came: npt.NDArray[np.bool_], parity: int) -> int:
    source, sign = mirror()
    losses = []
    if not came.size:
        return len(booster._predictors)
    both = zip(booster.staged_decision_function(new), booster.staged_decision_function(sign * new[:, source]), strict=True)
    for here, there in both:
        losses.append(float(np.logaddexp(0.0, np.where(came, -1, 1) * 0.5 * (np.ravel(here) + parity * np.ravel(there))).mean()))
    return int(np.argmin(losses)) + 1


def _flattened(booster: Any, count: int) -> tuple[Integers, Vector, Integers, int]:
    """Nodes, cuts, roots and number of the first trees."""
    nodes, cuts, roots, at = [], [], [], 0
    for (predictor,) in booster._predictors[:count]:
        table = predictor.nodes
        leaf = table["is_leaf"].astype(bool)
        children = [np.where(leaf, 0, table[side].astype(np.int64) + at) for side in ("left", "right")]
        nodes.append(np.column_stack([np.where(leaf, -1, table["feature_idx"].astype(np.int64)), *children]))
        cuts.append(np.where(leaf, table["value"], table["num_threshold"]))
        roots.append(at)
        at += len(table)
    return np.vstack(nodes), np.concatenate(cuts), np.array(roots, np.int64), len(roots)


def _sum(x: Grid, roots: Integers, trees: Trees) -> Vector:
    total, every = np.zeros(len(x)), np.arange(len(x))
    for root in roots.tolist():
        at = np.full(len(x), root)
        while (inner := trees.nodes[at, 0] >= 0).any():
            column, left, right = trees.nodes[at].T
            goes_left = x[every, np.maximum(column, 0)] <= trees.cuts[at]
            at = np.where(inner, np.where(goes_left, left, right), at)
        total += trees.cuts[at]
    return total
