"""How a book model is to be fitted, chosen by what it says of blocks of the training part that it was not fitted to."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from rpsd.book import blend, boosted, calibration, logistic, validate
from rpsd.book.table import Table
from rpsd.core.book import Grid, Integers
from rpsd.core.errors import DegenerateFit
from rpsd.core.market import Vector
from rpsd.core.parameters import BookParameters

Predict = Callable[[Table, Grid], Grid]
"""Fits to a table and answers with scores (m, 2) of features (m, 27) that are not in it."""

Names = tuple[str, ...]

IMBALANCE: Final[Names] = ("qi1",)
FLOW: Final[Names] = ("qi1", "ofi_ev", "ofi_f", "ofi_m")
WIDE: Final[Names] = (*logistic.ODD, "ofi_ev", "wdi", "micro5_t")
_NAMES: Final[tuple[Names, ...]] = (IMBALANCE, FLOW, logistic.ODD, WIDE)  # the first of each is not penalised
_PENALTIES: Final = (1e-3, 1e-2, 3e-2, 1e-1, 1.0)
_TREES_FROM: Final = 0.3  # of the work, where trees are tried too
_COUNTED_BY: Final = 0.25  # share of the fitted events, the latest, that tell how many trees


@dataclass(frozen=True, slots=True)
class Recipe:
    """What was chosen before anything was fitted for good: features of the direction and their penalty, trees, calibration."""

    names: Names
    l2: float
    choice: blend.Choice
    counts: tuple[int, int]
    calibration: str


def chosen(table: Table, params: BookParameters, seed: int, *, with_trees: bool, report: Callable[[float], None]) -> Recipe:
    """The recipe by what unseen blocks of the table say; nothing after it is looked at.

    Features and penalty are those with the least log loss over purged folds, once the scale of the scores is set (calibration.levelled:
    the calibration sets it in the end anyhow), but more features than the imbalance of the best quotes must gain more than the standard
    error of the gain. Raises DegenerateFit when no fold can be fitted. `report` is called with the share done.
    Source of the rule: Breiman, Friedman, Olshen, Stone (1984), Classification and Regression Trees, section 3.4.3, of the difference.
    """
    report(0.0)
    folds = usable(table, params.folds)
    names, l2, losses = _NAMES[0], *_penalised(table, folds, _NAMES[0])
    for i, richer in enumerate(_NAMES[1:], 1):
        report(i / len(_NAMES) * (_TREES_FROM if with_trees else 1.0))
        found, tried = _penalised(table, folds, richer)
        gain = losses - tried
        if gain.mean() > blend.standard_error(gain, table.cluster[np.concatenate([fold.test for fold in folds])]):
            names, l2, losses = richer, found, tried
    method = calibration.method_of(params.calibration, table.moves)
    if not with_trees:
        return Recipe(names, l2, blend.Choice(1.0, ()), (0, 0), method)
    inner = validate.parted(table.t, table.until_ns, _COUNTED_BY)
    first, second = table.at(inner.train), table.at(inner.test)
    counts = boosted.best_counts(first.x, first.y, second.x, second.y, params, seed)
    report(0.6)
    walk = validate.walk_forward(table.t, table.until_ns, params.folds, table.t.size // (params.folds + 1))
    places, linear = out_of_fold(table, walk, partial(_linear, names=names, l2=l2))
    _, trees = out_of_fold(table, walk, lambda seen, new: boosted.scores(new, boosted.fit(seen.x, seen.y, params, seed, counts)))
    y = table.y[places]
    linear, trees = calibration.levelled(linear, y), calibration.levelled(trees, y)
    return Recipe(names, l2, blend.choose(linear, trees, y, table.cluster[places], params.model), counts, method)


def _linear(seen: Table, new: Grid, names: Names, l2: float) -> Grid:
    """Scores (m, 2) of the logistic part, fitted to what was seen: each move counts once, however long it took."""
    return logistic.scores(new, logistic.fit(seen.x, seen.y, l2, names, seen.weight))


def usable(table: Table, folds: int) -> list[validate.Split]:
    """The purged folds whose training part holds moves of both directions. Raises DegenerateFit when there is none."""
    splits = validate.purged_folds(table.t, table.until_ns, folds)
    splits = [fold for fold in splits if all((table.y[fold.train] == side).any() for side in (-1, 1))]
    if not splits:
        raise DegenerateFit("the mid moved in one direction alone, in the events to fit or in those to calibrate by")
    return splits


def out_of_fold(table: Table, folds: list[validate.Split], predict: Predict) -> tuple[Integers, Grid]:
    """Places of the events of all folds, and scores (n, 2) of each by what was fitted to the rest."""
    scores = [predict(table.at(fold.train), table.x[fold.test]) for fold in folds]
    return np.concatenate([fold.test for fold in folds]), np.vstack(scores)


def _penalised(table: Table, folds: list[validate.Split], names: Names) -> tuple[float, Vector]:
    """The penalty with the least loss, and the losses (n,) of the events of all folds under it."""
    found: dict[float, Vector] = {}
    for l2 in _PENALTIES if len(names) > 1 else _PENALTIES[:1]:
        places, scores = out_of_fold(table, folds, partial(_linear, names=names, l2=l2))
        found[l2] = blend.losses(calibration.levelled(scores, table.y[places]), table.y[places])
    best = min(found, key=lambda l2: float(found[l2].mean()))
    return best, found[best]
