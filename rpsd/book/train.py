"""A book model from tapes: choose, fit and calibrate on early events, judge on later ones once, then fit again on all for serving."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np

from rpsd.book import blend, boosted, calibration, evaluate, further, labels, logistic, validate
from rpsd.book.forecast import as_packet, mirror, scored
from rpsd.book.table import Table, gathered
from rpsd.core.book import Tape
from rpsd.core.errors import DegenerateFit, TooShort
from rpsd.core.market import Vector
from rpsd.core.model import Packet
from rpsd.core.parameters import BookParameters, LabelParameters
from rpsd.kernels.forecast import Forecaster

Report = Callable[[float, str], None]
"""Called with the share done and a few words."""

LEAST_MOVES: Final = 100
"""Distinct moves that all tapes together must hold."""
_CALIBRATED_BY: Final = 0.25  # share of the events of a fit, the latest, that its calibration learns from
_PENALTIES: Final = (1e-4, 1e-3, 1e-2, 3e-2, 1e-1, 3e-1)
_COUNTED_BY: Final = 0.25  # share of the fitted events, the latest, that tell how many trees


@dataclass(frozen=True, slots=True)
class Recipe:
    """What was chosen before anything was fitted for good: penalty, share of the logistic part, numbers of trees, calibration."""

    l2: float
    choice: blend.Choice
    counts: tuple[int, int]
    calibration: str


def train(
    tapes: Sequence[tuple[Tape, float]],
    label: LabelParameters,
    params: BookParameters,
    *,
    seed: int,
    report: Report = lambda _share, _words: None,
    rival: Packet | None = None,
) -> Packet:
    """A model of tapes, each without a gap and with its tick, judged on the latest params.test_share of the events.

    The trial chooses penalty and predictor by purged folds, fits on the first three quarters of the events before the test and learns the
    calibration from the last quarter of them. The test block is looked at once, for `evaluation`: by the trial as it stands, and by the
    same recipe fitted anew before each of params.folds blocks of it. The served model is of that recipe on all events. Tapes are put in
    one order of time; alpha is of the events before the test.
    Head: kind, label (mapping), horizon (name), predictor, calibration, schema, tick (None for several), alpha (ticks), l2, seed, events,
    moves, trained_from_ns, trained_until_ns, trial_until_ns, choice (rows of blend.choose), evaluation (evaluate.judged), logistic_share,
    direction_trees, base. Arrays: those of forecast.opened and further.fitted, and trial, the packed trial. Hindsight up to
    trained_until_ns. Raises RandomSplitRefused, TooShort (fewer than 100 moves, or than 5,000 before the test when trees are asked for),
    DegenerateFit.
    """
    validate.in_order_of_time(params)
    report(0.0, "computing features")
    table, alpha = gathered(tapes, label, params.test_share)
    split = validate.parted(table.t, table.until_ns, params.test_share)
    early, test = table.at(split.train), table.at(split.test)
    if table.moves < LEAST_MOVES:
        raise TooShort(f"the tapes hold {table.moves} distinct moves; at least {LEAST_MOVES} are needed")
    report(0.15, "choosing the predictor")
    fitted, later = _fit_and_calibration(early)
    recipe = chosen(fitted, later.moves, params, seed, with_trees=_allows_trees(early, params))
    report(0.5, "fitting the trial")
    trial = _fitted(fitted, later, recipe, params, seed)
    told = {"label": asdict(label), "alpha": alpha, "predictor": recipe.choice.predictor, "calibration": recipe.calibration}
    trial_packet = as_packet(trial, {**told, "trial_until_ns": int(early.until_ns.max())})
    report(0.6, "judging on the test block")
    blocks = validate.walk_forward(table.t, table.until_ns, params.folds, int(split.test[0]))
    folds = [_fold(table, block, recipe, params, seed) for block in blocks]
    against = None if rival is None else evaluate.Rival.of(rival, asdict(label))
    evaluation = evaluate.judged(trial, early, test, folds, params.bootstrap, np.random.default_rng(seed), against)
    report(0.9, "fitting for serving")
    served = _fitted(*_fit_and_calibration(table), recipe, params, seed)
    ticks = {tick for _, tick in tapes}
    head = {
        **told,
        "horizon": labels.name_of(label),
        "tick": ticks.pop() if len(ticks) == 1 else None,
        "l2": recipe.l2,
        "seed": seed,
        "events": table.t.size,
        "moves": table.moves,
        "trained_from_ns": int(table.t[0]),
        "trained_until_ns": int(table.until_ns.max()),
        "trial_until_ns": int(early.until_ns.max()),
        "choice": list(recipe.choice.table),
        "evaluation": evaluation,
    }
    packet = as_packet(served, head)
    return Packet(packet.head, {**packet.arrays, **further.fitted(tapes), "trial": np.frombuffer(trial_packet.pack(), np.uint8)})


def _allows_trees(early: Table, params: BookParameters) -> bool:
    """Whether trees are tried. Raises TooShort when they are asked for and the moves before the test are too few."""
    is_enough = early.moves >= boosted.LEAST_MOVES
    if params.model in ("boosted", "blend") and not is_enough:
        told = f"{early.moves} distinct moves before the test block; trees need {boosted.LEAST_MOVES}, or they learn moves by heart"
        raise TooShort(told)
    return is_enough and params.model != "logistic"


def _fit_and_calibration(table: Table) -> tuple[Table, Table]:
    split = validate.parted(table.t, table.until_ns, _CALIBRATED_BY)
    fitted, later = table.at(split.train), table.at(split.test)
    if not all((part.y == side).any() for part in (fitted, later) for side in (-1, 1)):
        raise DegenerateFit("the mid moved in one direction alone, in the events to fit or in those to calibrate by")
    return fitted, later


def chosen(table: Table, later_moves: int, params: BookParameters, seed: int, *, with_trees: bool) -> Recipe:
    """The recipe by what unseen blocks of the table say; nothing after it is looked at."""
    folds = validate.purged_folds(table.t, table.until_ns, params.folds)
    folds = [fold for fold in folds if all((table.y[fold.train] == side).any() for side in (-1, 1))]
    l2 = min(_PENALTIES, key=lambda one: _penalised_loss(table, folds, one))
    method = calibration.method_of(params.calibration, later_moves)
    alone = blend.Choice(1.0, ())
    if not with_trees:
        return Recipe(l2, alone, (0, 0), method)
    inner = validate.parted(table.t, table.until_ns, _COUNTED_BY)
    first, second = table.at(inner.train), table.at(inner.test)
    counts = boosted.best_counts(first.x, first.y, second.x, second.y, params, seed)
    unseen, linear, trees = [], [], []
    for fold in validate.walk_forward(table.t, table.until_ns, params.folds, table.t.size // (params.folds + 1)):
        before, after = table.at(fold.train), table.at(fold.test)
        unseen.append(fold.test)
        linear.append(logistic.scores(after.x, logistic.fit(before.x, before.y, l2)))
        trees.append(boosted.scores(after.x, boosted.fit(before.x, before.y, params, seed, counts)))
    places = np.concatenate(unseen)
    choice = blend.choose(np.vstack(linear), np.vstack(trees), table.y[places], table.cluster[places], params.model)
    return Recipe(l2, choice, counts, method)


def _penalised_loss(table: Table, folds: list[validate.Split], l2: float) -> float:
    """Mean log loss of blocks that the fit has not seen."""
    lost: list[Vector] = [np.zeros(1)]
    for fold in folds:
        model = logistic.fit(table.x[fold.train], table.y[fold.train], l2)
        lost.append(blend.losses(logistic.scores(table.x[fold.test], model), table.y[fold.test]))
    return float(np.concatenate(lost).mean())


def _fold(table: Table, split: validate.Split, recipe: Recipe, params: BookParameters, seed: int) -> evaluate.Fold:
    """The probabilities of one block by a model fitted and calibrated, by the recipe, on all that was settled before it."""
    after = table.at(split.test)
    try:
        model = _fitted(*_fit_and_calibration(table.at(split.train)), recipe, params, seed)
    except DegenerateFit:
        return evaluate.Fold(after, None)
    return evaluate.Fold(after, scored(after.x, model)[0])


def _uncalibrated(table: Table, recipe: Recipe, params: BookParameters, seed: int) -> Forecaster:
    """Both parts fitted to the table; the calibration is the identity."""
    share, plain = recipe.choice.share, np.zeros((1, 2))
    line = logistic.fit(table.x, table.y, recipe.l2)
    nothing = boosted.Trees(np.empty((0, 3), np.int64), np.empty(0), np.empty(0, np.int64), 0, 0.0)
    trees = nothing if share == 1.0 else boosted.fit(table.x, table.y, params, seed, recipe.counts)
    grown = (trees.nodes, trees.cuts, trees.roots, trees.direction_trees, trees.base)
    move = plain if line.threshold.size else np.empty((0, 2))
    return Forecaster(line.odd, line.even, line.weights, line.threshold, *grown, *mirror(), share, plain, move, np.ones(2))


def _fitted(fitted: Table, later: Table, recipe: Recipe, params: BookParameters, seed: int) -> Forecaster:
    """Both parts fitted to the first table, calibrated on the later one."""
    raw = _uncalibrated(fitted, recipe, params, seed)
    _, scores = scored(later.x, raw)
    moved = later.y != 0
    direction = calibration.odd(scores[moved, 0], later.y[moved], recipe.calibration)
    if not raw.move.size:
        return raw._replace(direction=direction.knots, slopes=np.array([direction.slope, 0.0]))
    move = calibration.plain(scores[:, 1], moved, recipe.calibration)
    return raw._replace(direction=direction.knots, move=move.knots, slopes=np.array([direction.slope, move.slope]))
