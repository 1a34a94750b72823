"""Measures equal those of another implementation; the bootstrap draws whole moves."""

import numpy as np
import pytest
from sklearn import metrics

from rpsd.book.bootstrap import compared
from rpsd.book.score import MEASURES, Sheet, measured, measures, reliability, sums


def drawn(n: int, has_flat: bool, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes and probabilities that tell something of them, with ties."""
    rng = np.random.default_rng(seed)
    y = rng.integers(-1, 2, n) if has_flat else rng.choice([-1, 1], n)
    raw = np.round(rng.random((n, 3)) + 0.6 * np.eye(3)[y + 1], 1) + 0.05
    raw[:, 1] *= has_flat
    return y, raw / raw.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("has_flat", [False, True])
def test_measures_equal_another_implementation(has_flat: bool) -> None:
    y, p = drawn(800, has_flat)
    weight = np.random.default_rng(1).integers(0, 4, y.size).astype(float)
    found = dict(zip(MEASURES, measures(Sheet.of(y, p), weight), strict=True))
    moved, came = y != 0, np.eye(3)[y + 1]
    assert found["auc"] == pytest.approx(metrics.roc_auc_score(y[moved] > 0, (p[:, 2] - p[:, 0])[moved], sample_weight=weight[moved]))
    said = np.where(p[:, 1] > np.maximum(p[:, 0], p[:, 2]), 0, np.where(p[:, 2] >= p[:, 0], 1, -1))
    assert found["mcc"] == pytest.approx(metrics.matthews_corrcoef(y, said, sample_weight=weight))
    assert found["log_loss"] == pytest.approx(metrics.log_loss(y, np.maximum(p, 1e-12), sample_weight=weight, labels=[-1, 0, 1]))
    assert found["brier"] == pytest.approx(float(np.average(((p - came) ** 2).sum(axis=1) / 2, weights=weight)))


def test_two_classes_have_the_familiar_brier_score() -> None:
    y, p = drawn(300, has_flat=False)
    assert measures(Sheet.of(y, p), np.ones(300))[2] == pytest.approx(metrics.brier_score_loss(y > 0, p[:, 2]))


def test_calibration_errors_by_hand() -> None:
    p = np.array([[0.28, 0.0, 0.72]] * 4 + [[0.92, 0.0, 0.08]] * 4)
    y = np.array([1, 1, -1, -1, -1, -1, -1, -1])
    found = dict(zip(MEASURES, measures(Sheet.of(y, p), np.ones(8)), strict=True))
    assert found["ece"] == pytest.approx(0.5 * 0.22 + 0.5 * 0.08)
    assert found["ece_classes"] == pytest.approx(0.5 * 0.22 + 0.5 * 0.08)
    table = reliability(Sheet.of(y, p), np.array([0, 0, 1, 1, 2, 2, 2, 2]))
    row = next(row for row in table if row["of"] == "up" and row["low"] == 0.7)
    assert {"events": 4, "moves": 2, "came": 0.5}.items() <= row.items()
    assert row["said"] == pytest.approx(0.72)


def test_an_outcome_that_never_comes_leaves_the_auc_open() -> None:
    p = np.tile([0.4, 0.0, 0.6], (5, 1))
    scores, _ = compared(np.ones(5, np.int64), {"model": p}, np.arange(5), 20, np.random.default_rng(0))
    assert scores["model"]["auc"]["value"] is None
    assert scores["model"]["brier"]["value"] == pytest.approx(0.16)


def test_events_of_one_move_are_one_observation() -> None:
    """Every event four times over, in the same cluster, changes nothing; as events of their own they halve the error."""
    y, p = drawn(400, has_flat=False, seed=3)
    four, clusters = np.repeat(np.arange(400), 4), np.arange(400)
    draw = np.random.default_rng
    once = compared(y, {"model": p}, clusters, 400, draw(0))[0]["model"]["auc"]
    honest = compared(y[four], {"model": p[four]}, clusters[four], 400, draw(0))[0]["model"]["auc"]
    naive = compared(y[four], {"model": p[four]}, np.arange(1600), 400, draw(0))[0]["model"]["auc"]
    assert honest == pytest.approx(once)
    assert naive["error"] == pytest.approx(0.5 * once["error"], rel=0.2)


def test_the_error_of_a_mean_is_the_textbook_one() -> None:
    y, p = drawn(500, has_flat=True, seed=5)
    found = compared(y, {"model": p}, np.arange(500), 1000, np.random.default_rng(0))[0]["model"]["log_loss"]
    surprise = -np.log(np.maximum(p[np.arange(500), y + 1], 1e-12))
    assert found["error"] == pytest.approx(surprise.std() / np.sqrt(500), rel=0.1)
    assert found["high"] - found["low"] == pytest.approx(3.92 * found["error"], rel=0.1)


def test_intervals_cover_and_gains_are_signed_by_what_is_better() -> None:
    y, p = drawn(600, has_flat=True, seed=4)
    blind = np.full((600, 3), 1 / 3)
    scores, gains = compared(y, {"model": p, "blind": blind}, np.arange(600), 200, np.random.default_rng(0))
    for one in scores["model"].values():
        assert one["low"] < one["high"]
    assert gains["blind"]["auc"]["low"] > 0
    assert gains["blind"]["log_loss"]["value"] == pytest.approx(scores["blind"]["log_loss"]["value"] - scores["model"]["log_loss"]["value"])


@pytest.mark.parametrize("has_flat", [False, True])
def test_sums_of_clusters_add_up_to_the_measures_of_their_events(has_flat: bool) -> None:
    rng = np.random.default_rng(5)
    p = rng.dirichlet([1, 1, 1], 900)
    if not has_flat:
        p[:, 2], p[:, 1] = p[:, 2] + p[:, 1], 0.0
    sheet = Sheet.of(rng.choice([-1, 0, 1] if has_flat else [-1, 1], 900), p)
    cluster, times = np.arange(900) // 7, rng.integers(0, 4, 129).astype(float)
    added = times @ sums(sheet, np.ones(900), cluster, 129)
    np.testing.assert_allclose(measured(sheet, added, times[cluster]), measures(sheet, times[cluster]), rtol=1e-12)


def test_a_bootstrap_tells_how_far_it_is() -> None:
    told: list[float] = []
    p = np.array([[0.4, 0.0, 0.6]] * 8)
    compared(np.array([1, -1] * 4), {"model": p}, np.arange(8), 20, np.random.default_rng(0), told.append)
    assert told == sorted(told)
    assert len(told) == 20
