"""Faults of rows and of columns, and features freed of the price's level."""

import numpy as np
import pytest

from rpsd.feature.graph import resolve
from rpsd.feature.quality import columns, comparable, judged
from rpsd.feature.run import compute

GRAPH = resolve("it", {"features": ["sma_5", "rsi_14", "drawdown", "volume_ratio_5"]}, {})
NAN = float("nan")


def test_a_good_row_has_no_fault() -> None:
    assert judged(GRAPH, np.array([50.0, 40.0, -0.1, 1.0])) == (1.0, [])


def test_nulls_and_values_out_of_range_are_named_and_counted() -> None:
    score, faults = judged(GRAPH, np.array([-1.0, 101.0, NAN, 1.0]))
    assert score == pytest.approx(0.25)
    assert [(fault["feature"], fault["fault"], fault["value"]) for fault in faults] == [
        ("sma_5", "out_of_range", -1.0),
        ("rsi_14", "out_of_range", 101.0),
        ("drawdown", "null", None),
    ]
    assert [fault["reason"] for fault in faults] == ["expected 0 to ∞", "expected 0 to 100", "a value that it needs is missing"]


def test_a_null_of_the_warm_up_says_so() -> None:
    _, faults = judged(GRAPH, np.array([50.0, NAN, 0.0, 1.0]), seen=14)
    assert faults[0]["reason"] == "needs 15 bars, there are 14"
    assert judged(GRAPH, np.array([50.0, NAN, 0.0, 1.0]), seen=15)[1][0]["reason"] == "a value that it needs is missing"


def test_columns_leave_the_warm_up_out() -> None:
    matrix = np.tile([50.0, 40.0, -0.1, 1.0], (100, 1))
    matrix[:14, 1] = NAN
    matrix[20, :2] = NAN, 200.0
    matrix[[30, 40, 50], 3] = NAN
    told = columns(GRAPH, matrix)
    assert told["sma_5"] == {"rows": 96, "nulls": 1, "out_of_range": 0, "tolerated": False}
    assert told["rsi_14"] == {"rows": 86, "nulls": 0, "out_of_range": 1, "tolerated": True}
    assert told["volume_ratio_5"] == {"rows": 96, "nulls": 3, "out_of_range": 0, "tolerated": True}
    assert columns(GRAPH, matrix[10:], first=10)["rsi_14"]["rows"] == 86


def test_what_is_of_the_price_is_freed_of_its_level() -> None:
    graph = resolve("it", {"features": ["sma_5", "macd", "rsi_14", "atr_14"]}, {})
    rng = np.random.default_rng(0)
    price = 100.0 * np.exp(np.cumsum(0.01 * rng.normal(size=200)))
    bars = {"close": price, "high": 1.01 * price, "low": 0.99 * price}
    freed = comparable(graph, compute(graph, bars), price)
    again = comparable(graph, compute(graph, {name: 7.0 * column for name, column in bars.items()}), 7.0 * price)
    assert np.allclose(freed, again, rtol=1e-9, atol=1e-12, equal_nan=True)
    assert freed[-1, 0] == pytest.approx(np.log(price[-5:].mean() / price[-1]))
    assert freed[-1, 1] == pytest.approx(compute(graph, bars)[-1, 1] / price[-1])
    assert np.isnan(comparable(graph, compute(graph, bars), np.zeros(200))[:, :2]).all()
