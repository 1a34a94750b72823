"""What becomes of runs by themselves: dead writers, the product's old fits, contents that nobody holds."""

import pytest

from rpsd.core.errors import Cancelled, StateConflict, TooShort
from rpsd.core.experiment import RunState
from rpsd.services.access.service import SCOPES, Principal
from rpsd.services.experiment.run_log import Begun
from rpsd.services.upkeep import LEASE_NS, keep_trim
from tests.unit.services.conftest import daily, two_moods
from tests.unit.services.experiment.test_run_log import ANN, begun, home  # noqa: F401

DAY = 86_400.0
NAME = "regime:X:1d:2_state"
BOSS = Principal("boss", "boss", frozenset(SCOPES))


def trimmed(services) -> dict:
    return keep_trim(services.database, services.clock(), lambda *_: None)


def test_a_run_whose_writer_is_dead_is_killed_and_one_that_speaks_is_not(services, clock, home) -> None:  # noqa: F811
    dead, alive, ended = begun(services, home), begun(services, home), begun(services, home, state=RunState.FAILED)
    clock.advance(0.9 * LEASE_NS / 1e9)
    assert trimmed(services)["runs_killed"] == 0
    services.run.log(alive, ANN)
    clock.advance(0.2 * LEASE_NS / 1e9)
    assert trimmed(services)["runs_killed"] == 1
    found = {run["id"]: run for run in services.run_reading.search(ANN)[0]}
    assert [found[run]["state"] for run in (dead, alive, ended)] == ["KILLED", "RUNNING", "FAILED"]
    assert "silent" in found[dead]["tags"]["rpsd.ended"]
    with pytest.raises(StateConflict):
        services.run.finish(dead, RunState.FINISHED, ANN)


def test_the_products_old_fits_go_but_those_of_a_held_version(services, clock, home) -> None:  # noqa: F811
    services.series.append("X", "1d", daily(two_moods(400)))
    services.regime.train(NAME)
    services.model.tell_refused({NAME: TooShort("few"), "book:B:next_mid_move": Cancelled("stopped")}, "me")
    own = begun(services, home, state=RunState.FINISHED)
    fits = services.run_reading.search(BOSS, wanted="owner = 'rpsd'", order="experiment, state")[0]
    assert [run["state"] for run in fits] == ["KILLED", "FAILED", "FINISHED"]
    clock.advance(31 * DAY)
    assert trimmed(services)["fits_dropped"] == 2
    left = services.run_reading.search(BOSS)[0]
    lineage = services.model.card(NAME)["card"]["lineage"]["run"]
    assert {run["id"] for run in left} == {own, lineage}


def test_a_fit_and_its_run_are_there_together_or_not_at_all(services, monkeypatch) -> None:
    services.series.append("X", "1d", daily(two_moods(400)))

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the disk has a mood")

    monkeypatch.setattr("rpsd.services.experiment.fit_run.fitted", broken)
    with pytest.raises(RuntimeError):
        services.regime.train(NAME)
    assert services.database.read(lambda c: c.execute("SELECT count(*) FROM model").fetchall()) == [(0,)]
    assert services.run_reading.search(BOSS)[0] == []


def test_a_cancelled_training_is_a_killed_run(services) -> None:
    services.series.append("X", "1d", daily(two_moods(400)))
    with pytest.raises(Cancelled):
        services.regime.train(NAME, cancelled=lambda: True, by="me")
    runs = services.run_reading.search(BOSS, experiment="rpsd.regime")[0]
    assert [(run["state"], run["tags"]["by"], run["tags"]["error"]) for run in runs] == [("KILLED", "me", "cancelled")]


def test_a_search_and_its_table_are_a_run(services) -> None:
    from rpsd.services.denoise.search import Asked

    job = services.denoise_search.submit(Asked("ema", {"span": [2, 8]}, folds=3), two_moods(300), None)
    result = services.denoise_search.work(job["id"])
    run = services.run_reading.find(result["run"], BOSS)
    assert (run["params"]["methods"], run["params"]["folds"], run["metrics"]["settings"]) == ('["ema"]', "3", 2.0)
    assert run["metrics"]["best_mean"] == result["best"]["mean"]
    assert [one["name"] for one in services.run_reading.artifacts(run["id"], BOSS)[0]] == ["table.json"]


def test_a_run_can_be_begun_in_the_past_but_not_in_the_future(services, clock, home) -> None:  # noqa: F811
    from rpsd.core.errors import InvalidRequest

    services.run.begin(home, Begun(started_ns=clock() - 10), ANN)
    with pytest.raises(InvalidRequest):
        services.run.begin(home, Begun(started_ns=clock() + 10), ANN)
