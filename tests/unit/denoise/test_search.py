"""A search ranks what is known to be better as better, fold by fold, and says how sure it is."""

from typing import Any

import numpy as np
import pytest

from rpsd.core.errors import NotFinite, TooShort
from rpsd.core.parameters import build
from rpsd.denoise import door, search


def settings(method: str, *params: dict[str, Any]) -> list[search.Setting]:
    found = door.find(method, "hindsight")
    return [search.Setting(found, build(found.params, one)) for one in params]


def local_level(n: int, ratio: float, seed: int = 0) -> np.ndarray:
    """A random walk whose steps have `ratio` times the variance of the noise."""
    rng = np.random.default_rng(seed)
    return 100 + np.cumsum(np.sqrt(ratio) * rng.normal(size=n)) + rng.normal(size=n)


@pytest.mark.parametrize("seed", range(3))
def test_foresight_finds_the_ratio_that_made_the_series(seed: int) -> None:
    task = search.prepare(local_level(6000, 0.1, seed), None, causal=True, scale="price", fill="none", folds=5)
    grid = [0.001, 0.1, 10.0, 1e6]
    told = search.summary(search.run(task, settings("kalman", *({"ratio": ratio} for ratio in grid))).scores)
    assert told["best"] == 1
    assert told["ranks"].tolist().index(1) == 1
    assert told["means"][3] == pytest.approx(0.0, abs=1e-3)  # a filter that believes every value is the last value
    assert not told["close"][0]
    assert told["agreement"] > 0.5
    assert told["walk_forward"]["chosen"] == [1, 1, 1, 1]


def test_risk_prefers_what_is_nearer_to_the_truth() -> None:
    t = np.arange(2000)
    truth = 100 + 5 * np.sin(t / 60)
    y = truth + np.random.default_rng(1).normal(size=t.size)
    task = search.prepare(y, None, causal=False, scale="price", fill="none", folds=4)
    grid = [{"level": level, "use_fir_filter": False} for level in (1, 3, 5)]
    table = search.run(task, settings("wavelet", *grid))
    told = search.summary(table.scores)
    errors = [float(np.mean((door.find("wavelet", "hindsight").run(y, one.params) - truth) ** 2)) for one in settings("wavelet", *grid)]
    assert told["best"] == int(np.argmin(errors))
    assert (told["means"] < 1.0).all()
    assert table.failed is not None
    assert table.failed.shape == (3, 4)


def test_a_causal_score_knows_nothing_of_later_folds() -> None:
    def scores(y: np.ndarray) -> np.ndarray:
        return search.run(search.prepare(y, None, causal=True, scale="price", fill="none", folds=3), settings("ema", {"span": 5.0})).scores

    y = local_level(1200, 0.1)
    before = scores(y)
    y[901:] += 40.0  # fold 3 begins at row 900
    after = scores(y)
    assert np.array_equal(before[:, :2], after[:, :2])
    assert before[0, 2] != after[0, 2]


def test_no_score_reaches_across_a_session() -> None:
    """A jump between two sessions is nobody's forecast."""
    y = local_level(1200, 0.1)
    second = 1_000_000_000
    t = np.arange(1200, dtype=np.int64) * second
    t[600:] += 10_000 * second
    jumped = y.copy()
    jumped[600:] += 500.0
    found = [
        search.run(search.prepare(v, t, causal=True, scale="price", fill="none", folds=3), settings("ema", {"span": 5.0})).scores
        for v in (y, jumped)
    ]
    assert found[0] == pytest.approx(found[1], abs=1e-6)


def test_equal_seeds_give_equal_tables() -> None:
    y = local_level(1000, 0.5)

    def scores(seed: int) -> np.ndarray:
        task = search.prepare(y, None, causal=False, scale="price", fill="none", folds=3, seed=seed)
        return search.run(task, settings("wavelet", {"level": 2, "use_fir_filter": False})).scores

    assert np.array_equal(scores(1), scores(1))
    assert not np.array_equal(scores(1), scores(2))


def test_summary_by_hand() -> None:
    scores = np.array([[0.5, 0.6, np.nan, 0.4], [0.6, 0.5, np.nan, 0.9], [2.0, 2.1, 0.1, 2.2]])
    told = search.summary(scores)
    assert told["means"] == pytest.approx([0.5, 2.0 / 3.0, 2.1])
    assert told["ranks"].tolist() == [1, 2, 3]
    assert told["close"].tolist() == [True, True, False]
    assert told["walk_forward"]["chosen"] == [0, 0]
    assert told["walk_forward"]["score"] == pytest.approx((0.6 + 0.4) / 2)
    assert told["agreement"] == pytest.approx(np.mean([0.5, 1.0, 0.5]))  # of the rank columns 123, 213, 123
    with pytest.raises(TooShort):
        search.summary(np.full((2, 3), np.nan))


@pytest.mark.parametrize("causal", [True, False])
def test_refusals(causal: bool) -> None:
    with pytest.raises(TooShort):
        search.prepare(np.arange(100.0), None, causal=causal, scale="auto", fill="none", folds=5)
    with pytest.raises(NotFinite):
        search.prepare(np.full(2000, np.nan), None, causal=causal, scale="auto", fill="none", folds=5)
    with pytest.raises((TooShort, NotFinite)):
        search.prepare(np.full(2000, np.nan), None, causal=causal, scale="auto", fill="bridge", folds=5)


def test_a_quiet_stretch_before_a_move_does_not_decide() -> None:
    y = local_level(2000, 0.1)
    y[700:900] = y[700]
    task = search.prepare(y, None, causal=True, scale="price", fill="none", folds=4)
    assert np.abs(search.run(task, settings("ema", {"span": 9.0})).scores).max() < 20.0
