"""The language of searches: held against the same question asked in Python, and refused with its place."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpsd.core.errors import InvalidRequest
from rpsd.core.experiment import RunState
from rpsd.services.experiment import run_search
from rpsd.services.experiment.run_log import Begun, Point
from tests.unit.services.experiment.test_run_log import ANN, home  # noqa: F401

STATES = list(RunState)


@pytest.fixture
def grid(services, home):  # noqa: F811
    """Sixty runs whose metrics and parameters are known; every third has no auc."""
    rng = random.Random(3)
    for n in range(60):
        metrics = [Point("loss", n / 10)] + ([Point("auc", round(rng.random(), 3)), Point("val loss/x", 1.0)] if n % 3 else [])
        params = {"l2": [0.1, 1, "none"][n % 3], "a b": "a'b"}
        services.run.begin(
            home, Begun(f"run {n}", params=params, tags={"x": "y" if n % 2 else "z"}, metrics=metrics, state=STATES[n % 4]), ANN
        )
    return services


def found(services, wanted: str = "", **more) -> list[dict]:
    runs, after = [], None
    while True:
        page, after = services.run_reading.search(ANN, wanted=wanted, after=after, limit=7, **more)
        runs += page
        if after is None:
            assert len({run["id"] for run in runs}) == len(runs)
            return runs


def auc(run) -> float:
    return run["metrics"].get("auc", float("nan"))


@pytest.mark.parametrize(
    ("wanted", "claim"),
    [
        ("", lambda run: True),
        ("metrics.auc > 0.5", lambda run: auc(run) > 0.5),
        ("metrics.auc != 0.5", lambda run: "auc" in run["metrics"]),
        ("metrics.loss <= 2.5 and metric.auc>=1e-3", lambda run: run["metrics"]["loss"] <= 2.5 and auc(run) >= 1e-3),
        ("params.l2 = '0.1'", lambda run: run["params"]["l2"] == "0.1"),
        ("params.l2 >= 0.1", lambda run: run["params"]["l2"] != "none"),
        ("params.l2 = 1.0", lambda run: run["params"]["l2"] == "1"),
        ("tags.x != 'y' and state = 'FINISHED'", lambda run: run["tags"]["x"] == "z" and run["state"] == "FINISHED"),
        ("state in ('FAILED', 'KILLED')", lambda run: run["state"] in ("FAILED", "KILLED")),
        ("state not in ('FAILED') AND NOT tags.x = 'y'", lambda run: run["state"] != "FAILED" and run["tags"]["x"] != "y"),
        ("name like 'RUN 1%'", lambda run: run["name"].startswith("run 1")),
        ("""params."a b" = 'a''b' and metrics.`val loss/x` = 1""", lambda run: "auc" in run["metrics"]),
        ("metrics.loss < 1 or (metrics.loss > 5 and tags.x = 'y')",
         lambda run: run["metrics"]["loss"] < 1 or (run["metrics"]["loss"] > 5 and run["tags"]["x"] == "y")),
        ("attributes.status = 'RUNNING' and started > '2024-01-01'", lambda run: run["state"] == "RUNNING"),
        ("owner = 'bob'", lambda run: False),
        ("tags.none = 'y' or tags.none != 'y' or not tags.none = 'y'", lambda run: False),
        ("experiment = 'trials' and finished <= 9e18", lambda run: run["finished"] is not None),
    ],
)  # fmt: skip
def test_a_filter_finds_what_python_finds(grid, wanted, claim) -> None:
    every = found(grid)
    assert len(every) == 60
    assert [run["id"] for run in found(grid, wanted)] == [run["id"] for run in every if claim(run)]


def test_an_order_puts_runs_without_the_value_last(grid) -> None:
    runs = found(grid, order="metrics.auc desc, started")
    held = [auc(run) for run in runs if "auc" in run["metrics"]]
    assert held == sorted(held, reverse=True)
    assert [("auc" in run["metrics"]) for run in runs] == [True] * 40 + [False] * 20
    assert [run["name"] for run in found(grid, "metrics.loss < 0.35", order="tags.x, metrics.loss desc")] == [
        "run 3", "run 1", "run 2", "run 0",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "place"),
    [
        ("metrics.auc", "ends where a comparison"),
        ("metrics.auc > 'x'", "compared with a number"),
        ("metrics.auc > ", "ends where"),
        ("metrics.auc > 1 metrics.b > 2", "character 17"),
        ("params.l2 > 'x'", "is a text"),
        ("state = 'DONE'", "no state"),
        ("state = 1", "a text in single quotes"),
        ("started > 'yesterday'", "is no time"),
        ("started > 1e400", "is no time"),
        ("finished = 9223372036854775808", "beyond 64 bits"),
        ("started < -99999999999999999999", "beyond 64 bits"),
        ("colour = 'red'", "there is no 'colour'"),
        ("(metrics.a > 1", "a closing parenthesis"),
        ("metrics. > 1", "a name"),
        ("metrics.a > 1; drop table run", "character 14"),
        ("name = 'x' -- '", "character 12"),
        ("name = 'x", "character 8"),
        ("((((((((((((((((((name = 'x'))))))))))))))))))", "nests deeper"),
        (" and ".join(["name = 'x'"] * 51), "more than 50"),
        ("x" * 4001, "longer"),
    ],
)
def test_a_bad_filter_is_refused_with_its_place(wanted, place) -> None:
    with pytest.raises(InvalidRequest, match=place) as caught:
        run_search.condition(wanted)
    assert caught.value.errors[0].pointer == "/query/filter"


@pytest.mark.parametrize("order", ["metrics.auc sideways", "colour", "metrics.a, metrics.b, name, owner, id, state", "name; drop", "'x'"])
def test_a_bad_order_is_refused(order) -> None:
    with pytest.raises(InvalidRequest):
        run_search.ordering(order)


@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from(["metrics.a", ">", "1", "'x'", "and", "or", "not", "(", ")", "in", "like", ",", "name"])).map(" ".join)
)
def test_whatever_is_asked_is_answered_or_refused(text) -> None:
    for ask in (run_search.condition, run_search.ordering):
        try:
            made = ask(text)
        except InvalidRequest:
            continue
        assert "'" not in made.sql, "what a caller says is bound, never a part of the SQL"
        assert made.sql.count("?") == len(made.values)


@pytest.mark.parametrize("after", ["x", "-1", "9" * 19])
def test_a_cursor_of_another_list_is_refused(grid, after) -> None:
    with pytest.raises(InvalidRequest):
        grid.run_reading.search(ANN, after=after)
    with pytest.raises(InvalidRequest):
        grid.run_reading.search(ANN, after=after, order="name")


def test_a_table_of_runs_side_by_side(grid) -> None:
    runs = found(grid)[:3]
    table = grid.run_reading.compare([run["id"] for run in runs], ANN)
    l2 = next(row for row in table["params"] if row["name"] == "l2")
    assert l2 == {"name": "l2", "values": [run["params"]["l2"] for run in runs], "differs": True}
    assert next(row for row in table["metrics"] if row["name"] == "auc")["values"] == [run["metrics"].get("auc") for run in runs]
    assert not next(row for row in table["params"] if row["name"] == "a b")["differs"]
    for wrong in ([], [runs[0]["id"]] * 2, ["x"] * 101):
        with pytest.raises(InvalidRequest):
            grid.run_reading.compare(wrong, ANN)
