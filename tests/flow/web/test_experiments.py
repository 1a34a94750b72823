"""Experiments over real HTTP: the life of a run, who may see it, and what the edge refuses."""

import hashlib
import io
import tarfile
from typing import Any

import httpx
import pytest

Running = Any
EXPERIMENTS, RUNS = "/api/v1/experiments", "/api/v1/runs"


@pytest.fixture(scope="module")
def trainer(running: Running) -> str:
    """A key that may read and train, as somebody who experiments has it."""
    return running.services.access.create("experimenter", ["read", "train"], by="test")[1]


@pytest.fixture
def train(running: Running, trainer: str) -> Any:
    with httpx.Client(base_url=running.base, headers={"x-api-key": trainer}, timeout=60) as client:
        yield client


@pytest.fixture
def reader(running: Running) -> Any:
    with running.client("read") as client:
        yield client


def made(http: httpx.Client, name: str, **more: Any) -> str:
    answer = http.post(EXPERIMENTS, json={"name": name, **more})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def test_the_life_of_a_run(train: httpx.Client) -> None:
    home = made(train, "life", description="a trial", scope="private")
    answer = train.post(f"{EXPERIMENTS}/{home}/runs", json={"name": "one", "params": {"l2": 0.1, "deep": True, "k": 3}})
    assert answer.status_code == 201
    run = answer.headers["location"]
    points = [{"name": "auc", "value": 0.7, "step": step, "t": step * 10**9} for step in range(3)]
    taken = train.post(f"{run}/metrics", json={"metrics": points}).json()
    assert taken == {"run": answer.json()["id"], "params": 0, "metrics": 3, "tags": 0}
    assert train.post(f"{run}/tags", json={"tags": {"note": "first"}}).status_code == 200
    assert train.post(f"{run}/metrics", json={"metrics": []}).status_code == 200, "a sign of life"
    data = bytes(range(256)) * 10
    kept = train.post(f"{run}/artifacts?name=plots/curve%20one.png", content=data, headers={"content-type": "image/png"})
    assert (kept.status_code, kept.json()["sha256"], kept.json()["media_type"]) == (201, hashlib.sha256(data).hexdigest(), "image/png")
    assert [one["name"] for one in train.get(f"{run}/artifacts").json()["artifacts"]] == ["plots/curve one.png"]
    got = train.get(f"{run}/artifacts/plots/curve%20one.png")
    assert got.content == data
    assert got.headers["content-type"] == "application/octet-stream"
    assert got.headers["content-disposition"] == "attachment"
    assert train.post(f"{run}/finish").json()["state"] == "FINISHED"
    told = train.get(run).json()
    assert told["params"] == {"l2": "0.1", "deep": "true", "k": "3"}
    assert (told["metrics"], told["points"], told["artifacts"]) == ({"auc": 0.7}, 3, 1)
    history = train.get(f"{run}/metrics", params={"name": "auc", "limit": 2}).json()
    assert (history["step"], history["t"][1], history["next"]) == ([0, 1], "1970-01-01T00:00:01Z", "1@1000000000")
    found = train.get(
        f"{EXPERIMENTS}/life/runs", params={"filter": "metrics.auc > 0.6 and tags.note = 'first'", "order_by": "metrics.auc desc"}
    )
    assert [one["name"] for one in found.json()["runs"]] == ["one"]


def test_a_whole_run_in_one_request_once(train: httpx.Client) -> None:
    home = made(train, "whole")
    body = {"state": "FINISHED", "params": {"a": 1}, "metrics": [{"name": "m", "value": 1.5}], "tags": {"t": "x"}}
    first, again = (train.post(f"{EXPERIMENTS}/{home}/runs", json=body, headers={"idempotency-key": "whole-1"}) for _ in range(2))
    assert first.json() == again.json()
    assert first.json()["state"] == "FINISHED"
    other = train.post(f"{EXPERIMENTS}/{home}/runs", json={**body, "name": "x"}, headers={"idempotency-key": "whole-1"})
    assert other.json()["code"] == "idempotency_conflict"
    second = train.post(f"{EXPERIMENTS}/{home}/runs", json=body | {"params": {"a": 2}, "parent": first.json()["id"]}).json()
    table = train.get(f"{RUNS}/compare", params={"ids": f"{first.json()['id']},{second['id']}"}).json()
    assert table["params"] == [{"name": "a", "values": ["1", "2"], "differs": True}]
    assert train.get(f"{RUNS}/{first.json()['id']}").json()["children"] == 1


def test_others_do_not_learn_that_it_is_there(running: Running, train: httpx.Client, reader: httpx.Client) -> None:
    home = made(train, "hidden")
    run = train.post(f"{EXPERIMENTS}/{home}/runs").headers["location"]
    for path in (f"{EXPERIMENTS}/{home}", f"{EXPERIMENTS}/hidden", f"{EXPERIMENTS}/{home}/runs", f"{EXPERIMENTS}/{home}/export"):
        assert (reader.get(path).status_code, reader.get(path).json()["code"]) == (404, "unknown_experiment")
    for path in (run, f"{run}/artifacts", f"{run}/artifacts/x", f"{run}/metrics?name=x", f"{RUNS}/compare?ids={run.rpartition('/')[2]}"):
        assert (reader.get(path).status_code, reader.get(path).json()["code"]) == (404, "unknown_run")
    assert home not in {str(one["id"]) for one in reader.get(EXPERIMENTS, params={"limit": 1000}).json()["experiments"]}
    assert reader.get(RUNS, params={"filter": "experiment = 'hidden'"}).json()["runs"] == []
    assert train.post(f"{EXPERIMENTS}/{home}", json={"scope": "read"}).json()["scope"] == "read"
    assert reader.get(run).status_code == 200
    assert reader.post(f"{run}/finish").status_code == 403
    with running.client("admin") as admin:
        other = running.services.access.create("second trainer", ["read", "train"], by="test")[1]
        with httpx.Client(base_url=running.base, headers={"x-api-key": other}) as second:
            assert second.post(f"{run}/finish").json()["code"] == "forbidden"
            assert second.delete(f"{EXPERIMENTS}/{home}").json()["code"] == "forbidden"
        assert admin.delete(f"{EXPERIMENTS}/{home}").json()["deleted"]["name"] == "hidden"
    assert train.get(run).status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("metrics", '{"metrics": [{"name": "m", "value": NaN}]}', 422, "not_finite"),
        ("metrics", '{"metrics": [{"name": "m", "value": Infinity}]}', 422, "not_finite"),
        ("metrics", '{"metrics": [{"name": "m", "value": 1e999}]}', 422, None),
        ("metrics", '{"metrics": [{"name": "m", "value": "x"}]}', 422, "invalid_request"),
        ("metrics", '{"metrics": [{"name": "../m", "value": 1}]}', 422, "invalid_request"),
        ("metrics", '{"metrics": [{"name": "m", "value": 1, "step": 9007199254740993}]}', 422, "invalid_request"),
        ("metrics", '{"metrics": [{"name": "m", "value": 1, "t": "yesterday"}]}', 422, "bad_time"),
        ("params", '{"params": {"x": [1]}}', 422, "invalid_request"),
        ("params", '{"params": {"x": null}}', 422, "invalid_request"),
        ("params", '{"params": {"held": 2}}', 409, "state_conflict"),
        ("tags", '{"tags": {"x": "' + "y" * 5001 + '"}}', 422, "invalid_request"),
        ("tags", "[]", 422, "invalid_request"),
        ("finish", '{"state": "DONE"}', 422, "invalid_request"),
        ("finish", '{"state": "RUNNING"}', 422, "invalid_request"),
    ],
)
def test_what_a_run_refuses(train: httpx.Client, path: str, body: str, status: int, code: str | None) -> None:
    home = "refusing"
    if train.get(f"{EXPERIMENTS}/{home}").status_code == 404:
        made(train, home)
    run = train.post(f"{EXPERIMENTS}/{home}/runs", json={"params": {"held": 1}}).headers["location"]
    answer = train.post(f"{run}/{path}", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status, answer.text
    assert code is None or answer.json()["code"] == code
    told = train.get(run).json()
    assert (told["state"], told["params"], told["metrics"], told["tags"]) == ("RUNNING", {"held": "1"}, {}, {})


LEAVING = ["..%2F..%2Fetc%2Fpasswd", "%2Fetc%2Fpasswd", "a%5C..%5Cb", "a%00b", "%EF%BC%8E%EF%BC%8E%2Fx", "a" * 256, "%E2%80%AEx", "a/../b"]


@pytest.mark.parametrize("name", LEAVING)
def test_artifact_names_that_try_to_leave(train: httpx.Client, name: str) -> None:
    if train.get(f"{EXPERIMENTS}/leaving").status_code == 404:
        made(train, "leaving")
    run = train.post(f"{EXPERIMENTS}/leaving/runs").headers["location"]
    answer = train.post(f"{run}/artifacts?name={name}", content=b"x")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert train.get(f"{run}/artifacts/{name}").status_code in (404, 422)
    assert train.get(f"{run}/artifacts").json() == {"artifacts": [], "next": None}


def test_an_artifact_that_is_too_large(train: httpx.Client) -> None:
    run = train.post(f"{EXPERIMENTS}/{made(train, 'large')}/runs").headers["location"]
    answer = train.post(f"{run}/artifacts?name=a", content=bytes((16 << 20) + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("query", ["filter=metrics.a%20%3E", "order_by=colour", "after=x", "filter=x%20%3D%20'y'", "limit=0", "color=red"])
def test_searches_that_are_refused(train: httpx.Client, query: str) -> None:
    answer = train.get(f"{RUNS}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert answer.json()["errors"][0]["pointer"].startswith("/query/")


def test_an_export_is_a_tar_of_a_file_store(train: httpx.Client) -> None:
    home = made(train, "export")
    run = train.post(
        f"{EXPERIMENTS}/{home}/runs", json={"params": {"a": 1}, "metrics": [{"name": "v/m", "value": 0.5, "step": 2, "t": 3_000_000}]}
    )
    train.post(f"{run.headers['location']}/artifacts?name=d/x.bin", content=b"\x00\x01")
    answer = train.get(f"{EXPERIMENTS}/{home}/export", params={"root": "/srv/mlruns"})
    assert answer.headers["content-type"] == "application/x-tar"
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as archive:
        held = {entry.name: archive.extractfile(entry).read() for entry in archive if entry.isfile()}  # type: ignore[union-attr]
    place = f"mlruns/{home}/{run.json()['id']}"
    assert held[f"{place}/params/a"] == b"1"
    assert held[f"{place}/metrics/v/m"] == b"3 0.5 2\n"
    assert held[f"{place}/artifacts/d/x.bin"] == b"\x00\x01"
    assert f'artifact_uri: "file:///srv/mlruns/{home}/'.encode() in held[f"{place}/meta.yaml"]


def test_a_fit_of_the_product_is_a_run(running: Running, prices: tuple[list[int], list[float]], reader: httpx.Client) -> None:
    t, close = prices
    with running.client("ingest") as http:
        http.post("/api/v1/series/RUNS/1d/samples", json={"t": t, "close": close})
    running.services.regime.train("regime:RUNS:1d:2_state", by="me")
    with pytest.raises(Exception, match="no series"):
        running.services.regime.train("regime:NONE:1d:2_state", by="me")
    fitted, refused = (
        reader.get(f"{EXPERIMENTS}/rpsd.regime/runs", params={"filter": f"tags.model = 'regime:{symbol}:1d:2_state'"}).json()["runs"]
        for symbol in ("RUNS", "NONE")
    )
    lineage = reader.get("/api/v1/models/regime:RUNS:1d:2_state").json()["card"]["lineage"]
    assert [run["id"] for run in fitted] == [lineage["run"]]
    assert (fitted[0]["state"], fitted[0]["owner"], fitted[0]["params"]["seed"]) == ("FINISHED", "rpsd", "0")
    assert "gain" in fitted[0]["metrics"]
    assert [(run["state"], run["tags"]["error"]) for run in refused] == [("FAILED", "unknown_series")]
    with running.client("train") as train:
        assert train.post(f"{EXPERIMENTS}/rpsd.regime/runs").status_code == 403
