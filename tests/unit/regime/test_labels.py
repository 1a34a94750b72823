"""Names by rank, how sure they are, and that they stay with their states from one model to the next."""

from itertools import permutations
from math import erf

import numpy as np
import pytest

from rpsd.core.model import Packet
from rpsd.regime import labels
from rpsd.regime.state import permuted


def model(means: list[float], deviations: list[float], weights: list[float] | None = None) -> Packet:
    k = len(means)
    arrays = {
        "startprob": np.full(k, 1 / k),
        "transmat": np.full((k, k), 1 / k),
        "location": np.array(means)[:, None],
        "dispersion": np.array(deviations)[:, None, None] ** 2,
        "df": np.full(k, np.inf),
        "means": np.array(means),
        "variances": np.array(deviations) ** 2,
        "weights": np.array(weights or [1e4] * k),
    }
    return Packet({"k": k, "collapsed": []}, arrays)


S8 = ([-0.27, -0.07, 0.014, 0.095], [3.46, 1.54, 0.97, 0.52], [4e3, 3e4, 3e4, 4e4])


@pytest.mark.parametrize(
    ("means", "deviations", "weights"),
    [
        ([-0.1, 0.1], [2.0, 0.6], [1e4] * 2),
        ([-0.15, 0.0, 0.1], [2.0, 1.0, 0.6], [1e4] * 3),
        S8,
        ([-0.3, -0.1, 0.0, 0.08, 0.4], [3.5, 1.6, 0.9, 0.5, 2.0], [1e4] * 5),
    ],
)
def test_clear_states_get_their_names_whatever_their_order(means: list[float], deviations: list[float], weights: list[float]) -> None:
    """The states are written here in the order of NAMES; from any order they come back to it, and confidently."""
    expected = model(means, deviations, weights)
    for order in permutations(range(len(means))):
        found = labels.named(permuted(expected, order))
        assert found.arrays["means"].tolist() == means
        assert labels.confidence(found).min() > 0.95


def test_crisis_is_volatile_and_falling_not_just_the_lowest_mean() -> None:
    found = labels.named(model([-0.40, -0.30, 0.0, 0.1], [0.5, 3.0, 1.0, 0.6]))
    assert found.arrays["means"][0] == -0.30


def test_euphoric_prefers_a_volatile_rise() -> None:
    found = labels.named(model([-0.3, -0.1, 0.0, 0.30, 0.25], [3.0, 1.5, 0.9, 0.4, 2.0]))
    assert found.arrays["means"][4] == 0.25
    assert labels.confidence(found)[4] < 0.95  # the quiet Bull earns more, and the confidence says so


@pytest.mark.parametrize("k", [2, 3, 4, 5])
def test_equal_means_have_names_of_low_confidence_and_aliases_by_volatility(k: int) -> None:
    found = labels.named(model([0.0] * k, [0.5 + i for i in range(k)], [400.0] * k))
    beliefs = labels.confidence(found)
    assert (beliefs < labels.DISTINGUISHABLE).all()
    assert len(labels.doubtful(labels.NAMES[k], beliefs)) == k
    ranked = [name for _, name in sorted(zip(found.arrays["variances"], labels.aliases(found.arrays["variances"]), strict=True))]
    assert tuple(ranked) == labels.ALIASES[k]


def test_one_state_is_certain() -> None:
    assert labels.confidence(labels.named(model([0.1], [1.0]))).tolist() == [1.0]


def test_heavy_tails_of_equal_variance_tell_means_better_apart() -> None:
    gaussian = labels.named(model([-0.05, 0.05], [1.0, 1.0], [300.0] * 2))
    heavy = labels.named(Packet(gaussian.head, {**gaussian.arrays, "df": np.full(2, 5.0)}))
    assert labels.confidence(heavy).min() > labels.confidence(gaussian).min()
    assert labels.confidence(gaussian).min() == pytest.approx(0.80676, abs=1e-4)  # 0.05 over 1 / sqrt(300)
    assert labels.confidence(heavy).min() == pytest.approx(0.83359, abs=1e-4)  # the same over sqrt(0.8 / 300)


def test_names_are_distinct() -> None:
    for table in (labels.NAMES, labels.ALIASES):
        assert all(len(set(names)) == k == len(names) for k, names in table.items())


def test_a_refit_keeps_the_names_of_its_states() -> None:
    """Bear and Sideways swap ranks by a hair: a fresh naming would relabel years of history, the matched one does not."""
    before = labels.named(model([-0.06, 0.0, 0.1], [1.0, 1.6, 0.5], [3000.0] * 3))
    after = permuted(model([0.0, -0.02, 0.1], [1.0, 1.65, 0.5], [3000.0] * 3), (2, 0, 1))
    kept, same = labels.matched(after, before)
    assert same
    assert np.sqrt(kept.arrays["variances"]).tolist() == pytest.approx([1.0, 1.65, 0.5])
    assert labels.named(after).arrays["means"].tolist() != kept.arrays["means"].tolist()


def test_a_refit_that_found_other_states_is_named_anew() -> None:
    before = labels.named(model([-0.1, 0.0, 0.1], [2.0, 1.0, 0.5]))
    _, same = labels.matched(model([-0.1, 0.0, 0.1], [9.0, 1.0, 0.5]), before)
    assert not same


def test_a_name_that_the_data_contradict_is_not_kept() -> None:
    before = labels.named(model([-0.2, 0.2], [1.0, 1.1]))
    after, same = labels.matched(model([0.2, -0.2], [1.0, 1.1]), before)
    assert same  # the nearest assignment swaps them back
    assert after.arrays["means"].tolist() == [-0.2, 0.2]
    risen, same = labels.matched(model([0.5, -0.1], [3.0, 0.5]), labels.named(model([-0.1, 0.1], [3.0, 0.5])))
    assert not same
    assert risen.arrays["means"].tolist() == [-0.1, 0.5]


def test_the_error_of_a_heavy_tailed_mean_is_that_of_repeated_estimates() -> None:
    """The maximum likelihood location of 400 t5 draws of unit variance, estimated 300 times by reweighting, spreads as claimed."""
    rng, df, n = np.random.default_rng(0), 5.0, 400
    found = []
    for _ in range(300):
        x = rng.standard_t(df, n) * np.sqrt((df - 2) / df)
        mean, scale = float(np.median(x)), (df - 2) / df
        for _ in range(30):
            weight = (df + 1) / (df + (x - mean) ** 2 / scale)
            mean = float(weight @ x / weight.sum())
        found.append(mean)
    apart = labels.named(model([0.0, 0.1], [1.0, 1.0], [float(n)] * 2))
    heavy = Packet(apart.head, {**apart.arrays, "df": np.full(2, df)})
    chance = 0.5 * (1 + erf(0.05 / float(np.std(found)) / np.sqrt(2)))  # the pooled mean lies half way
    assert labels.confidence(heavy).min() == pytest.approx(chance, abs=0.015)


def test_few_bars_are_named_by_leverage_and_many_by_their_means() -> None:
    """Against expectation the wild state earned more: forty bars are no evidence for that, forty thousand are."""
    few, many = (labels.named(model([0.1, 0.0], [2.0, 0.5], [bars] * 2)) for bars in (40.0, 40_000.0))
    assert few.arrays["variances"].tolist() == [4.0, 0.25]
    assert many.arrays["variances"].tolist() == [0.25, 4.0]


def test_states_of_one_volatility_are_named_by_their_means() -> None:
    assert labels.named(model([0.5, -0.5], [1.0, 1.0], [40.0] * 2)).arrays["means"].tolist() == [-0.5, 0.5]
