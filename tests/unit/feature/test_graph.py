"""Definitions of views: what is read from them, what is refused and where, and what the hash depends on."""

from typing import Any

import pytest

from rpsd.core.model_errors import BadView, UnknownFeature
from rpsd.feature import CORE_VIEWS
from rpsd.feature.graph import Graph, resolve

KNOWN = {f"core_technical@{version}": definition for version, definition in CORE_VIEWS.items()}


def view(*features: Any, views: tuple[Any, ...] = (), name: str = "mine", known: Any = KNOWN) -> Graph:
    return resolve(name, {"features": list(features), "views": list(views)}, known)


def lag(name: str, of: Any, window: int = 1) -> dict[str, Any]:
    return {"name": name, "transform": "lag", "of": of, "window": window}


def places(definition: Any, known: Any = KNOWN, error: type[Exception] = BadView) -> list[tuple[str, str]]:
    with pytest.raises(error) as raised:
        resolve("mine", definition, known)
    return [(fault.pointer, fault.reason) for fault in raised.value.errors]  # type: ignore[attr-defined]


def test_columns_come_in_order_with_those_of_views_first() -> None:
    graph = view("macd", lag("before", "core_technical.rsi_14"), views=("core_technical@1",))
    assert graph.names == ("core_technical.sma_20", "core_technical.rsi_14", "macd", "before")
    assert graph.inputs == ("close",)
    assert graph.lookback == 25
    assert graph.definition == {"features": ["macd", lag("before", "core_technical.rsi_14")], "views": ["core_technical@1"]}


def test_a_view_without_version_is_pinned_to_the_newest() -> None:
    graph = view("macd", views=("core_technical",), known={**KNOWN, "core_technical@10": {"features": ["ema_12"]}})
    assert graph.definition["views"] == ["core_technical@10"]
    assert graph.names == ("core_technical.ema_12", "macd")


def test_defaults_are_filled_in() -> None:
    graph = view({"name": "z", "transform": "zscore", "of": "rsi_14"})
    assert graph.definition["features"] == [{"name": "z", "transform": "zscore", "of": "rsi_14", "window": 20}]
    assert resolve("mine", graph.definition, KNOWN) == graph


def test_equal_steps_are_computed_once() -> None:
    graph = view("sma_20", lag("a", "sma_20", 2), lag("b", "sma_20", 2), "bb_middle_20")
    assert [node.name for node in graph.nodes] == ["close", "sma", "lag", "deviation", "bb_middle"]


def test_the_hash_depends_on_what_is_computed_and_not_on_the_name() -> None:
    one = view("sma_20", "rsi_14")
    assert one.hash == view("sma_20", "rsi_14", name="other").hash
    others = [view("rsi_14", "sma_20"), view("sma_21", "rsi_14"), view("sma_20"), view("sma_20", lag("rsi", "rsi_14"))]
    assert len({one.hash, *(other.hash for other in others)}) == 5


def test_the_hashes_of_the_core_views_are_known() -> None:
    """A change here is a change of numbers: models and stored rows of the old ones are refused. Give the formula a new version."""
    assert [resolve("core_technical", definition, {}).hash[:12] for definition in CORE_VIEWS.values()] == HASHES


HASHES = ["6a413d9279da", "e13f61291bb2"]


def test_what_a_transform_is_follows_from_what_it_is_of() -> None:
    graph = view(
        lag("a", "rsi_14", 3),
        {"name": "b", "transform": "difference", "of": "rsi_14"},
        {"name": "c", "transform": "zscore", "of": "sma_20"},
        {"name": "d", "transform": "ratio", "of": "close", "by": "sma_20"},
        {"name": "e", "transform": "ratio", "of": "close", "by": "volume"},
    )
    facts = {row.pop("name"): row for row in graph.features}
    assert [facts["a"][key] for key in ("made", "lookback", "low", "high", "relative")] == ["lag_3(rsi_14)", 17, 0.0, 100.0, False]
    assert [facts["b"][key] for key in ("made", "lookback", "low", "high")] == ["difference_1(rsi_14)", 15, -100.0, 100.0]
    assert [facts["c"][key] for key in ("made", "lookback", "unit", "relative")] == ["zscore_20(sma_20)", 38, "deviations", False]
    assert [facts["d"][key] for key in ("made", "low", "unit", "relative")] == ["ratio(close, sma_20)", 0.0, "ratio", False]
    assert [facts["e"][key] for key in ("unit", "relative")] == ["price / volume", True]


def test_unknown_features_are_named_all_at_once() -> None:
    found = places({"features": ["sma_20", "smq_20", "sma_1", "sma", "sma_20_3", "rsi_014", "macd_12_26"]}, error=UnknownFeature)
    assert [pointer for pointer, _ in found] == [f"/features/{i}" for i in range(1, 7)]
    assert "families are sma" in found[0][1]
    assert "2 to 1000 bars" in found[1][1]
    assert "1 windows, as in sma_5" in found[2][1]


def test_a_cycle_of_items_is_named() -> None:
    found = places({"features": [lag("a", "c"), lag("b", "a"), lag("c", "b")]})
    assert found == [("/features/0", "a cycle of items: a > c > b > a")]
    assert places({"features": [lag("a", "a")]}) == [("/features/0", "a cycle of items: a > a")]


def test_a_cycle_of_views_is_named() -> None:
    known = {"b@1": {"features": ["macd"], "views": ["c@1"]}, "c@1": {"features": [], "views": ["b@1"]}}
    assert "a cycle of views: b@1 > c@1 > b@1" in places({"views": ["b@1"]}, known)[0][1]
    looped = {"b@1": {"features": ["macd"], "views": ["mine"]}, "mine@1": {"features": ["macd"]}}
    assert "a cycle of views" in places({"views": ["b"]}, looped)[0][1]
    assert "a cycle of views" in places({"views": ["mine"]}, looped)[0][1]


def test_a_view_may_hold_an_earlier_version_of_itself() -> None:
    graph = resolve("mine", {"features": ["macd"], "views": ["mine@1"]}, {"mine@1": {"features": ["rsi_14"]}})
    assert graph.names == ("mine.rsi_14", "macd")


@pytest.mark.parametrize(
    ("definition", "pointer", "words"),
    [
        ({}, "/features", "one feature or more"),
        ([], "", "expected {"),
        (None, "", "expected {"),
        ({"features": "sma_20"}, "/features", "expected a list"),
        ({"features": ["sma_20"], "colour": 1}, "/colour", "unknown"),
        ({"features": ["sma_20", "sma_20"]}, "/features/1", "named twice"),
        ({"features": [3]}, "/features/0", "expected a feature"),
        ({"features": [{"transform": "lag", "of": "macd"}]}, "/features/0", "expected a feature"),
        ({"features": [lag("sma_20", "macd")]}, "/features/0/name", "a feature of the catalogue"),
        ({"features": [lag("close", "macd")]}, "/features/0/name", "an input"),
        ({"features": [lag("Ä b", "macd")]}, "/features/0/name", "not a name"),
        ({"features": [lag("a" * 33, "macd")]}, "/features/0/name", "not a name"),
        ({"features": [{"name": "a", "transform": "log", "of": "macd"}]}, "/features/0/transform", "expected one of lag"),
        ({"features": [{"name": "a", "transform": ["lag"], "of": "macd"}]}, "/features/0/transform", "expected one of lag"),
        ({"features": [lag("a", "macd", 0)]}, "/features/0/window", "from 1 to 1000"),
        ({"features": [lag("a", "macd", 1001)]}, "/features/0/window", "from 1 to 1000"),
        ({"features": [lag("a", "macd", True)]}, "/features/0/window", "from 1 to 1000"),
        ({"features": [{**lag("a", "macd"), "by": "macd"}]}, "/features/0/by", "unknown"),
        ({"features": [{"name": "a", "transform": "ratio", "of": "macd", "by": "rsi_14", "window": 3}]}, "/features/0/window", "unknown"),
        ({"features": [{"name": "a", "transform": "ratio", "of": "macd"}]}, "/features/0/by", "expected the name"),
        ({"features": [lag("a", None)]}, "/features/0/of", "expected the name"),
        ({"features": [lag("a", "sma_1000", 2)]}, "/features/0", "looks back 1001 bars"),
        ({"views": ["nowhere"]}, "/views/0", "there is no view"),
        ({"views": ["core_technical@7"]}, "/views/0", "there is no view"),
        ({"views": [7]}, "/views/0", "expected the name of a view"),
        ({"views": ["core_technical@1", "core_technical@2"]}, "/views/1", "included twice"),
        ({"features": [f"sma_{n}" for n in range(2, 203)]}, "/features", "200 at most"),
        ({"features": [f"sma_{n}" for n in range(2, 190)], "views": ["core_technical@2"]}, "/features", "200 at most"),
    ],
)
def test_a_bad_definition_names_its_bad_place(definition: Any, pointer: str, words: str) -> None:
    found = places(definition)
    assert any(where == pointer and words in reason for where, reason in found), found


def test_an_item_of_an_unknown_feature_is_an_unknown_feature() -> None:
    assert places({"features": [lag("a", "smq_3")]}, error=UnknownFeature)[0][0] == "/features/0/of"


def test_views_within_views_have_an_end() -> None:
    known = {f"v{i}@1": {"features": ["macd"], "views": [f"v{i + 1}@1"]} for i in range(20)} | {"v20@1": {"features": ["macd"]}}
    assert "deeper than 8" in places({"views": ["v0@1"]}, known)[0][1]


def test_long_chains_that_use_each_step_twice_stay_small() -> None:
    chain = [{"name": "r0", "transform": "ratio", "of": "close", "by": "sma_5"}]
    chain += [{"name": f"r{i}", "transform": "ratio", "of": f"r{i - 1}", "by": f"r{i - 1}"} for i in range(1, 199)]
    graph = view(*reversed(chain), known={})
    assert len(graph.nodes) == 2 + 199
    assert len(str(graph.features)) < 100_000
