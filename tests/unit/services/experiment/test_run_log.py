"""Runs in the user's words: what they take, what they refuse, and who may."""

import hashlib

import pytest

from rpsd.core.errors import BodyTooLarge, Forbidden, InvalidRequest, NotFinite, StateConflict, UnknownExperiment, UnknownFile, UnknownRun
from rpsd.core.experiment import RunState, Visibility
from rpsd.services.access.service import SCOPES, Principal
from rpsd.services.experiment.run_log import Begun, Point
from rpsd.store.idempotency import Once

ANN, BOB = (Principal(name, name, frozenset({"read", "train"})) for name in ("ann", "bob"))
BOSS = Principal("boss", "boss", frozenset(SCOPES))


@pytest.fixture
def home(services) -> str:
    """The id of a private experiment of Ann's."""
    return str(services.experiment.create("trials", ANN)["id"])


def begun(services, home, who=ANN, **more) -> str:
    return services.run.begin(home, Begun(**more), who)["id"]


def test_a_run_from_begin_to_end(services, clock, home) -> None:
    run = services.run.begin(home, Begun(name="first", params={"l2": 0.1, "deep": True, "kind": "ridge"}), ANN)
    assert (run["state"], run["params"]) == ("RUNNING", {"l2": "0.1", "deep": "true", "kind": "ridge"})
    clock.advance(5)
    services.run.log(run["id"], ANN, metrics=[Point("loss", 3.0, 1), Point("loss", 1.0, 3), Point("loss", 2.0, 2)])
    services.run.log(run["id"], ANN, metrics=[Point("loss", 1.5, 2)], tags={"data": "x"})
    ended = services.run.finish(run["id"], RunState.FINISHED, ANN)
    assert (ended["metrics"], ended["tags"], ended["state"]) == ({"loss": 1.0}, {"data": "x"}, "FINISHED")
    assert ended["finished"] > ended["started"]
    told = services.run_reading.find(run["id"], ANN)
    assert {name: told["summaries"]["loss"][name] for name in ("step", "value", "least", "greatest")} == {
        "step": 3, "value": 1.0, "least": 1.0, "greatest": 3.0,
    }  # fmt: skip
    points, _ = services.run_reading.history(run["id"], "loss", ANN)
    assert [(step, value) for step, _, value in points] == [(1, 3.0), (2, 1.5), (3, 1.0)]


def test_a_history_pages_through_every_point_once(services, home) -> None:
    run = begun(services, home, metrics=[Point("m", float(step), step, step * 10) for step in range(25)])
    seen, after = [], None
    while True:
        points, after = services.run_reading.history(run, "m", ANN, after, 10)
        seen += [value for _, _, value in points]
        if after is None:
            break
    assert seen == [float(step) for step in range(25)]
    with pytest.raises(InvalidRequest):
        services.run_reading.history(run, "m", ANN, "7")
    with pytest.raises(InvalidRequest):
        services.run_reading.history(run, "other", ANN)


def test_parameters_never_change(services, home) -> None:
    run = begun(services, home, params={"a": 1})
    services.run.log(run, ANN, params={"a": 1, "b": 2})
    with pytest.raises(StateConflict, match="'1' already"):
        services.run.log(run, ANN, params={"c": 3, "a": 2}, tags={"seen": "yes"})
    found = services.run_reading.find(run, ANN)
    assert (found["params"], found["tags"]) == ({"a": "1", "b": "2"}, {}), "a refused write leaves nothing behind"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_metrics_are_finite(services, home, value) -> None:
    run = begun(services, home)
    with pytest.raises(NotFinite) as caught:
        services.run.log(run, ANN, metrics=[Point("good", 1.0), Point("bad", value)])
    assert caught.value.errors[0].pointer == "/metrics/1/value"
    assert services.run_reading.find(run, ANN)["metrics"] == {}


@pytest.mark.parametrize("name", ["", "a" * 251, "../up", "/root", "a//b", "tab\there", "ä", "a/", ".", "x .", "null\0"])
def test_names_that_are_refused(services, home, name) -> None:
    for entry in ({"params": {name: 1}}, {"tags": {name: 1}}, {"metrics": [Point(name, 1.0)]}):
        with pytest.raises(InvalidRequest):
            services.run.begin(home, Begun(**entry), ANN)


def test_a_name_is_not_also_a_directory(services, home) -> None:
    run = begun(services, home, metrics=[Point("loss", 1.0)])
    with pytest.raises(StateConflict, match="both a name"):
        services.run.log(run, ANN, metrics=[Point("loss/valid", 1.0)])
    services.run.log(run, ANN, metrics=[Point("valid/loss", 1.0)], params={"loss/valid": 1})
    with pytest.raises(StateConflict):
        services.run.log(run, ANN, metrics=[Point("valid", 1.0)])


def test_an_ended_run_takes_tags_alone(services, home) -> None:
    run = begun(services, home, state=RunState.FAILED)
    services.run.log(run, ANN, tags={"why": "disk"})
    for attempt in ({"params": {"a": 1}}, {"metrics": [Point("m", 1.0)]}, {}, {"params": {"a": 1}, "tags": {"b": 1}}):
        with pytest.raises(StateConflict, match="has ended"):
            services.run.log(run, ANN, **attempt)
    with pytest.raises(StateConflict):
        services.run.finish(run, RunState.FINISHED, ANN)
    with pytest.raises(StateConflict):
        services.run.keep(run, "late.txt", b"", ANN)
    with pytest.raises(InvalidRequest):
        services.run.finish(begun(services, home), RunState.RUNNING, ANN)


def test_artifacts_are_kept_once_by_content(services, home) -> None:
    one, two = begun(services, home), begun(services, home)
    kept = services.run.keep(one, "model/weights.bin", b"\x00\x01", ANN)
    assert kept["sha256"] == hashlib.sha256(b"\x00\x01").hexdigest()
    assert services.run.keep(one, "model/weights.bin", b"\x00\x01", ANN) == kept
    services.run.keep(two, "again", b"\x00\x01", ANN)
    count = "SELECT count(*) FROM artifact_content"
    assert services.database.read(lambda c: c.execute(count).fetchall()) == [(1,)]
    assert services.run_reading.artifact(two, "again", ANN)[1] == b"\x00\x01"
    with pytest.raises(StateConflict, match="another artifact"):
        services.run.keep(one, "model/weights.bin", b"\x02", ANN)
    with pytest.raises(UnknownFile):
        services.run_reading.artifact(one, "none", ANN)
    with pytest.raises(BodyTooLarge):
        services.run.keep(one, "huge", bytes((16 << 20) + 1), ANN)
    services.run.delete(one, ANN)
    assert services.database.read(lambda c: c.execute(count).fetchall()) == [(1,)], "the other run still holds it"
    services.run.delete(two, ANN)
    assert services.database.read(lambda c: c.execute(count).fetchall()) == [(0,)]


@pytest.mark.parametrize(
    "name",
    ["", "..", "../../etc/passwd", "/etc/passwd", "a/../../b", "a\\..\\b", "C:/x", "nul\0", "line\nbreak", "a/./b", "a//b", "b/",
     "．．/x", "․․/x", "a／b", "\u202egnp.exe", "zero\u200bwidth", "x" * 256, "ö" * 128, "\ud800", " a", "a ", "a.", "e\u0301"],
)  # fmt: skip
def test_artifact_names_that_try_to_leave(services, home, name) -> None:
    run = begun(services, home)
    with pytest.raises(InvalidRequest):
        services.run.keep(run, name, b"x", ANN)
    assert services.run_reading.artifacts(run, ANN)[0] == []


@pytest.mark.parametrize("name", ["a", "model/weights.bin", ".hidden", "größe.png", "データ.csv", "a..b", "x" * 255])
def test_artifact_names_that_are_good(services, home, name) -> None:
    run = begun(services, home)
    services.run.keep(run, name, b"x", ANN)
    assert services.run_reading.artifact(run, name, ANN)[1] == b"x"


def test_who_may(services, home) -> None:
    run = begun(services, home)
    for attempt in (
        lambda: services.experiment.find(home, BOB),
        lambda: services.experiment.find("trials", BOB),
        lambda: services.run.begin(home, Begun(), BOB),
        lambda: services.experiment.delete(home, BOB),
        lambda: services.run_reading.search(BOB, experiment=home),
    ):
        with pytest.raises(UnknownExperiment):
            attempt()
    for attempt in (
        lambda: services.run_reading.find(run, BOB),
        lambda: services.run.log(run, BOB, tags={"a": 1}),
        lambda: services.run.delete(run, BOB),
        lambda: services.run_reading.compare([run], BOB),
        lambda: services.run.keep(run, "a", b"", BOB),
        lambda: services.run_reading.artifacts(run, BOB),
    ):
        with pytest.raises(UnknownRun):
            attempt()
    assert services.experiment.page(BOB)[0] == services.run_reading.search(BOB)[0] == []
    services.experiment.change(home, ANN, scope=Visibility.READ)
    assert services.run_reading.find(run, BOB)["id"] == run
    with pytest.raises(Forbidden):
        services.run.log(run, BOB, tags={"a": 1})
    services.experiment.change(home, ANN, scope=Visibility.SHARED)
    services.run.log(run, BOB, tags={"a": 1})
    for attempt in (lambda: services.experiment.change(home, BOB, description="mine"), lambda: services.run.delete(run, BOB)):
        with pytest.raises(Forbidden):
            attempt()
    services.experiment.change(home, BOSS, scope=Visibility.PRIVATE)
    assert services.run_reading.find(run, BOSS)["tags"] == {"a": "1"}


def test_a_name_taken_in_private_is_no_secret_told(services, home) -> None:
    assert services.experiment.create("trials", BOB)["owner"] == "bob"
    with pytest.raises(StateConflict):
        services.experiment.create("trials", ANN)
    assert services.experiment.find("trials", ANN)["id"] == int(home)
    with pytest.raises(InvalidRequest, match="several"):
        services.experiment.find("trials", BOSS)


@pytest.mark.parametrize("name", ["", " a", "rpsd", "rpsd.regime", "12", "a\n", "x" * 129, "-a", "../a"])
def test_experiment_names_that_are_refused(services, name) -> None:
    with pytest.raises(InvalidRequest):
        services.experiment.create(name, ANN)


def test_a_parent_is_a_run_of_the_same_experiment(services, home) -> None:
    parent = begun(services, home)
    child = begun(services, home, parent=parent)
    assert services.run_reading.find(parent, ANN)["children"] == 1
    assert [run["id"] for run in services.run_reading.search(ANN, wanted=f"parent = '{parent}'")[0]] == [child]
    other = str(services.experiment.create("others", ANN)["id"])
    for wrong in (parent, "0" * 32):
        with pytest.raises(UnknownRun):
            begun(services, other, parent=wrong)


def test_the_same_request_again_gives_the_first_answer(services, home) -> None:
    once = Once("key", "ann", "POST x", "hash")
    first = services.run.begin(home, Begun(), ANN, once)
    assert services.run.begin(home, Begun(), ANN, once) == first
    assert services.experiment.find(home, ANN)["runs"] == 1


def test_deleting_an_experiment_leaves_nothing(services, home) -> None:
    for number in range(120):
        run = begun(services, home, params={"n": number}, metrics=[Point("m", 1.0)], tags={"t": 1})
        services.run.keep(run, "a", str(number).encode(), ANN)
    assert services.experiment.delete("trials", ANN)["runs"] == 120
    for table in ("experiment", "run", "run_param", "run_tag", "run_metric", "run_point", "run_artifact", "artifact_content"):
        assert services.database.read(lambda c, table=table: c.execute(f"SELECT count(*) FROM {table}").fetchall()) == [(0,)], table
    assert services.access.audit(None, 1)[0][0]["action"] == "experiment.delete"
