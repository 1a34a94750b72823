"""Views computed and taken on: columns that lack, memories that do not fit."""

import numpy as np
import pytest

from rpsd.core.model_errors import BadView
from rpsd.feature import CORE_VIEWS
from rpsd.feature.graph import resolve
from rpsd.feature.run import Memory, advance, compute

GRAPH = resolve("core_technical", CORE_VIEWS[2], {})
ONE = resolve("core_technical", CORE_VIEWS[1], {})
PRICES = 50.0 + np.sin(np.arange(300.0))
COLUMNS = {"high": PRICES + 1.0, "low": PRICES - 1.0, "close": PRICES, "volume": 2.0 + np.cos(np.arange(300.0))}


def test_a_series_without_a_column_is_refused_with_each_feature_that_needs_it() -> None:
    with pytest.raises(BadView) as raised:
        compute(GRAPH, {"close": PRICES, "high": PRICES})
    assert [fault.pointer for fault in raised.value.errors] == ["/features/atr_14", "/features/parkinson_20", "/features/volume_ratio_20"]
    assert "needs the column low" in raised.value.errors[0].reason
    assert "low, volume" in raised.value.detail


def test_columns_of_the_answer_are_contiguous_and_its_own() -> None:
    matrix = compute(GRAPH, COLUMNS)
    assert matrix.shape == (300, 21)
    assert matrix.dtype == np.float64
    assert matrix[:, 3].flags.c_contiguous
    assert matrix.flags.writeable


def test_columns_of_other_types_and_strides_are_taken() -> None:
    wide = {name: np.repeat(column, 2)[::2] for name, column in COLUMNS.items()}
    assert np.array_equal(compute(GRAPH, wide), compute(GRAPH, COLUMNS), equal_nan=True)
    whole = {name: np.arange(1, 31) for name in COLUMNS}
    assert compute(ONE, whole)[-1, 0] == pytest.approx(20.5)  # type: ignore[arg-type]


def test_no_bar_changes_nothing() -> None:
    _, memory = advance(GRAPH, Memory.fresh(GRAPH), COLUMNS)
    matrix, after = advance(GRAPH, memory, {name: np.empty(0) for name in COLUMNS})
    assert matrix.shape == (0, 21)
    assert after is memory


def test_the_memory_does_not_grow() -> None:
    _, memory = advance(GRAPH, Memory.fresh(GRAPH), COLUMNS)
    _, later = advance(GRAPH, memory, COLUMNS)
    assert later.seen == 600
    assert abs(len(later.pack(GRAPH)) - len(memory.pack(GRAPH))) < 8
    assert len(later.pack(GRAPH)) < 4000


@pytest.mark.parametrize("bars", [0, 1, 25, 300])
def test_a_packed_memory_is_the_memory(bars: int) -> None:
    _, memory = advance(GRAPH, Memory.fresh(GRAPH), {name: column[:bars] for name, column in COLUMNS.items()})
    again = Memory.unpack(GRAPH, memory.pack(GRAPH))
    assert again is not None
    assert again.seen == bars
    assert all(
        np.array_equal(a, b, equal_nan=True) for a, b in zip((*again.tails, *again.states), (*memory.tails, *memory.states), strict=True)
    )


def test_a_memory_of_another_graph_or_a_damaged_one_is_none() -> None:
    packed = Memory.fresh(GRAPH).pack(GRAPH)
    assert Memory.unpack(ONE, packed) is None
    assert Memory.unpack(GRAPH, packed[:-1]) is None
    assert Memory.unpack(GRAPH, b"") is None
    assert Memory.unpack(GRAPH, packed[:40] + bytes([packed[40] ^ 1]) + packed[41:]) is None
