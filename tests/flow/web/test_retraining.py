"""Decisions and live scores through the front door: a night, a bad promotion that is taken back, the alert, and what a caller sees."""

from typing import Any

import httpx
import numpy as np
import pytest

from rpsd.core.market import DAY_NS
from rpsd.core.model import Packet
from rpsd.jobs.job import JobContext
from rpsd.jobs.retrain import RETRAIN
from rpsd.jobs.watch import WATCH
from rpsd.services.model.service import Candidate, Verdict
from tests.flow.web import book_model
from tests.unit.services.conftest import two_moods

NAME = "regime:NIGHTS:1d:3_state"
DECISIONS = "/api/v1/retraining/decisions"


def run(running: Any, job: Any, by: str) -> dict[str, Any]:
    done: dict[str, Any] = job.run(JobContext(running.services, {}, by, lambda *_: None, lambda: False, 1))
    return done


@pytest.fixture(scope="module")
def nights(running: Any) -> dict[str, Any]:
    """A model fitted by night, a worse one put in its place by force, and sixty bars since."""
    services, prices = running.services, two_moods(660)
    last = services.clock() // DAY_NS * DAY_NS - 2 * DAY_NS
    t = last - np.arange(659, -1, -1, dtype=np.int64) * DAY_NS
    with running.client() as http:
        post = lambda part: http.post("/api/v1/series/NIGHTS/1d/samples", json={"t": t[part].tolist(), "close": prices[part].tolist()})  # noqa: E731
        assert post(slice(0, 600)).status_code == 200
        services.regime.train(NAME)
        version, packet = services.model.production(NAME)
        arrays = dict(packet.arrays)
        arrays["location"] = arrays["location"] + 4.0
        card = dict(version.card) | {"predecessor": 1, "started": "warm"}
        services.model.register(Candidate(NAME, Packet(packet.head, arrays), card, Verdict(True, "by force")), "test")
        assert post(slice(600, 660)).status_code == 200
        before = http.get(f"/api/v1/models/{NAME}/shadow").json()
        book_model.serve(services, "book:POOLED:horizon_98_events")  # its card tells no window: nobody else is held up by that
        done = run(running, WATCH, "scheduler")
    return {"before": before, "done": done, "retrained": run(running, RETRAIN, "scheduler")}


def test_what_does_worse_than_its_predecessor_is_taken_back_and_everybody_is_told(http: httpx.Client, nights: dict[str, Any]) -> None:
    assert (nights["before"]["scored"], nights["before"]["rivals"], nights["before"]["at"]) == (0, [], None)
    [taken] = [one for one in nights["done"]["rolled_back"] if one["model"] == NAME]
    [row] = http.get(DECISIONS, params={"model": NAME, "decision": "rollback"}).json()["decisions"]
    assert (row["version"], row["cause"], row["reason"]) == (1, "live_score", taken["reason"])
    alerts = http.get("/api/v1/admin/alerts", params={"name": "model_rollback"}).json()["alerts"]
    assert [(one["subject"], one["severity"], one["detail"]) for one in alerts] == [(NAME, "HIGH", taken["reason"])]
    assert http.get(f"/api/v1/models/{NAME}").json()["reason"] == taken["reason"]


def test_what_was_taken_back_waits_before_it_is_fitted_again(http: httpx.Client, nights: dict[str, Any]) -> None:
    rows = http.get(DECISIONS, params={"model": NAME, "limit": 1}).json()
    [row] = rows["decisions"]
    assert (row["decision"], row["job"]) == ("wait", 1)
    assert "its fits were kept back once" in row["reason"]
    [older] = http.get(DECISIONS, params={"model": NAME, "limit": 1, "after": rows["next"]}).json()["decisions"]
    assert older["decision"] == "rollback"


def test_shadow_tells_of_the_predecessor_and_its_lead(http: httpx.Client, nights: dict[str, Any]) -> None:
    told = http.get(f"/api/v1/models/{NAME}/shadow").json()
    assert (told["version"], told["unit"], told["shadow"]) == (1, "nats a bar", True)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"{DECISIONS}?decision=dither", 422, "invalid_request"),
        (f"{DECISIONS}?after=x", 422, "invalid_request"),
        (f"{DECISIONS}?limit=0", 422, "invalid_request"),
        ("/api/v1/models/regime:NOBODY:1d:3_state/shadow", 404, "unknown_model"),
        (f"/api/v1/models/{NAME}/shadow?x=1", 422, "invalid_request"),
    ],
)
def test_bad_questions_are_refused(http: httpx.Client, path: str, status: int, code: str) -> None:
    answer = http.get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_no_key_sees_nothing(running: Any) -> None:
    with running.client(None) as http:
        assert http.get(DECISIONS).status_code == 401
