"""Training models of order books: what is fitted, what the gate lets through, what the card tells, and what serves afterwards."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rpsd.config import read
from rpsd.core.book import Tape
from rpsd.core.errors import BadParameter, NoModel, RandomSplitRefused, TooShort, UnknownBook
from rpsd.core.job import JobState
from rpsd.jobs import JOBS
from rpsd.jobs.runner import Scheduler
from rpsd.services.wiring import Services, open_services
from tests.conftest import Clock
from tests.unit.services.conftest import NOW_NS

QUICK = {"model": "logistic", "bootstrap": 100, "folds": 2, "calibration": "platt"}
STEP_NS = 20_000_000
NAME = "book:X:next_mid_move"


def tape(n: int = 9000, seed: int = 1, pull: float = 2.0, end_ns: int = NOW_NS - STEP_NS) -> Tape:
    """Books of two levels; four in five are followed by a move of the mid, upwards with log-odds of `pull` times the imbalance."""
    rng = np.random.default_rng(seed)
    bid_size, ask_size = rng.uniform(0.1, 10.0, (2, n)).round(3)
    imbalance = (bid_size - ask_size) / (bid_size + ask_size)
    ups = rng.random(n) < 1.0 / (1.0 + np.exp(-pull * imbalance))
    steps = np.where(rng.random(n) < 0.8, np.where(ups, 1, -1), 0)
    best = 10_000 + np.concatenate([[0], np.cumsum(steps)[:-1]])
    bids, asks = np.empty((n, 2, 2)), np.empty((n, 2, 2))
    for level in range(2):
        bids[:, level], asks[:, level] = (
            np.column_stack([np.round((best + offset) * 0.1, 1), size])
            for offset, size in ((-level, bid_size + level), (1 + level, ask_size + level))
        )
    t = end_ns - (n - 1 - np.arange(n, dtype=np.int64)) * STEP_NS
    return Tape.of_books(t, bids, asks, np.full((n, 2), 2))


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock(NOW_NS)


@pytest.fixture(scope="module")
def fed(tmp_path_factory: pytest.TempPathFactory, clock: Clock) -> Iterator[Services]:
    """X, whose imbalance tells, and CHANCE, whose does not."""
    settings = read(environ={"RPSD_DATA_DIR": str(tmp_path_factory.mktemp("d")), "RPSD_STORAGE__MIN_FREE_BYTES": "0"})
    with open_services(settings, clock=clock, worker=False) as services:
        services.book.ingest("X", tape(), tick=0.1)
        services.book.ingest("CHANCE", tape(seed=3, pull=0.0), tick=0.1)
        yield services


@pytest.fixture(scope="module")
def trained(fed: Services) -> dict[str, Any]:
    return fed.book_training.train(NAME, QUICK, by="test")


def test_what_foretells_is_promoted_and_serves(fed: Services, trained: dict[str, Any]) -> None:
    assert (trained["name"], trained["version"], trained["stage"], trained["promoted"]) == (NAME, 1, "production", True)
    assert trained["evaluation"]["scores"]["model"]["auc"]["value"] > 0.65
    told = json.loads(fed.forecast.live(fed.forecast.question("x", None)).text)
    assert (told["model_name"], told["model_version"]) == (NAME, 1)
    assert fed.metrics.model_trainings_total.labels("promoted")._value.get() >= 1


def test_the_card_tells_what_it_rests_on(fed: Services, trained: dict[str, Any]) -> None:
    card = fed.model.card(NAME)["card"]
    assert card["window"]["events"] == 9000
    assert card["window"]["symbols"] == ["X"]
    assert card["params"]["bootstrap"] == 100
    assert (card["kind"], card["tick"], card["predictor"], card["seed"]) == ("book", 0.1, "logistic", 0)
    assert card["label"] == {"label": "next_mid_move", "horizon": 10, "delay_ms": 0.0}
    assert card["evaluation"]["reliability"]
    assert {"majority", "last_direction", "queue_imbalance"} < set(card["evaluation"]["scores"])
    assert card["gate"] == {"promoted": True, "reason": trained["reason"]}


def test_the_same_tape_is_not_fitted_twice_but_another_recipe_is(fed: Services, trained: dict[str, Any]) -> None:
    again = fed.book_training.train(NAME, QUICK, by="test")
    assert (again["version"], again["promoted"]) == (1, False)
    assert "nothing has changed" in again["reason"]
    label = "book:X:horizon_5_events"
    other = fed.book_training.train(label, QUICK, by="test")
    assert (other["name"], other["version"]) == (label, 1)


def test_chance_is_kept_back_and_the_question_learns_why(fed: Services) -> None:
    name = "book:CHANCE:next_mid_move"
    told = fed.book_training.train(name, QUICK, by="test")
    assert (told["promoted"], told["stage"]) == (False, "candidate")
    with pytest.raises(NoModel, match="kept back"):
        fed.forecast.live(fed.forecast.question("CHANCE", name))


def test_a_pooled_model_serves_a_book_without_its_own(fed: Services) -> None:
    told = fed.book_training.train("book:POOLED:next_mid_move", QUICK, by="test")
    card = fed.model.card("book:POOLED:next_mid_move")["card"]
    assert {"CHANCE", "X"} <= set(card["window"]["symbols"])
    assert told["promoted"], told["reason"]
    fed.book.ingest("NEW", tape(20), tick=0.1)
    answer = json.loads(fed.forecast.live(fed.forecast.question("NEW", None)).text)
    assert answer["model_name"] == "book:POOLED:next_mid_move"


def test_refusals(fed: Services) -> None:
    with pytest.raises(RandomSplitRefused):
        fed.book_training.submit("X", None, {"split": "random"}, by="test")
    with pytest.raises(BadParameter):
        fed.book_training.submit("X", None, {"split": "sorted"}, by="test")
    with pytest.raises(UnknownBook):
        fed.book_training.submit("NEVER", None, {}, by="test")
    with pytest.raises(UnknownBook):
        fed.model.retrain("book:NEVER:next_mid_move", "test")
    fed.book.ingest("SHORT", tape(100), tick=0.1)
    with pytest.raises(TooShort, match="100 events"):
        fed.book_training.train("book:SHORT:next_mid_move", {})


def test_the_job_trains_what_is_asked(fed: Services, trained: dict[str, Any]) -> None:
    scheduler = Scheduler(fed, tuple(job for job in JOBS if job.name == "book_train"))
    run = fed.book_training.submit("X", None, QUICK, by="test")
    done = finished(fed, scheduler, run["id"])
    assert (done["state"], done["error_code"]) == (JobState.SUCCEEDED, None), done
    assert [model["name"] for model in done["result"]["models"]] == [NAME]
    assert {NAME, "book:CHANCE:next_mid_move"} <= set(fed.book_training.names())
    scheduler.stop()


def finished(services: Services, scheduler: Scheduler, run_id: int) -> dict[str, Any]:
    for _ in range(1200):
        scheduler.tick(services.clock())
        run = services.job.find(run_id)
        if run["finished"] is not None:
            return run
        services.job.on_enqueue.wait(0.1)
        services.job.on_enqueue.clear()
    raise AssertionError("the job did not end")


def test_a_successor_is_held_to_the_model_in_production(tmp_path: Path) -> None:
    clock = Clock(NOW_NS)
    settings = read(environ={"RPSD_DATA_DIR": str(tmp_path), "RPSD_STORAGE__MIN_FREE_BYTES": "0"})
    with open_services(settings, clock=clock, worker=False) as services:
        services.book.ingest("X", tape(), tick=0.1)
        assert services.book_training.train(NAME, QUICK)["promoted"]
        clock.advance(9000 * STEP_NS / 1e9)
        services.book.ingest("X", tape(9000, seed=5, end_ns=clock()), tick=0.1)
        told = services.book_training.train(NAME, QUICK)
        assert told["version"] == 2
        assert told["evaluation"]["predecessor"]["moves"] > 1000
        assert services.model.card(NAME)["card"]["predecessor"] == 1
