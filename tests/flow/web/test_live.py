"""Live columns over HTTP: declared, computed with each post, read in every form, ended; and what is refused."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

Running = Any
BASE = "/api/v1/series/LIVELY/1m"
MINUTE = 60 * 10**9


def prices(n: int) -> list[float]:
    return (100.0 + np.cumsum(np.random.default_rng(3).normal(0.0, 0.1, n))).tolist()


def post(http: httpx.Client, first: int, values: list[float | None], base: str = BASE, **more: Any) -> dict[str, Any]:
    body = {"t": [(first + k) * MINUTE for k in range(len(values))], "close": values, **more}
    answer = http.post(f"{base}/samples", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture
def lively(http: httpx.Client) -> Any:
    post(http, 0, prices(300)[:200])
    yield
    http.delete(BASE)


def test_a_live_column_from_declaration_to_end(http: httpx.Client, lively: None) -> None:
    values = prices(300)
    told = http.put(f"{BASE}/live", json={"denoise": [{"column": "close", "method": "ema", "params": {"span": 5}, "as": "smooth"}]})
    assert told.status_code == 200, told.text
    [column] = told.json()["denoise"]
    assert (column["as"], column["rows"], column["behind"], column["params"]["span"]) == ("smooth", 200, 0, 5.0)
    for first in (200, 201, 250):
        post(http, first, values[first : {200: 201, 201: 250, 250: 300}[first]])
    found = http.get(f"{BASE}/samples?columns=close,smooth&limit=1000").json()
    once = http.post(f"{BASE}/denoise", json={"column": "close", "method": "ema", "params": {"span": 5}, "causality": "causal"}).json()
    assert found["smooth"] == once["values"]
    assert "available_at" not in found
    listed = http.get(BASE).json()["derived"]
    assert [(one["name"], one["kind"], one["method"]) for one in listed] == [("smooth", "denoise_live", "ema")]
    shown = http.get(f"{BASE}/live").json()
    assert shown["denoise"][0]["last"] == shown["last"]
    assert http.delete(f"{BASE}/live").json() == {"ended": ["smooth"]}
    assert http.get(f"{BASE}/samples?columns=smooth").status_code == 404
    assert http.get(BASE).json()["rows"] == 300


def test_late_revised_and_missing_rows(http: httpx.Client, lively: None) -> None:
    values: list[float | None] = [*prices(300)]
    http.put(f"{BASE}/live", json={"denoise": [{"column": "close", "method": "ema", "as": "smooth"}]})
    post(http, 201, [values[201], None, *values[203:300]], volume=[1.0] * 99)
    values[202] = None
    assert post(http, 200, [values[200]])["inserted"] == 1  # late
    values[20] = 1000.0
    assert post(http, 20, [1000.0])["updated"] == 1
    assert post(http, 20, [1000.0])["unchanged"] == 1
    found = http.get(f"{BASE}/samples?columns=smooth").json()["smooth"]
    once = {"values": values, "t": [k * MINUTE for k in range(300)], "method": "ema", "causality": "causal", "fill": "bridge"}
    assert found == http.post("/api/v1/denoise", json=once).json()["values"]
    [column] = http.get(f"{BASE}/live").json()["denoise"]
    assert (column["replays"], column["last_replay"]["samples"]) == (2, 300)


def test_a_lag_shows_available_at_in_every_form(http: httpx.Client, lively: None) -> None:
    told = http.put(f"{BASE}/live", json={"denoise": [{"column": "close", "lag": 3, "as": "late"}]})
    assert (told.json()["denoise"][0]["lag"], told.json()["denoise"][0]["causal"]) == (3, False)
    url = f"{BASE}/samples?columns=late&time=ns"
    plain = http.get(url).json()
    assert len(plain["t"]) == 197
    assert plain["available_at"] == [t + 4 * MINUTE for t in plain["t"]]  # three samples later, at the close of its bar
    rows = list(csv.DictReader(io.StringIO(http.get(url, headers={"accept": "text/csv"}).text)))
    assert [int(row["available_at"]) for row in rows] == plain["available_at"]
    lines = http.get(url, headers={"accept": "application/x-ndjson"}).text.splitlines()
    assert [json.loads(line)["available_at"] for line in lines] == plain["available_at"]
    iso = http.get(f"{BASE}/samples?columns=close,late").json()
    assert all(moment.endswith("Z") for moment in iso["available_at"])
    assert iso["late"][197:] == [None] * 3
    assert http.get(f"{BASE}/samples?columns=late&as_of=2024-01-01").json()["code"] == "invalid_request"


@pytest.mark.parametrize(
    ("body", "status", "code", "pointer"),
    [
        ({"denoise": [{"column": "close", "method": "wavelet"}]}, 422, "unknown_method", "/denoise/0/method"),
        ({"denoise": [{"column": "close", "method": "savgol"}]}, 422, "unknown_method", "/denoise/0/method"),
        ({"denoise": [{"column": "nosuch", "method": "ema"}]}, 404, "unknown_column", "/denoise/0/column"),
        ({"denoise": [{"column": "close", "method": "ema", "params": {"span": -1}}]}, 422, "bad_parameter", "/denoise/0/params/span"),
        ({"denoise": [{"column": "close", "method": "ema", "lag": 3}]}, 422, "bad_parameter", "/denoise/0/lag"),
        ({"denoise": [{"column": "close", "lag": 0}]}, 422, "invalid_request", "/denoise/0/lag"),
        ({"denoise": [{"column": "close", "scale": "return"}]}, 422, "invalid_request", "/denoise/0/scale"),
        ({"denoise": [{"column": "close", "as": "close"}]}, 422, "invalid_request", "/denoise/0/as"),
        ({"denoise": [{"method": "ema"}]}, 422, "invalid_request", "/denoise/0/column"),
        ({"denoise": [{"column": "close", "speed": 1}]}, 422, "invalid_request", "/denoise/0/speed"),
        ({"denoise": 5}, 422, "invalid_request", "/denoise"),
        ({"denoise": [], "regime": True}, 404, "no_model", "/regime"),
    ],
)
def test_what_is_refused(http: httpx.Client, lively: None, body: Any, status: int, code: str, pointer: str) -> None:
    answer = http.put(f"{BASE}/live", json=body)
    problem = answer.json()
    assert (answer.status_code, problem["code"], [fault["pointer"] for fault in problem["errors"]]) == (status, code, [pointer])
    assert problem["hint"]
    assert http.get(f"{BASE}/live").json()["denoise"] == []


def test_an_unknown_series_has_nothing_live(http: httpx.Client) -> None:
    for answer in (http.put("/api/v1/series/NONE/1m/live", json={}), http.get("/api/v1/series/NONE/1m/live")):
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_series")
    assert http.delete("/api/v1/series/NONE/1m/live").status_code == 404


def test_scopes(running: Running, lively: None) -> None:
    for scope, statuses in {"read": (403, 200, 403), "train": (200, 403, 200)}.items():
        with running.client(scope) as http:
            asked = (http.put(f"{BASE}/live", json={}), http.get(f"{BASE}/live"), http.delete(f"{BASE}/live"))
            assert tuple(answer.status_code for answer in asked) == statuses, scope


def test_live_columns_survive_backup_and_restore(running: Running, http: httpx.Client, lively: None, tmp_path: Any) -> None:
    """What a backup holds goes on bit for bit: a restored copy takes the next rows as the original does."""
    from rpsd.config import read
    from rpsd.core.market import Samples
    from rpsd.services.backup import restore
    from rpsd.services.wiring import open_services

    http.put(f"{BASE}/live", json={"denoise": [{"column": "close", "method": "ema", "as": "smooth"}]})
    made = running.services.backup.create()
    more = prices(300)[200:]
    post(http, 200, more)
    settings = read(environ={"RPSD_DATA_DIR": str(tmp_path / "d"), "RPSD_STORAGE__MIN_FREE_BYTES": "0"})
    restore.restore(settings, Path(made["path"]))
    with open_services(settings, worker=False) as services:
        t = (200 + np.arange(100, dtype=np.int64)) * MINUTE
        services.series.append("LIVELY", "1m", Samples(t, {"close": np.array(more)}))
        found = services.series.read("LIVELY", "1m", columns=["smooth"]).columns["smooth"].tolist()
    assert found == http.get(f"{BASE}/samples?columns=smooth").json()["smooth"]
