"""What every feature and every transform must keep, and that the catalogue is complete."""

import importlib
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rpsd
from rpsd.core.feature import Feature
from rpsd.core.market import Vector
from rpsd.core.result import Matrix
from rpsd.feature import CORE_VIEWS, FEATURES
from rpsd.feature.graph import INPUTS, Graph, resolve
from rpsd.feature.naming import find, listed, member
from rpsd.feature.run import Memory, advance, compute
from rpsd.feature.transform import TRANSFORMS

PACKAGE = Path(rpsd.__file__).parent
UNUSUAL = {1: (33,), 0: ()}
MEMBERS = sorted(
    {member(one, windows) for one in FEATURES for windows in one.windows}
    | {member(one, (n,)) for one in FEATURES for n in UNUSUAL[len(one.windows[0])]}
)
TRANSFORMED = {
    "lag": {"transform": "lag", "of": "rsi_14", "window": 5},
    "difference": {"transform": "difference", "of": "macd", "window": 3},
    "zscore": {"transform": "zscore", "of": "atr_14", "window": 30},
    "ratio": {"transform": "ratio", "of": "close", "by": "ema_26"},
    "of_a_transform": {"transform": "zscore", "of": "inner", "window": 10},
}
each_feature = pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
each = pytest.mark.parametrize("name", [*MEMBERS, *TRANSFORMED])


def graph_of(name: str) -> Graph:
    """A view of this one feature or transform."""
    if name not in TRANSFORMED:
        return resolve("it", {"features": [name]}, {})
    inner = [{"name": "inner", "transform": "lag", "of": "momentum_10", "window": 2}] if name == "of_a_transform" else []
    return resolve("it", {"features": [*inner, {"name": "made", **TRANSFORMED[name]}]}, {})


def bars(n: int = 700, seed: int = 0, gaps: bool = False) -> dict[str, Vector]:
    """A market of n bars, some cells missing with gaps."""
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(0.02 * rng.normal(size=n)))
    high, low = close * np.exp(0.01 * rng.random(n)), close * np.exp(-0.01 * rng.random(n))
    columns = {"open": close.copy(), "high": high, "low": low, "close": close, "volume": rng.lognormal(10.0, 1.0, n)}
    for column in columns.values():
        if gaps:
            column[rng.random(n) < 0.01] = np.nan
    return columns


def part(columns: dict[str, Vector], begin: int, end: int | None) -> dict[str, Vector]:
    return {name: column[begin:end].copy() for name, column in columns.items()}


def in_stretches(graph: Graph, columns: dict[str, Vector], cuts: list[int]) -> Matrix:
    """The view one stretch after another, its memory packed and unpacked between them."""
    memory, rows = Memory.fresh(graph), []
    for begin, end in zip([0, *cuts], [*cuts, columns["close"].size], strict=True):
        matrix, memory = advance(graph, memory, part(columns, begin, end))
        unpacked = Memory.unpack(graph, memory.pack(graph))
        assert unpacked is not None
        memory = unpacked
        rows.append(matrix)
    return np.concatenate(rows)


def test_every_file_with_a_feature_is_listed() -> None:
    files = [path.stem for path in (PACKAGE / "feature").glob("*.py") if path.stem != "__init__"]
    found = [
        value for file in files for value in vars(importlib.import_module(f"rpsd.feature.{file}")).values() if isinstance(value, Feature)
    ]
    assert {feature.name for feature in found} == {feature.name for feature in FEATURES}
    assert len({feature.name for feature in FEATURES}) == len(FEATURES)


@each_feature
def test_is_described(feature: Feature) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", feature.name)  # a digit at the end would read as a window
    assert feature.summary.endswith(".")
    assert feature.formula
    assert re.search(r"\(\d{4}\)", feature.source)
    assert set(feature.inputs) <= set(INPUTS)
    assert feature.causal
    assert 0.0 <= feature.null_tolerance < 1.0
    assert feature.windows
    assert len({len(windows) for windows in feature.windows}) == 1
    assert feature.unit in {"price", "ratio", "log ratio", "percent"}
    assert feature.relative == (feature.unit == "price")
    assert feature.low is None or feature.high is None or feature.low < feature.high
    doc = feature.run.__doc__ or ""
    assert "Source:" in doc
    assert "Causal." in doc
    assert "O(n" in doc


@each_feature
def test_has_its_place_in_the_manual(feature: Feature) -> None:
    text = (PACKAGE / "manual" / "features.md").read_text(encoding="utf-8")
    assert re.search(rf"^\| `{feature.name}(_n)?` \|", text, re.MULTILINE)
    assert feature.source in text


@pytest.mark.parametrize("transform", TRANSFORMS, ids=lambda transform: transform.name)
def test_a_transform_has_its_place_in_the_manual(transform: object) -> None:
    text = (PACKAGE / "manual" / "features.md").read_text(encoding="utf-8")
    assert f"| `{transform.name}` |" in text  # type: ignore[attr-defined]
    doc = transform.run.__doc__ or ""  # type: ignore[attr-defined]
    assert "Causal." in doc
    assert "Source:" in doc


def test_every_transform_is_tried_here() -> None:
    assert {one["transform"] for one in TRANSFORMED.values()} == {transform.name for transform in TRANSFORMS}


@each
def test_first_value_is_where_the_lookback_says(name: str) -> None:
    graph, columns = graph_of(name), bars()
    values = compute(graph, columns)[:, -1]
    assert np.isnan(values[: graph.columns[-1].lookback]).all()
    assert np.isfinite(values[graph.columns[-1].lookback :]).all()


@each
def test_the_future_changes_nothing(name: str) -> None:
    graph, columns = graph_of(name), bars(600, gaps=True)
    whole = compute(graph, columns)
    for m in (1, 15, 64, 511):
        assert np.array_equal(compute(graph, part(columns, 0, m)), whole[:m], equal_nan=True)
        other = {key: np.concatenate([column[:m], 3.0 * column[m:] + 1.0]) for key, column in columns.items()}
        assert np.array_equal(compute(graph, other)[:m], whole[:m], equal_nan=True)


@each
@settings(max_examples=5)
@given(seed=st.integers(0, 1000))
def test_any_split_has_the_same_bits(name: str, seed: int) -> None:
    graph, columns = graph_of(name), bars(500, seed, gaps=True)
    rng = np.random.default_rng(seed)
    cuts = np.unique(rng.integers(0, 500, int(rng.integers(1, 12)))).tolist()
    assert np.array_equal(in_stretches(graph, columns, cuts), compute(graph, columns), equal_nan=True)


def test_one_bar_at_a_time_has_the_same_bits() -> None:
    graph, columns = resolve("it", CORE_VIEWS[2], {}), bars(260, gaps=True)
    assert np.array_equal(in_stretches(graph, columns, list(range(1, 260))), compute(graph, columns), equal_nan=True)


@each
def test_leaves_its_inputs_alone_and_shares_nothing(name: str) -> None:
    graph, columns = graph_of(name), bars(100)
    before = {key: column.copy() for key, column in columns.items()}
    for column in columns.values():
        column.flags.writeable = False
    first, memory = advance(graph, Memory.fresh(graph), columns)
    held = [value.copy() for value in (*memory.tails, *memory.states)]
    advance(graph, memory, columns)
    assert all(np.array_equal(columns[key], before[key]) for key in columns)
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip((*memory.tails, *memory.states), held, strict=True))
    assert not any(np.shares_memory(first, column) for column in columns.values())
    assert np.array_equal(compute(graph, columns), first, equal_nan=True)


@each
@pytest.mark.parametrize("n", [0, 1, 2, 13, 14, 15])
def test_a_short_series_has_missing_values_and_no_error(name: str, n: int) -> None:
    matrix = compute(graph_of(name), bars(n))
    assert matrix.shape[0] == n
    assert not np.isinf(matrix).any()


@each
def test_a_missing_cell_is_a_missing_value_and_is_got_over(name: str) -> None:
    graph, columns = graph_of(name), bars(1200)
    for key in graph.inputs:
        columns[key][600] = np.nan
    values = compute(graph, columns)[:, -1]
    assert np.isnan(values[600 + (2 if name == "of_a_transform" else 5 if name == "lag" else 0)])
    assert np.isfinite(values[600 + 1 + graph.columns[-1].lookback + 30 :]).all()


@each
def test_a_constant_series_is_within_the_range(name: str) -> None:
    flat = {key: np.full(500, 0.1) for key in INPUTS}
    graph = graph_of(name)
    node, values = graph.columns[-1], compute(graph, flat)[:, -1]
    told = values[node.lookback :]
    assert np.isfinite(told).all()
    assert node.low is None or (told >= node.low - 1e-15).all()
    assert node.high is None or (told <= node.high + 1e-15).all()


@each
@pytest.mark.parametrize("scale", [1e-300, 1e12, 1e301])
def test_huge_and_tiny_prices_give_numbers_or_nothing(name: str, scale: float) -> None:
    columns = {key: column * scale for key, column in bars(300).items()}
    values = compute(graph_of(name), columns)
    assert not np.isinf(values).any()
    if 1e-100 < scale < 1e100:  # a power of the price far beyond may be lost
        assert np.isfinite(values[-1]).all() or graph_of(name).lookback >= 300


@each
def test_its_unit_says_how_it_scales(name: str) -> None:
    graph, columns = graph_of(name), bars(500)
    node = graph.columns[-1]
    once, twice = (compute(graph, {key: scale * column for key, column in columns.items()})[:, -1] for scale in (1.0, 4.0))
    expected = 4.0 if node.relative else 1.0
    assert np.allclose(twice, expected * once, rtol=1e-12, atol=1e-9, equal_nan=True)


def test_the_listing_names_every_usual_member_and_can_be_found_again() -> None:
    rows = listed()
    assert [row["name"] for row in rows] == [member(one, windows) for one in FEATURES for windows in one.windows]
    for row in rows:
        feature, windows = find(row["name"])
        assert (feature.name, list(windows)) == (row["family"], row["windows"])
        graph = resolve("it", {"features": [row["name"]]}, {})
        assert graph.lookback == row["lookback"]
        assert list(graph.inputs) == sorted(row["inputs"], key=INPUTS.index)


def test_the_core_views_hold_what_they_promise() -> None:
    assert CORE_VIEWS[1]["features"] == ["sma_20", "rsi_14"]
    graph = resolve("core_technical", CORE_VIEWS[2], {})
    assert len(graph.names) == 21
    assert graph.inputs == ("high", "low", "close", "volume")
    assert graph.lookback == 199


@pytest.mark.parametrize("name", ["parkinson_20", "atr_14"])
def test_a_bar_whose_high_is_below_its_low_is_no_bar(name: str) -> None:
    columns = bars(100, seed=4)
    graph = graph_of(name)
    blank = {key: values.copy() for key, values in columns.items()}
    blank["high"][60] = blank["low"][60] = np.nan
    columns["high"][60], columns["low"][60] = columns["low"][60] * 0.999, columns["high"][60]
    found, wanted = (compute(graph, {key: one[key] for key in graph.inputs}) for one in (columns, blank))
    assert np.isnan(found[60, 0])
    assert np.array_equal(found, wanted, equal_nan=True)
