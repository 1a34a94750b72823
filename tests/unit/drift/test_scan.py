"""A scan finds what was planted, keeps quiet where nothing is, and says what it cannot judge."""

from dataclasses import replace

import numpy as np
import pytest

from rpsd.core.drift import Tolerance
from rpsd.drift.scan import Case, scan, skipped

NAMES = tuple("abcdef")


def case(rng: np.random.Generator, m: int = 100) -> Case:
    return Case("model", rng.normal(size=(500, 6)), rng.normal(size=(m, 6)), NAMES, ("feature",) * 5 + ("quality",))


def test_nothing_is_found_where_nothing_is() -> None:
    rows = scan([case(np.random.default_rng(0))], Tolerance())[0]
    assert [row.feature for row in rows] == list(NAMES)
    assert [row.kind for row in rows] == ["feature"] * 5 + ["quality"]
    assert {row.severity for row in rows} == {"NONE"}
    assert not any(row.significant for row in rows)
    assert all(30.0 < row.effective <= 100.0 for row in rows)


def test_an_alarm_needs_two_windows() -> None:
    planted = case(np.random.default_rng(1))
    planted.current[:, 2] += 2.0
    first = scan([planted], Tolerance())[0]
    assert [row.feature for row in first if row.significant] == ["c"]
    assert {row.severity for row in first} == {"NONE"}
    before = {row.feature: row.significant for row in first}
    second = scan([replace(planted, before=before)], Tolerance())[0]
    assert {row.feature: row.severity for row in second if row.severity != "NONE"} == {"c": "HIGH"}
    assert second[2].mean_shift == pytest.approx(2.0, abs=0.3)


@pytest.mark.parametrize("change", [lambda x: 3.0 * x, lambda x: np.exp(1.5 * x) - 1.0, lambda x: x + 30.0])
def test_spread_skew_and_flight_are_seen(change: object) -> None:
    planted = case(np.random.default_rng(6), 250)
    planted.current[:, 0] = change(planted.current[:, 0])  # type: ignore[operator]
    rows = scan([planted], Tolerance())[0]
    assert [row.feature for row in rows if row.significant] == ["a"]


def test_slow_movement_is_no_drift_and_is_worth_little() -> None:
    rng = np.random.default_rng(3)
    walk = np.cumsum(rng.normal(size=(600, 6)), axis=0)
    rows = scan([Case("walk", walk[:500], walk[500:], NAMES, ("feature",) * 6)], Tolerance())[0]
    assert not any(row.significant for row in rows)
    assert max(row.effective for row in rows) < 20.0


def test_what_cannot_be_judged_is_named() -> None:
    holes = case(np.random.default_rng(4))
    holes.current[:60, 1] = np.nan
    holes.reference[:450, 3] = np.inf
    assert skipped(holes) == {"b": "the window has 40 values, 50 are needed", "d": "the reference has 50 values, 100 are needed"}
    assert [row.feature for row in scan([holes], Tolerance())[0]] == ["a", "c", "e", "f"]


def test_constants_and_extremes_are_judged() -> None:
    """A constant that stays is no drift, one that changes is; zeros that begin to flicker now and then are judged without a warning."""
    reference, current = np.zeros((500, 6)), np.zeros((100, 6))
    current[:, 1] = 1.0
    current[::40, 2] = 1.0
    reference[:, 3], current[:, 3] = 1e300, 1e300
    reference[:, 4], current[:, 4] = np.arange(500) % 2, np.arange(100) % 2
    rows = scan([Case("constant", reference, current, NAMES, ("quality",) * 6)], Tolerance())[0]
    assert [row.feature for row in rows if row.significant] == ["b"]
    assert all(np.isfinite([row.psi, row.ks, row.wasserstein, row.mean_shift, row.deviation_ratio, row.effective]).all() for row in rows)


def test_a_gap_makes_slow_features_less_certain() -> None:
    rng = np.random.default_rng(5)
    x = np.cumsum(rng.normal(size=(1000, 6)), axis=0)
    near = Case("walk", x[:500], x[500:600] + 20.0, NAMES, ("feature",) * 6)
    far = replace(near, gap=2000)
    less, more = (np.median([row.p_value for row in scan([one], Tolerance())[0]]) for one in (near, far))
    assert less < 0.5 * more


def test_no_features_no_rows() -> None:
    empty = Case("none", np.empty((500, 0)), np.empty((100, 0)), (), ())
    assert scan([empty], Tolerance()) == [()]


@pytest.mark.parametrize("m", [50, 250])
def test_a_long_reference_does_not_make_it_cry(m: int) -> None:
    """Blocks are of one length in both windows, however much longer the reference is."""
    rng = np.random.default_rng(m)
    names = tuple(f"f{i}" for i in range(100))
    x = rng.normal(size=(5000 + m, 100))
    for t in range(1, x.shape[0]):
        x[t] += 0.8 * x[t - 1]
    p_values = [row.p_value for row in scan([Case("long", x[:5000], x[5000:], names, ("feature",) * 100)], Tolerance())[0]]
    assert sum(p < 0.05 for p in p_values) <= 10
