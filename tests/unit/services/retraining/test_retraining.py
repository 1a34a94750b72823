"""Nights on a real database with a clock that the test turns: decisions, backoff, budget, drift, and what is kept of them."""

from typing import Any

import numpy as np
import pytest

from rpsd.core import instant
from rpsd.core.errors import InvalidRequest
from rpsd.core.market import DAY_NS, Samples
from rpsd.core.model import Packet
from rpsd.jobs.book_train import BOOK_TRAIN
from rpsd.jobs.drift_scan import DRIFT_SCAN
from rpsd.jobs.job import JobContext
from rpsd.jobs.retrain import RETRAIN
from rpsd.services.model.service import Candidate, Verdict
from tests.conftest import Clock
from tests.unit.services.conftest import daily, two_moods

NAME = "regime:X:1d:3_state"
PRICES = two_moods(760)
FIRST_NS = instant.parse("2024-06-01")


def night(services: Any, by: str = "scheduler", **args: Any) -> dict[str, Any]:
    """One run of the retrain job."""
    return RETRAIN.run(JobContext(services, args, by, lambda *_: None, lambda: False, 77))


def day(services: Any, clock: Clock, number: int) -> None:
    """Another bar of X closes."""
    t = np.array([FIRST_NS + number * DAY_NS], np.int64)
    services.series.append("X", "1d", Samples(t, {"close": PRICES[700 + number : 701 + number]}))
    clock.now_ns += DAY_NS


def words(services: Any, **asked: Any) -> list[tuple[str, str]]:
    """What was decided, in order."""
    return [(one["decision"], one["cause"]) for one in services.retraining.page(**asked)[0][::-1]]


@pytest.fixture
def stocked(services: Any) -> Any:
    services.series.append("X", "1d", daily(PRICES[:700]))
    return services


def test_nights_fit_what_has_new_bars_and_leave_the_rest(stocked: Any, clock: Clock) -> None:
    assert night(stocked)["decided"] == {"retrain": 1, "wait": 0, "skip": 0}
    assert night(stocked)["decided"] == {"retrain": 0, "wait": 0, "skip": 1}
    day(stocked, clock, 0)
    assert night(stocked)["decided"]["retrain"] == 1
    told = stocked.retraining.page()[0][::-1]
    assert [(one["decision"], one["cause"]) for one in told] == [
        ("retrain", "new_data"),
        ("promote", "new_data"),
        ("skip", "new_data"),
        ("retrain", "schedule"),
        ("promote", "schedule"),
    ]
    assert {one["job"] for one in told} == {77}
    assert [one["version"] for one in told] == [None, 1, 1, 1, 2]
    assert "fitted 1.0 days ago, and 1 bar since" in told[3]["reason"]
    lineage = [version["card"]["lineage"]["run"] for version in stocked.model.versions(NAME)[::-1]]
    assert [one["run"] for one in told] == [None, lineage[0], None, None, lineage[1]]
    assert "nats a bar" in told[4]["reason"]


@pytest.mark.parametrize("fault", ["graph", "bytes"])
def test_what_cannot_serve_is_fitted_though_nothing_is_new(stocked: Any, fault: str) -> None:
    night(stocked)
    version, packet = stocked.model.production(NAME)
    if fault == "graph":  # as a release left it that computed the features otherwise
        old = Packet({**packet.head, "graph": "0" * 64}, packet.arrays)
        stocked.model.register(Candidate(NAME, old, dict(version.card), Verdict(True, "by the release before")), "me")
    else:
        stocked.database.write(lambda c: c.execute("UPDATE model SET packet = zeroblob(90)")).result()
    assert night(stocked)["decided"]["retrain"] == 1
    told = stocked.retraining.page(None, 2)[0][::-1]
    assert [one["decision"] for one in told] == ["retrain", "promote"]
    assert "cannot serve" in told[0]["reason"]
    assert stocked.regime.current("X", "1d", "3_state")["model_version"] == stocked.model.serving_version(NAME) > 1
    assert night(stocked)["decided"]["skip"] == 1


def test_by_hand_everything_is_trained_and_the_outcome_is_kept(stocked: Any) -> None:
    assert "decided" not in night(stocked, by="me")
    night(stocked, by="me", model=NAME)
    assert words(stocked) == [("promote", "asked"), ("skip", "asked")]


def test_what_is_kept_back_waits_twice_as_long_each_time_and_a_promotion_forgets_it(stocked: Any, clock: Clock) -> None:
    stocked.series.append("FLAT", "1d", daily(np.ones(300)))
    tried = []
    for number in range(20):
        result = night(stocked)
        tried += [number] * any(one["model"] == "regime:FLAT:1d:3_state" for one in result["failed"])
        clock.now_ns += DAY_NS
    assert tried == [0, 1, 3, 7, 15]
    wait = stocked.retraining.page(model="regime:FLAT:1d:3_state", choice="wait")[0][0]
    assert "its fits were kept back 5 times in a row, so the next is not before" in wait["reason"]
    kept = stocked.retraining.page(model="regime:FLAT:1d:3_state", choice="keep")[0]
    assert all("(constant_series)" in one["reason"] for one in kept)
    stocked.series.append("FLAT", "1d", daily(two_moods(300)))
    night(stocked, by="me", model="regime:FLAT:1d:3_state")
    clock.now_ns += 31 * DAY_NS
    assert night(stocked)["decided"]["retrain"] == 2
    assert not any("kept back" in one["reason"] for one in stocked.retraining.page(limit=4)[0])


def test_drift_trains_at_once_what_the_scan_found_and_only_when_it_is_news(stocked: Any, clock: Clock) -> None:
    night(stocked)
    stocked.series.append("Y", "1d", daily(two_moods(300, seed=2)))
    night(stocked)
    found = {NAME: (clock.now_ns, "volatility has drifted to HIGH"), "regime:GONE:1d:3_state": (clock.now_ns + DAY_NS, "x")}
    stocked.retraining._drifted = lambda _connection: found
    assert stocked.retraining.after_scan() == []  # the report is no younger than the fit
    found[NAME] = (clock.now_ns + 1, found[NAME][1])
    [job] = stocked.retraining.after_scan()
    assert (job["name"], stocked.job.page()[0][0]["state"]) == ("retrain", "queued")
    assert stocked.retraining.after_scan() == []  # one waits already
    clock.now_ns += 3600 * 10**9
    result = night(stocked, by="drift", cause="drift")
    assert result["decided"] == {"retrain": 1, "wait": 0, "skip": 0}
    told = stocked.retraining.page(limit=2)[0][::-1]
    assert [(one["decision"], one["cause"], one["model"]) for one in told[:1]] == [("retrain", "drift", NAME)]
    assert told[0]["reason"] == "volatility has drifted to HIGH"
    assert night(stocked, by="drift", cause="drift")["decided"]["retrain"] in (0, 1)


def test_a_scan_by_schedule_queues_the_training_of_what_is_high(stocked: Any, clock: Clock) -> None:
    night(stocked)
    stocked.retraining._drifted = lambda _connection: {NAME: (clock.now_ns + 1, "it drifted")}
    result = DRIFT_SCAN.run(JobContext(stocked, {}, "scheduler", lambda *_: None, lambda: False, 8))
    [job] = stocked.job.page(name="retrain")[0]
    assert result["retraining"] == [job["id"]]


def test_the_budget_holds_for_a_day(stocked: Any, clock: Clock) -> None:
    object.__setattr__(stocked.settings.models.retraining, "budget", 1)
    stocked.series.append("Y", "1d", daily(two_moods(300, seed=2)))
    assert night(stocked)["decided"]["retrain"] == 2  # first fits are free
    object.__setattr__(stocked.settings.regimes, "max_model_age", 3600.0)
    day(stocked, clock, 0)
    assert night(stocked)["decided"] == {"retrain": 1, "wait": 1, "skip": 0}
    assert "are spent for the day" in stocked.retraining.page(choice="wait")[0][0]["reason"]
    day(stocked, clock, 1)
    assert night(stocked)["decided"]["retrain"] == 1


def test_a_model_that_an_answer_found_old_waits_as_the_others_do(stocked: Any, clock: Clock) -> None:
    night(stocked)
    assert night(stocked, by="stale-model", model=NAME)["trained"] == 0
    assert words(stocked)[-1] == ("skip", "new_data")
    day(stocked, clock, 0)
    assert night(stocked, by="stale-model", model=NAME)["trained"] == 1


def test_decisions_come_in_pages_and_grow_old(stocked: Any, clock: Clock) -> None:
    for _ in range(3):
        night(stocked)
    first, after = stocked.retraining.page(limit=3)
    rest, end = stocked.retraining.page(after, 3)
    assert ([one["id"] for one in first + rest], end) == ([4, 3, 2, 1], None)
    with pytest.raises(InvalidRequest):
        stocked.retraining.page(choice="dither")
    clock.now_ns += int(stocked.settings.models.retraining.keep_decisions * 1e9) + 1
    assert stocked.watch.prune() == 4
    assert stocked.retraining.page() == ([], None)


def test_books_are_decided_about_too(services: Any) -> None:
    result = BOOK_TRAIN.run(JobContext(services, {}, "scheduler", lambda *_: None, lambda: False, 5))
    assert result == {"trained": 0, "promoted": 0, "failed": [], "models": [], "decided": {"retrain": 0, "wait": 0, "skip": 0}}
