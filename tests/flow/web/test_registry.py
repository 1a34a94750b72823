"""The registry through the front door: stages, aliases, and promotions that meet."""

import gzip
import hashlib
import pickle
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from rpsd.services.model.service import Candidate, Verdict
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
    look = model.serving_version

    def looked(asked: str) -> int:
        serving = look(asked)
        both_looked.wait(30)
        return serving

    monkeypatch.setattr(model, "serving_version", looked)

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


@pytest.fixture(scope="module")
def regime(running: Running, prices: tuple[list[int], list[float]]) -> str:
    """A regime model in production."""
    t, close = prices
    with running.client() as http:
        assert http.post("/api/v1/series/REGFILE/1d/samples", json={"t": t, "close": close}).status_code == 200
    found = "regime:REGFILE:1d:2_state"
    running.services.regime.train(found)
    if running.services.model.production(found) is None:
        running.services.model.promote(found, 1, "for this test", "test", force=True)
    return found


def test_a_version_goes_out_as_a_file_and_comes_in_as_a_candidate(http: httpx.Client, running: Running, regime: str) -> None:
    sent = http.get(f"/api/v1/models/{regime}/versions/champion/file")
    assert sent.headers["content-type"] == "application/octet-stream"
    assert re.fullmatch(r'attachment; filename="\w+\.rpsdmodel"', sent.headers["content-disposition"], re.ASCII)  # the model's has colons
    assert hashlib.sha256(sent.content).hexdigest() == sent.headers["rpsd-digest"]
    how = {"content-type": "application/octet-stream", "rpsd-digest": sent.headers["rpsd-digest"], "idempotency-key": "file of a test"}
    first, again = (http.post("/api/v1/models/import", content=sent.content, headers=how) for _ in range(2))
    assert (first.status_code, first.json()["stage"]) == (201, "candidate")
    assert again.json() == first.json()
    version = first.json()["version"]
    refusal = http.post(f"/api/v1/models/{regime}/promote", json={"version": version, "reason": "it was good there"})
    assert (refusal.status_code, refusal.json()["code"]) == (409, "gate_refused")
    with running.client("read") as reader:
        assert reader.post("/api/v1/models/import", content=sent.content, headers=how).status_code == 403
    assert http.get(f"/api/v1/models/{regime}/versions/99/file").json()["code"] == "unknown_model"


def test_a_bad_file_is_set_aside_and_everything_goes_on_serving(http: httpx.Client, regime: str) -> None:
    for data in (pickle.dumps({"model": 1}), gzip.compress(bytes(1000)), b"RPSD1\n" + bytes(99)):
        answer = http.post("/api/v1/models/import", content=data, headers={"content-type": "application/octet-stream"})
        assert (answer.status_code, answer.json()["code"]) == (422, "bad_model_file"), answer.text
    page = http.get("/api/v1/admin/quarantine", params={"limit": 2}).json()
    assert [row["bytes"] for row in page["quarantine"]] == [105, len(gzip.compress(bytes(1000)))]
    rest = http.get("/api/v1/admin/quarantine", params={"after": page["next"]}).json()["quarantine"]
    assert "pickle" in rest[0]["reason"]
    item = rest[0]["id"]
    for cursor in ("x", "-1", "9" * 40):
        assert http.get("/api/v1/admin/quarantine", params={"after": cursor}).status_code == 422
    assert http.delete(f"/api/v1/admin/quarantine/{item}").json()["id"] == item
    assert http.delete(f"/api/v1/admin/quarantine/{item}").status_code == http.delete("/api/v1/admin/quarantine/x").status_code == 404
    assert http.get("/api/v1/regimes/REGFILE", params={"regime_type": "2_state"}).status_code == 200


def test_the_card_is_a_page_for_people_and_json_for_programs(http: httpx.Client, running: Running, regime: str) -> None:
    page = http.get(f"/api/v1/models/{regime}", headers={"accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert page.headers["content-type"].startswith("text/html")
    assert all(f"<h2>{heading}</h2>" in page.text for heading in ("Data", "Fit", "Evaluation against baselines", "Lineage"))
    assert "<td>True</td>" not in page.text  # people read yes and no
    assert "<th>converged</th><td>yes</td>" in page.text
    assert http.get(f"/api/v1/models/{regime}").json()["card"]["kind"] == "regime"
    chain = http.get(f"/api/v1/models/{regime}/lineage").json()["chain"]
    assert (chain[0]["version"], len(chain[0]["graph"])) == (1, 64)
    bad = book_model.packet()
    card = {"data_fingerprint": "f", "evaluation": {}, "gate": {"promoted": True}, "<b>": "<script>alert(1)</script>"}
    name = "book:HTML:next_mid_move"
    running.services.model.register(Candidate(name, bad, card, Verdict(False, "<i>no</i>")), "test")
    text = http.get(f"/api/v1/models/{name}", headers={"accept": "text/html"}).text
    assert "<script>" not in text
    assert "<i>" not in text
    assert "&lt;script&gt;" in text
