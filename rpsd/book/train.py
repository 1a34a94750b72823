"""A book model from tapes: choose, fit and calibrate on early events, judge on later ones once, then fit again on all for serving."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from typing import Final

import numpy as np

from rpsd.book import boosted, calibration, evaluate, further, labels, logistic, validate
from rpsd.book.forecast import as_packet, mirror, scored
from rpsd.book.recipe import Recipe, chosen, out_of_fold, usable
from rpsd.book.table import Table, gathered
from rpsd.core.book import Grid, Tape
from rpsd.core.errors import DegenerateFit, TooShort
from rpsd.core.model import Packet
from rpsd.core.parameters import BookParameters, LabelParameters
from rpsd.kernels.forecast import Forecaster

Report = Callable[[float, str], None]
"""Called with the share done and a few words."""

LEAST_MOVES: Final = 100
"""Distinct moves that all tapes together must hold."""
_CALIBRATED_BY: Final = 3  # purged folds, of which each is scored by a fit to the others


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

    The trial chooses features, penalty and predictor by purged folds of the events before the test, fits to all of these, each move
    counting once, and learns its calibration, event by event, from scores of three purged folds, each by a fit to the others. The test
    block is looked at once, for `evaluation`: by the trial as it stands, and by the same recipe fitted anew before each of params.folds
    blocks of it. The served model is of that recipe on all events. Tapes are put in one order of time; alpha is of events before the test.
    Head: kind, label (mapping), horizon (name), predictor, calibration, schema, tick (None for several), alpha (ticks), directions (names
    of the features of the logistic part's direction, the one that is not penalised first), l2, seed, events,
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
    with_trees = _allows_trees(early, params)
    recipe = chosen(early, params, seed, with_trees=with_trees, report=lambda share: report(0.15 + 0.35 * share, "choosing the predictor"))
    report(0.5, "fitting the trial")
    trial = _fitted(early, recipe, params, seed)
    told = {"label": asdict(label), "alpha": alpha, "predictor": recipe.choice.predictor, "calibration": recipe.calibration}
    trial_packet = as_packet(trial, {**told, "trial_until_ns": int(early.until_ns.max())})
    report(0.6, "judging on the test block")
    folds = _folds(table, int(split.test[0]), recipe, params, seed)
    against = None if rival is None else evaluate.Rival.of(rival, asdict(label))
    telling = partial(_judging, report)
    evaluation = evaluate.judged(trial, early, test, folds, params.bootstrap, np.random.default_rng(seed), against, telling)
    report(0.9, "fitting for serving")
    served = _fitted(table, recipe, params, seed)
    ticks = {tick for _, tick in tapes}
    head = {
        **told,
        "horizon": labels.name_of(label),
        "tick": ticks.pop() if len(ticks) == 1 else None,
        "directions": list(recipe.names),
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


def _judging(report: Report, share: float) -> None:
    report(0.65 + 0.25 * share, "judging on the test block")


def _allows_trees(early: Table, params: BookParameters) -> bool:
    """Whether trees are tried. Raises TooShort when they are asked for and the moves before the test are too few."""
    is_enough = early.moves >= boosted.LEAST_MOVES
    if params.model in ("boosted", "blend") and not is_enough:
        told = f"{early.moves} distinct moves before the test block; trees need {boosted.LEAST_MOVES}, or they learn moves by heart"
        raise TooShort(told)
    return is_enough and params.model != "logistic"


def _folds(table: Table, begin: int, recipe: Recipe, params: BookParameters, seed: int) -> list[evaluate.Fold]:
    """The blocks of the walk-forward from place `begin` on."""
    blocks = validate.walk_forward(table.t, table.until_ns, params.folds, begin)
    return [_fold(table, block, recipe, params, seed) for block in blocks]


def _fold(table: Table, split: validate.Split, recipe: Recipe, params: BookParameters, seed: int) -> evaluate.Fold:
    """The probabilities of one block by a model fitted and calibrated, by the recipe, on all that was settled before it."""
    after = table.at(split.test)
    try:
        model = _fitted(table.at(split.train), recipe, params, seed)
    except DegenerateFit:
        return evaluate.Fold(after, None)
    return evaluate.Fold(after, scored(after.x, model)[0])


def _uncalibrated(table: Table, recipe: Recipe, params: BookParameters, seed: int) -> Forecaster:
    """Both parts fitted to the table; the calibration is the identity."""
    share, plain = recipe.choice.share, np.zeros((1, 2))
    line = logistic.fit(table.x, table.y, recipe.l2, recipe.names, table.weight)
    nothing = boosted.Trees(np.empty((0, 3), np.int64), np.empty(0), np.empty(0, np.int64), 0, 0.0)
    trees = nothing if share == 1.0 else boosted.fit(table.x, table.y, params, seed, recipe.counts)
    grown = (trees.nodes, trees.cuts, trees.roots, trees.direction_trees, trees.base)
    move = plain if line.threshold.size else np.empty((0, 2))
    return Forecaster(line.odd, line.even, line.weights, line.threshold, *grown, *mirror(), share, plain, move, np.ones(2))


def _fitted(table: Table, recipe: Recipe, params: BookParameters, seed: int) -> Forecaster:
    """Both parts fitted to the table, calibrated on what fits to the rest say of each of its blocks."""

    def unseen(seen: Table, new: Grid) -> Grid:
        return scored(new, _uncalibrated(seen, recipe, params, seed))[1]

    places, scores = out_of_fold(table, usable(table, _CALIBRATED_BY), unseen)
    raw, y = _uncalibrated(table, recipe, params, seed), table.y[places]
    moved = y != 0
    direction = calibration.odd(scores[moved, 0], y[moved], recipe.calibration)
    if not raw.move.size:
        return raw._replace(direction=direction.knots, slopes=np.array([direction.slope, 0.0]))
    move = calibration.plain(scores[:, 1], moved, recipe.calibration)
    return raw._replace(direction=direction.knots, move=move.knots, slopes=np.array([direction.slope, move.slope]))
