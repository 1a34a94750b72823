"""The happy path of every route, on the real thing; every answer fits the struct that OpenAPI shows."""

import struct
import time
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest

from rpsd.services.model.service import Candidate, Verdict
from rpsd.web.app import build_inner
from rpsd.web.auth import declared
from rpsd.web.operation import Operation

Running = Any


@pytest.fixture(scope="module")
def operations(running: Running) -> dict[tuple[str, str], Operation]:
    return {(method, path): operation for path, method, operation in declared(build_inner(running.services)) if operation}


def fits(operations: dict[tuple[str, str], Operation], answer: httpx.Response, method: str, path: str) -> Any:
    """The answer's JSON, after a check against the declared struct."""
    operation = operations[method, path]
    assert answer.status_code == operation.status, answer.text
    kind = operation.writes["application/json"]
    return msgspec.to_builtins(msgspec.json.decode(answer.content, type=kind if kind else Any, strict=True))


@pytest.mark.parametrize("root", ["", "/api/v1"])
@pytest.mark.parametrize("name", ["health", "health/live", "health/detailed"])
def test_health(running: Running, operations: dict[tuple[str, str], Operation], root: str, name: str) -> None:
    with running.client(None) as http:
        found = fits(operations, http.get(f"{root}/{name}"), "GET", f"{root}/{name}")
    assert found["status"] in ("healthy", "degraded", "alive")


def test_readiness_tells_every_check(http: httpx.Client) -> None:
    found = http.get("/health/ready")
    checks = {check["name"]: check["passed"] for check in found.json()["checks"]}
    assert {"database", "kernels", "scheduler", "disk"} <= set(checks)
    assert found.status_code == (200 if all(checks.values()) else 503)


def test_metrics_in_both_formats(http: httpx.Client) -> None:
    http.get("/health")
    plain = http.get("/metrics")
    assert plain.headers["content-type"].startswith("text/plain")
    assert plain.headers["content-type"].count("charset") == 1
    assert 'rpsd_http_requests_total{method="GET",route="/health",status="200"}' in plain.text
    assert http.get("/metrics", headers={"accept": "application/openmetrics-text"}).text.endswith("# EOF\n")


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/manual", "/manual/errors", "/manual/pictures/goog.png", "/static/docs.js", "/static/rpsd.css"]
)
def test_pages(running: Running, path: str) -> None:
    with running.client(None) as http:
        found = http.get(path)
    assert found.status_code == 200
    assert found.headers["content-security-policy"].startswith("default-src 'self'")
    assert "unsafe" not in found.headers["content-security-policy"]


def test_series_from_first_post_to_deletion(http: httpx.Client, operations: dict[tuple[str, str], Operation]) -> None:
    path = "/api/v1/series/{symbol}/{interval}"
    columns = {"t": ["2024-01-02", "2024-01-03T00:00:00Z", 1704326400000000000], "close": [1.0, 2.5, None], "volume": [1, 2, 3]}
    done = fits(operations, http.post("/api/v1/series/rt.a/1d/samples", json=columns), "POST", f"{path}/samples")
    assert (done["accepted"], done["inserted"], done["last"]) == (3, 3, "2024-01-04T00:00:00Z")
    rows = {"rows": [{"t": "2024-01-05", "close": 4.0}, {"t": "2024-01-02", "close": 1.5}]}
    again = http.post("/api/v1/series/RT.A/1d/samples", json={"rows": rows["rows"][::-1]}).json()
    assert (again["inserted"], again["updated"]) == (1, 1)
    csv = '\ufeffDate,Close\r\n2024-01-08,"5.5"\r\n2024-01-09,6\r\n'
    assert http.post("/api/v1/series/RT.A/1d/samples", content=csv.encode(), headers={"content-type": "text/csv"}).json()["inserted"] == 2

    info = fits(operations, http.get("/api/v1/series/RT.A/1d"), "GET", path)
    assert (info["rows"], info["columns"], info["first"]) == (6, ["close", "volume"], "2024-01-02T00:00:00Z")
    listed = fits(operations, http.get("/api/v1/series?limit=1000"), "GET", "/api/v1/series")
    assert "RT.A" in [row["symbol"] for row in listed["series"]]

    got = http.get("/api/v1/series/RT.A/1d/samples", params={"time": "ns", "limit": 4}).json()
    assert got["close"] == [1.5, 2.5, None, 4.0]
    rest = http.get("/api/v1/series/RT.A/1d/samples", params={"start": got["next"], "columns": "close"}).json()
    assert (rest["close"], rest["next"]) == ([5.5, 6.0], None)
    text = http.get("/api/v1/series/RT.A/1d/samples", headers={"accept": "text/csv"}, params={"columns": "close", "end": "2024-01-04"}).text
    assert text.splitlines() == ["t,close", "2024-01-02T00:00:00Z,1.5", "2024-01-03T00:00:00Z,2.5", "2024-01-04T00:00:00Z,"]

    fits(operations, http.delete("/api/v1/series/RT.A/1d"), "DELETE", path)
    assert http.get("/api/v1/series/RT.A/1d").json()["code"] == "unknown_series"


def test_denoise_in_json_and_octets(http: httpx.Client, operations: dict[tuple[str, str], Operation]) -> None:
    y = np.cumsum(np.random.default_rng(3).normal(size=600)) + 100
    found = fits(operations, http.post("/api/v1/denoise", json={"values": y.tolist()}), "POST", "/api/v1/denoise")
    assert found["n"] == len(found["values"]) == 600
    assert found["method"] in {row["method"] for row in found["evidence"]["candidates"]}
    octets = http.post("/api/v1/denoise", content=y.astype("<f8").tobytes(), headers={"content-type": "application/octet-stream"})
    assert octets.headers["content-type"] == "application/octet-stream"
    assert np.array_equal(np.frombuffer(octets.content, "<f8"), np.array(found["values"]))
    account = msgspec.json.decode(octets.headers["rpsd-result"])
    assert account["method"] == found["method"]
    assert "values" not in account
    mixed = http.post(
        "/api/v1/denoise?method=ema&causality=causal&params=%7B%22span%22%3A5%7D",
        content=y.astype("<f8").tobytes(),
        headers={"content-type": "application/octet-stream", "accept": "application/json"},
    ).json()
    assert (mixed["method"], mixed["causal"], mixed["params"]["span"]) == ("ema", True, 5.0)


def test_a_band_and_a_lag_over_http(http: httpx.Client, operations: dict[tuple[str, str], Operation]) -> None:
    y = np.cumsum(np.random.default_rng(3).normal(size=600)) + 100
    asked = {"values": y.tolist(), "causality": "lag", "lag": 3, "band": True}
    found = fits(operations, http.post("/api/v1/denoise", json=asked), "POST", "/api/v1/denoise")
    assert found["lag"] == (0 if found["causal"] else 3)
    assert len(found["lower"]) == len(found["upper"]) == 600
    bounds = [(a, v, b) for a, v, b in zip(found["lower"], found["values"], found["upper"], strict=True) if a is not None]
    assert all(a <= v <= b for a, v, b in bounds)
    assert "lower" not in http.post("/api/v1/denoise", json={"values": y.tolist()}).json()


def test_methods(http: httpx.Client, operations: dict[tuple[str, str], Operation]) -> None:
    found = fits(operations, http.get("/api/v1/denoise/methods"), "GET", "/api/v1/denoise/methods")
    assert {"wavelet", "kalman", "ema"} <= {method["name"] for method in found["methods"]}


def test_stored_series_denoised_and_kept(
    http: httpx.Client, operations: dict[tuple[str, str], Operation], prices: tuple[list[int], list[float]]
) -> None:
    t, close = prices
    http.post("/api/v1/series/RT.B/1d/samples", json={"t": t, "close": close}).raise_for_status()
    body = {"column": "close", "save_as": "smooth"}
    found = fits(operations, http.post("/api/v1/series/RT.B/1d/denoise", json=body), "POST", "/api/v1/series/{symbol}/{interval}/denoise")
    assert len(found["t"]) == len(found["values"]) == len(t)


def test_regimes_of_a_range_and_of_observations(http: httpx.Client, prices: tuple[list[int], list[float]]) -> None:
    t, close = prices[0], [2 * price for price in prices[1]]  # data that no other test has asked about
    http.post("/api/v1/series/RT.C/1d/samples", json={"t": t, "close": close}).raise_for_status()
    body = {"ticker": "rt.c", "start_date": t[0], "end_date": t[-1], "regime_type": "2_state"}
    first = http.post("/api/v1/detect-regimes", json=body)
    assert first.status_code == 200, first.text
    found = first.json()
    assert (found["n_states"], found["cache"], found["causal"]) == (2, "miss", False)
    told = found["current"]["probabilities"]
    assert abs(sum(told.values() if isinstance(told, dict) else told) - 1) < 1e-9
    assert http.post("/api/v1/detect-regimes", json=body).json()["cache"] == "hit"
    given = {**body, "observations": {"t": t, "close": close}}
    assert http.post("/api/v1/detect-regimes", json=given).json()["regimes"] == found["regimes"]


def test_models_jobs_and_live_regimes(
    http: httpx.Client, running: Running, operations: dict[tuple[str, str], Operation], prices: tuple[list[int], list[float]]
) -> None:
    t, close = prices
    http.post("/api/v1/series/RT.D/1d/samples", json={"t": t, "close": close}).raise_for_status()
    missing = http.get("/api/v1/regimes/RT.D").json()
    assert missing["code"] == "no_model"
    assert "/api/v1/models/regime:RT.D:1d:3_state/retrain" in missing["hint"] + missing["detail"]
    name = "regime:RT.D:1d:2_state"
    queued = http.post(f"/api/v1/models/{name}/retrain")
    job = fits(operations, queued, "POST", "/api/v1/models/{name}/retrain")["job"]
    assert queued.headers["location"] == f"/api/v1/jobs/{job['id']}"
    assert fits(operations, http.get(queued.headers["location"]), "GET", "/api/v1/jobs/{job}")["name"] == "retrain"
    assert fits(operations, http.delete(queued.headers["location"]), "DELETE", "/api/v1/jobs/{job}")["state"] == "cancelled"
    running.services.regime.train(name, by="test")
    listed = fits(operations, http.get("/api/v1/models"), "GET", "/api/v1/models")
    assert name in [model["name"] for model in listed["models"]]
    assert http.get(f"/api/v1/models/{name}").json()["name"] == name
    fits(operations, http.get(f"/api/v1/models/{name}/versions"), "GET", "/api/v1/models/{name}/versions")
    _versions_take_turns(http, running, operations, name)
    which = {"regime_type": "2_state"}
    for path in ("", "/history", "/statistics", "/transitions"):
        found = http.get(f"/api/v1/regimes/RT.D{path}", params=which)
        assert found.status_code == 200, found.text
    many = http.post("/api/v1/regimes/current", json={"symbols": ["RT.D", "RT.NONE"], **which}).json()
    assert len(many["results"]) == 2


def _versions_take_turns(http: httpx.Client, running: Running, operations: dict[tuple[str, str], Operation], name: str) -> None:
    """A second version that the gate keeps back, forced into production by an admin and taken out again."""
    _, packet = running.services.model.production(name) or (None, None)
    assert packet is not None
    card = {**running.services.model.card(name)["card"], "gate": {"promoted": False}}
    running.services.model.register(Candidate(name, packet, card, Verdict(False, "too few bars")), "test")
    place, why = f"/api/v1/models/{name}", {"reason": "a trial"}
    assert http.post(f"{place}/promote", json={"version": 2, **why}).json()["code"] == "gate_refused"
    with running.client("train") as trainer:
        assert trainer.post(f"{place}/promote", json={"version": 2, "force": True, **why}).json()["code"] == "forbidden"
    forced = {"json": {"version": 2, "force": True, **why}, "headers": {"idempotency-key": f"force {name}"}}
    serving = [http.post(f"{place}/promote", **forced) for _ in range(2)][1]  # type: ignore[arg-type]
    assert fits(operations, serving, "POST", "/api/v1/models/{name}/promote")["predecessor"] == 1
    assert fits(operations, http.post(f"{place}/rollback", json=why), "POST", "/api/v1/models/{name}/rollback")["version"] == 1
    again = http.post(f"{place}/rollback", json=why)
    assert (again.status_code, again.json()["code"]) == (409, "state_conflict")


def test_jobs_are_listed_run_and_paged(http: httpx.Client, operations: dict[tuple[str, str], Operation]) -> None:
    run = http.post("/api/v1/jobs/upkeep/run")
    fits(operations, run, "POST", "/api/v1/jobs/{job}/run")
    http.post("/api/v1/jobs/upkeep/run", json={"args": {}})
    page = fits(operations, http.get("/api/v1/jobs", params={"limit": 1, "name": "upkeep"}), "GET", "/api/v1/jobs")
    assert len(page["jobs"]) == 1
    assert http.get("/api/v1/jobs", params={"limit": 1, "name": "upkeep", "after": page["next"]}).json()["jobs"] != page["jobs"]


def test_keys_backups_settings_and_audit(http: httpx.Client, running: Running, operations: dict[tuple[str, str], Operation]) -> None:
    made = http.post("/api/v1/admin/keys", json={"name": "desk", "scopes": ["read"], "expires": time.time_ns() + 10**12})
    assert made.status_code == 201, made.text
    row = made.json()
    with httpx.Client(base_url=running.base, headers={"authorization": f"Bearer {row['key']}"}) as desk:
        assert desk.get("/api/v1/series").status_code == 200
        assert row["key"] not in http.get("/api/v1/admin/keys").text
        http.delete(f"/api/v1/admin/keys/{row['id']}").raise_for_status()
        assert desk.get("/api/v1/series").status_code == 401
    assert fits(operations, http.post("/api/v1/admin/backups"), "POST", "/api/v1/admin/backups")["job"]["name"] == "backup"
    taken = running.services.backup.create()
    names = http.get("/api/v1/admin/backups").json()["backups"]
    assert names
    name = str(taken["path"]).rsplit("/", 1)[-1]
    assert http.post("/api/v1/admin/backups/verify", json={"name": name}).status_code == 200
    assert http.post("/api/v1/admin/backups/verify", json={"name": "../rpsd.db"}).status_code == 422
    fits(operations, http.post("/api/v1/admin/backups/prune"), "POST", "/api/v1/admin/backups/prune")
    copied = fits(operations, http.post("/api/v1/admin/snapshots"), "POST", "/api/v1/admin/snapshots")
    assert copied["bytes"] == Path(copied["path"]).stat().st_size
    settings = fits(operations, http.get("/api/v1/admin/config"), "GET", "/api/v1/admin/config")
    assert "server.port" in [row["name"] for row in settings["settings"]]
    assert http.get("/api/v1/admin/audit", params={"limit": 1}).json()["next"]
    assert http.get("/api/v1/admin/audit/verify").json()["intact"] is True


def test_idempotency(http: httpx.Client) -> None:
    headers = {"idempotency-key": "rt-once"}
    body = {"t": ["2024-01-02"], "close": [1.0]}
    first = http.post("/api/v1/series/RT.E/1d/samples", json=body, headers=headers)
    assert http.post("/api/v1/series/RT.E/1d/samples", json=body, headers=headers).json() == first.json()
    other = http.post("/api/v1/series/RT.E/1d/samples", json={**body, "close": [2.0]}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")


def test_every_answer_carries_the_edge(http: httpx.Client) -> None:
    found = http.get("/health", headers={"x-request-id": "my-id.1"})
    assert found.headers["x-request-id"] == "my-id.1"
    assert http.get("/health", headers={"x-request-id": "no spaces"}).headers["x-request-id"] != "no spaces"
    for path in ("/health", "/nowhere", "/api/v1/series", "/openapi.json"):
        headers = http.get(path).headers
        assert headers["server-timing"].startswith("app;dur=")
        assert {"x-rpsd-version", "x-request-id", "x-content-type-options", "content-security-policy"} <= set(headers)


@pytest.mark.parametrize("encoding", ["zstd", "br", "gzip"])
def test_long_answers_follow_accept_encoding(http: httpx.Client, encoding: str) -> None:
    found = http.get("/openapi.json", headers={"accept-encoding": encoding})
    assert found.headers["content-encoding"] == encoding
    assert found.json()["openapi"] == "3.1.0"
    assert "content-encoding" not in http.get("/health", headers={"accept-encoding": encoding}).headers


def test_head_is_a_get_without_a_body(http: httpx.Client) -> None:
    found = http.head("/health")
    assert (found.status_code, found.content) == (200, b"")


def test_hindsight_frames_are_little_endian(http: httpx.Client) -> None:
    body = struct.pack("<8d", *[5.0] * 8)
    found = http.post("/api/v1/denoise", content=body, headers={"content-type": "application/octet-stream"})
    assert found.status_code in (200, 422)
    if found.status_code == 200:
        assert found.content == body


def test_an_idempotency_key_under_another_query_is_another_request(http: httpx.Client) -> None:
    path, head = "/api/v1/series/ONCEQ/1h/samples", {"idempotency-key": "query-1"}
    body = {"t": ["2024-01-01T00:00:00"], "close": [1]}
    assert http.post(path, json=body, headers=head, params={"tz": "UTC"}).json()["inserted"] == 1
    assert http.post(path, json=body, headers=head, params={"tz": "UTC"}).json()["inserted"] == 1
    other = http.post(path, json=body, headers=head, params={"tz": "Asia/Tokyo"})
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
