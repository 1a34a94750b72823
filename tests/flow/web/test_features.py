"""Features through the front door: the catalogue, views, materialising, vectors and frames in every format."""

import json
import re
import time
from typing import Any

import httpx
import pytest

from rpsd.jobs import JOBS
from rpsd.jobs.runner import Scheduler
from tests.flow.web.conftest import Running
from tests.unit.services.feature.feature_bars import FIRST, bars

CORE = "/api/v1/feature-views/core_technical"
DAY = 86_400_000_000_000


def post(http: httpx.Client, symbol: str, start: int, stop: int) -> None:
    given = bars(start, stop)
    body = {"t": given.t.tolist(), **{name: values.tolist() for name, values in given.columns.items()}}
    assert http.post(f"/api/v1/series/{symbol}/1d/samples", json=body).status_code == 200


def told(answer: httpx.Response, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()


def test_the_catalogue_pages(http: httpx.Client) -> None:
    found = told(http.get("/api/v1/features"))
    names = [one["name"] for one in found["features"]]
    assert {"sma_20", "macd", "drawdown"} <= set(names)
    assert all(one["causal"] and one["source"] for one in found["features"])
    first = told(http.get("/api/v1/features?limit=3"))
    assert [one["name"] for one in first["features"]] == names[:3]
    rest = told(http.get("/api/v1/features", params={"after": first["next"], "limit": 1000}))
    assert [one["name"] for one in rest["features"]] == names[3:]
    assert rest["next"] is None
    assert told(http.get("/api/v1/features?after=none"), 422)["code"] == "unknown_feature"


def test_views_are_registered_once_and_never_changed(http: httpx.Client) -> None:
    assert [one["version"] for one in told(http.get(CORE))["versions"]] == [2, 1]
    body = {"name": "flow_mine", "features": ["sma_37", {"name": "gap", "transform": "ratio", "of": "close", "by": "sma_37"}]}
    one = told(http.post("/api/v1/feature-views", json=body))
    assert (one["version"], one["features"], one["inputs"]) == (1, ["sma_37", "gap"], ["close"])
    assert told(http.post("/api/v1/feature-views", json=body)) == one
    over = told(http.post("/api/v1/feature-views", json={"name": "flow_mine", "features": ["sma_3"], "views": ["core_technical"]}))
    assert over["version"] == 2
    assert over["definition"]["views"] == ["core_technical@2"]
    assert "core_technical.rsi_14" in over["features"]
    assert "flow_mine" in [view["name"] for view in told(http.get("/api/v1/feature-views"))["views"]]


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({"name": "flow_bad", "features": ["sma_37", "nonsense_3"]}, "unknown_feature", "/features/1"),
        ({"name": "flow_bad", "features": ["sma_9999"]}, "unknown_feature", "/features/0"),
        ({"name": "flow_bad", "views": ["flow_bad"]}, "bad_view", "/views/0"),
        ({"name": "flow_bad", "features": []}, "bad_view", "/features"),
        ({"name": "Bad", "features": ["sma_3"]}, "bad_view", "/name"),
        ({"name": "core_technical", "features": ["sma_3"]}, "bad_view", "/name"),
        ({"name": "flow_bad", "features": [{"name": "t", "transform": "lag", "of": "close", "window": 2}]}, "bad_view", "/features"),
        (
            {
                "name": "flow_bad",
                "features": [
                    {"name": "a", "transform": "lag", "of": "b", "window": 1},
                    {"name": "b", "transform": "lag", "of": "a", "window": 1},
                ],
            },
            "bad_view",
            "/features/",
        ),
    ],
)
def test_bad_views_name_the_place(http: httpx.Client, body: dict[str, Any], code: str, pointer: str) -> None:
    problem = told(http.post("/api/v1/feature-views", json=body), 422)
    assert problem["code"] == code
    assert any(fault["pointer"].startswith(pointer) for fault in problem["errors"])


def test_materialise_vector_and_frame(running: Running, http: httpx.Client) -> None:
    post(http, "FLOWF", 0, 300)
    scheduler = Scheduler(running.services, tuple(job for job in JOBS if job.name == "materialise"))
    answered = http.post(f"{CORE}/materialize", json={"entities": ["FLOWF:1d"]}, headers={"idempotency-key": "flow-f"})
    run = told(answered, 202)["job"]
    assert answered.headers["location"] == f"/api/v1/jobs/{run['id']}"
    again = http.post(f"{CORE}/materialize", json={"entities": ["FLOWF:1d"]}, headers={"idempotency-key": "flow-f"})
    assert told(again, 202)["job"]["id"] == run["id"]
    try:
        until = time.monotonic() + 60
        while run["state"] in ("queued", "running") and time.monotonic() < until:
            scheduler.tick(time.time_ns())
            time.sleep(0.05)
            run = told(http.get(f"/api/v1/jobs/{run['id']}"))
    finally:
        scheduler.stop()
        running.services.job.arguments, running.services.job.offered = {}, {}  # other tests ask for other jobs
    assert run["state"] == "succeeded", run
    assert set(run["result"]["views"]) == {"core_technical"}
    listed = told(http.get(f"{CORE}/entities?limit=1000"))["entities"]
    assert [(one["version"], one["rows"], one["waits"]) for one in listed if one["entity"] == "FLOWF:1d"] == [(2, 300, False)]

    vector = told(http.get(f"{CORE}/vector", params={"entity": "FLOWF"}))
    frame = told(http.get(f"{CORE}/frame", params={"entity": "FLOWF", "start": "2023-10-01"}))
    assert frame["reading"] == "as_known"
    assert frame["t"][-1] == vector["event_time"]
    assert {name: values[-1] for name, values in frame["features"].items()} == vector["features"]
    assert vector["graph"] == frame["graph"]
    assert re.search(r"^rpsd_feature_quality_score (0\.\d*[1-9]|1\.0)", http.get("/metrics").text, re.M)
    then = told(http.get(f"{CORE}/vector", params={"entity": "FLOWF", "as_of": "2023-06-01"}))
    assert then["event_time"] == "2023-05-31T00:00:00Z"


def test_a_frame_in_every_format_and_in_pages(http: httpx.Client) -> None:
    post(http, "FLOWG", 0, 120)
    asked = {"entity": "FLOWG:1d", "limit": 50}
    whole = told(http.get(f"{CORE}/frame", params={"entity": "FLOWG"}))
    pages, start = [], None
    while True:
        page = told(http.get(f"{CORE}/frame", params=asked | ({"start": start} if start else {})))
        pages += page["t"]
        if (start := page["next"]) is None:
            break
    assert pages == whole["t"]
    lines = http.get(f"{CORE}/frame", params=asked, headers={"accept": "text/csv"})
    assert lines.headers["rpsd-next"] == "2023-02-20T00:00:00Z"
    rows = lines.text.splitlines()
    assert rows[0].startswith("t,known_at,sma_5,")
    assert rows[20].split(",")[4] == repr(whole["features"]["sma_20"][19])
    objects = [
        json.loads(line) for line in http.get(f"{CORE}/frame", params=asked, headers={"accept": "application/x-ndjson"}).text.splitlines()
    ]
    assert [one["sma_20"] for one in objects] == whole["features"]["sma_20"][:50]
    assert http.get(f"{CORE}/frame", params=asked | {"time": "ns"}).json()["t"][0] == FIRST


def test_a_join_over_http(http: httpx.Client) -> None:
    post(http, "FLOWH", 0, 60)
    pairs = [["FLOWH:1d", FIRST + 40 * DAY], ["FLOWH", "2023-01-01"]]
    joined = told(http.post(f"{CORE}/frame", json={"pairs": pairs}))
    assert joined["event_time"] == ["2023-02-09T00:00:00Z", None]
    assert joined["features"]["sma_5"][1] is None
    text = http.post(f"{CORE}/frame", json={"pairs": pairs}, headers={"accept": "text/csv"}).text.splitlines()
    assert text[2].startswith("FLOWH,2023-01-01T00:00:00Z,,,,")


def test_refusals(running: Running, http: httpx.Client) -> None:
    post(http, "FLOWR", 0, 30)
    http.post("/api/v1/series/FLOWN/1d/samples", json={"t": [FIRST], "high": [1.0], "low": [0.5]})

    def problem(path: str, status: int, **params: str) -> dict[str, Any]:
        found = told(http.get(path, params=params), status)
        assert isinstance(found, dict)
        return found

    assert problem(f"{CORE}/vector", 422, entity="FLOWR", as_of="2199-01-01")["code"] == "bad_time"
    assert problem(f"{CORE}/frame", 422, entity="FLOWR", as_of="2199-01-01")["errors"][0]["pointer"] == "/query/as_of"
    assert problem(f"{CORE}/vector", 409, entity="FLOWR", expect="f" * 64)["code"] == "feature_graph_changed"
    assert problem(f"{CORE}/frame", 409, entity="FLOWR", expect="f" * 64)["code"] == "feature_graph_changed"
    lacking = problem(f"{CORE}/vector", 422, entity="FLOWN")
    assert lacking["code"] == "bad_view"
    assert {"/features/sma_20", "/features/rsi_14"} == {fault["pointer"] for fault in lacking["errors"]}
    assert problem(f"{CORE}/vector", 404, entity="FLOWNONE")["code"] == "unknown_series"
    assert problem("/api/v1/feature-views/none", 404)["code"] == "unknown_view"
    assert problem("/api/v1/feature-views/core_technical@9/vector", 404, entity="FLOWR")["code"] == "unknown_view"
    assert problem(f"{CORE}/vector", 422, entity="FLOWR:3d")["code"] == "bad_symbol"
    assert told(http.post(f"{CORE}/materialize", json={"entities": ["FLOWNONE"]}), 404)["code"] == "unknown_series"
    with running.client("read") as reader:
        assert reader.post("/api/v1/feature-views", json={"name": "x", "features": ["sma_3"]}).status_code == 403
        assert reader.post(f"{CORE}/frame", json={"pairs": [["FLOWR", FIRST]]}).status_code == 200
