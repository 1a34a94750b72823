"""The registry through the front door: stages, aliases, and promotions that meet."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.flow.web import book_model
from tests.flow.web.conftest import Running


@pytest.fixture
def name(running: Running, request: pytest.FixtureRequest) -> str:
    """A model of this test alone, with version 1 in production and 2 and 3 as candidates that have passed the gate."""
    found = f"book:REG{abs(hash(request.node.name)) % 10**6}:next_mid_move"
    for number in range(3):
        book_model.serve(running.services, found)
        if number:
            running.services.model.rollback(found, 1, "by hand", "test")
    return found


def test_aliases_and_stages(http: httpx.Client, name: str) -> None:
    place = f"/api/v1/models/{name}"
    assert http.post(f"{place}/aliases", json={"alias": "blue", "version": 2}).json()["set_by"]
    assert http.post(f"{place}/stage", json={"version": 3, "stage": "staging", "reason": "next"}).json()["stage"] == "staging"
    listed = {row["alias"]: row["version"] for row in http.get(f"{place}/aliases").json()["aliases"]}
    assert listed == {"blue": 2, "champion": 1, "challenger": 3}
    assert http.delete(f"{place}/aliases/blue").json() == {"name": name, "alias": "blue"}
    assert http.delete(f"{place}/aliases/blue").json()["code"] == "unknown_model"
    assert http.post(f"{place}/aliases", json={"alias": "champion", "version": 2}).json()["code"] == "state_conflict"
    assert http.post(f"{place}/stage", json={"version": 2, "stage": "production", "reason": "why not"}).status_code == 422
    assert http.get("/api/v1/models/book:NONE:next_mid_move/aliases").status_code == 404


def test_a_write_with_a_key_happens_once(http: httpx.Client, name: str) -> None:
    sent: dict[str, Any] = {"json": {"version": 2, "stage": "candidate", "reason": "another look"}, "headers": {"idempotency-key": name}}
    answers = [http.post(f"/api/v1/models/{name}/stage", **sent) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert http.post(f"/api/v1/models/{name}/stage", json=sent["json"]).status_code == 409


def test_of_two_promotions_at_a_time_one_wins_and_the_other_is_told(running: Running, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, both_looked = running.services.model, threading.Barrier(2)
    look = model._seen

    def looked(asked: str) -> int:
        serving = look(asked)
        both_looked.wait(30)
        return serving

    monkeypatch.setattr(model, "_seen", looked)

    def promote(version: int) -> httpx.Response:
        with running.client("train") as http:
            return http.post(f"/api/v1/models/{name}/promote", json={"version": version, "reason": "mine is better"})

    with ThreadPoolExecutor(2) as threads:
        answers = sorted(threads.map(promote, (2, 3)), key=lambda answer: answer.status_code)
    assert [answer.status_code for answer in answers] == [200, 409]
    assert answers[1].json()["code"] == "state_conflict"
    [serving] = [v["version"] for v in model.versions(name) if v["stage"] == "production"]
    assert serving == answers[0].json()["version"]


def test_a_promotion_that_expects_another_champion_is_refused(http: httpx.Client, name: str) -> None:
    sent = {"version": 2, "reason": "mine", "expected": 3}
    assert http.post(f"/api/v1/models/{name}/promote", json=sent).json()["code"] == "state_conflict"
    assert http.post(f"/api/v1/models/{name}/promote", json=sent | {"expected": 1}).status_code == 200
