"""Trees flattened for the kernel say what scikit-learn's say; the mirrored book turns them around exactly; a blend must earn its place."""

import numpy as np
import pytest

from rpsd.book import blend, boosted
from rpsd.book.forecast import mirror, probabilities
from rpsd.core.parameters import BookParameters
from rpsd.kernels.forecast import Forecaster
from tests.unit.book.models import mirrored, rows

FEW = BookParameters(trees=12, leaves=5)


def outcomes(x: np.ndarray, has_flat: bool) -> np.ndarray:
    """Outcomes that an interaction of two features decides, which no logistic sees."""
    u = np.random.default_rng(2).random(len(x))
    up = u < 1 / (1 + np.exp(-2 * np.sign(x[:, 1]) * (x[:, 24] > 0)))
    y = np.where(up, 1, -1)
    return np.where(np.abs(x[:, 25]) < 0.4, 0, y) if has_flat else y


def served(trees: boosted.Trees, has_flat: bool) -> Forecaster:
    """The trees alone, uncalibrated."""
    plain, none = np.zeros((1, 2)), np.empty(0, np.int64)
    grown = (trees.nodes, trees.cuts, trees.roots, trees.direction_trees, trees.base)
    return Forecaster(
        none, none, np.empty(0), np.empty(0), *grown, *mirror(), 0.0, plain, plain if has_flat else np.empty((0, 2)), np.ones(2)
    )


@pytest.mark.parametrize("has_flat", [False, True])
def test_flattened_trees_are_those_of_the_booster(has_flat: bool) -> None:
    x = rows(3000, 1)
    y = outcomes(x, has_flat)
    moved = y != 0
    trees = boosted.fit(x, y, FEW, 0)
    here, there = (boosted._grown(x[moved], y[moved] > 0, -1, FEW, 0).decision_function(one) for one in (x, mirrored(x)))
    np.testing.assert_allclose(boosted.scores(x, trees)[:, 0], (here - there) / 2, atol=1e-12)
    if has_flat:
        here, there = (boosted._grown(x, moved, 1, FEW, 0).decision_function(one) for one in (x, mirrored(x)))
        np.testing.assert_allclose(boosted.scores(x, trees)[:, 1], (here + there) / 2, atol=1e-12)


@pytest.mark.parametrize("has_flat", [False, True])
def test_the_kernel_serves_the_trees_and_their_mirror(has_flat: bool) -> None:
    x = rows(1500, 3)
    y = outcomes(x, has_flat)
    trees = boosted.fit(x, y, FEW, 0)
    model = served(trees, has_flat)
    here = probabilities(x, model)
    np.testing.assert_array_equal(here, probabilities(mirrored(x), model)[:, ::-1])
    np.testing.assert_allclose(np.log(here[:, 2] / here[:, 0]), boosted.scores(x, trees)[:, 0], atol=1e-9)


def test_only_the_first_trees_are_kept() -> None:
    x = rows(2000, 4)
    y = outcomes(x, has_flat=True)
    trees = boosted.fit(x, y, FEW, 0, (3, 5))
    assert (trees.direction_trees, trees.roots.size) == (3, 8)
    assert trees.nodes[trees.nodes[:, 0] >= 0, 1:].max() < len(trees.nodes)


def test_noise_wants_few_trees_and_a_signal_many() -> None:
    x, later = rows(3000, 5), rows(3000, 6)
    noise = np.random.default_rng(0).choice([-1, 1], 6000)
    few = boosted.best_counts(x, noise[:3000], later, noise[3000:], FEW, 0)[0]
    many = boosted.best_counts(x, outcomes(x, has_flat=False), later, outcomes(later, has_flat=False), FEW, 0)[0]
    assert few < many == 12


def scores_of(direction: np.ndarray) -> np.ndarray:
    """Log-odds of a label without flat."""
    return np.column_stack([direction, np.full(direction.size, np.inf)])


def test_trees_must_gain_more_than_their_standard_error() -> None:
    rng = np.random.default_rng(1)
    truth = rng.normal(size=4000)
    y = np.where(rng.random(4000) < 1 / (1 + np.exp(-truth)), 1, -1)
    poor, good, clusters = scores_of(0.2 * truth), scores_of(truth), np.arange(4000)
    assert blend.choose(poor, good, y, clusters, "auto").predictor == "boosted"
    assert blend.choose(good, poor, y, clusters, "auto").predictor == "logistic"
    assert blend.choose(good, poor, y, clusters, "boosted").share == 0.0
    assert 0.0 < blend.choose(good, poor, y, clusters, "blend").share < 1.0
    one_move = blend.choose(poor, good, y, clusters // 4000, "auto")
    assert [row["share"] for row in one_move.table if row["chosen"]] == [one_move.share]


def test_one_move_of_many_events_is_no_evidence() -> None:
    y = np.ones(100, np.int64)
    gain_in_one_move = np.where(np.arange(100) < 50, 3.0, -0.6)
    clusters = np.where(np.arange(100) < 50, 0, np.arange(100))
    assert blend.choose(scores_of(np.zeros(100)), scores_of(gain_in_one_move), y, clusters, "auto").predictor == "logistic"
    assert blend.choose(scores_of(np.zeros(100)), scores_of(gain_in_one_move), y, np.arange(100), "auto").predictor != "logistic"
