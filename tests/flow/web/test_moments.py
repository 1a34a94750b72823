"""Over HTTP: what was known when, and what was computed from a series and kept."""

from typing import Any

import httpx

BASE = "/api/v1/series/MOMENTS/1d"


def closes(http: httpx.Client, as_of: str | None = None) -> list[Any]:
    asked = {"as_of": as_of} if as_of else {}
    answer = http.get(f"{BASE}/samples", params=asked)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["close"])


def test_a_series_is_read_as_it_was_known(http: httpx.Client) -> None:
    told = {"t": ["2024-01-02", "2024-01-03"], "close": [1.0, 2.0], "known_at": ["2024-01-03T09:00:00Z", "2024-02-01T00:00:00Z"]}
    assert http.post(f"{BASE}/samples", json=told).json()["inserted"] == 2
    assert closes(http) == [1.0, 2.0]
    assert closes(http, "2024-01-03T08:59:59Z") == []
    assert closes(http, "2024-01-03T09:00:00Z") == [1.0]
    assert closes(http, "2024-02-01T00:00:00Z") == [1.0, 2.0]
    assert http.post(f"{BASE}/samples", json={"t": ["2024-01-02"], "close": [9.0]}).json()["updated"] == 1
    assert closes(http) == [9.0, 2.0]
    assert closes(http, "2024-03-01T00:00:00Z") == [1.0, 2.0]  # the revision is known from now on, not from then


def test_a_saved_column_is_listed_and_read(http: httpx.Client, prices: tuple[list[int], list[float]]) -> None:
    t, close = prices
    base = "/api/v1/series/KEPT/1d"
    assert http.post(f"{base}/samples", json={"t": t, "close": close}).status_code == 200
    made = http.post(f"{base}/denoise", json={"method": "ema", "save_as": "smooth"}).json()
    read = http.get(f"{base}/samples", params={"columns": "close,smooth", "limit": 1000}).json()
    assert read["smooth"] == made["values"]
    assert read["close"] == close
    text = http.get(f"{base}/samples", params={"columns": "smooth"}, headers={"accept": "text/csv"}).text
    assert text.splitlines()[0] == "t,smooth"
    (derived,) = http.get(base).json()["derived"]
    assert (derived["name"], derived["method"], derived["causal"]) == ("smooth", "ema", True)
    refused = http.get(f"{base}/samples", params={"columns": "smooth", "as_of": "2024-01-01"})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/as_of")


def test_detailed_health_names_every_part(http: httpx.Client) -> None:
    detailed = http.get("/health/detailed").json()
    assert {"database", "scheduler", "worker", "models", "cache"} <= set(detailed["services"])
    assert detailed["services"]["cache"]["limit"] == 1000
    assert set(detailed["system"]) == {"cpu_usage", "memory_usage", "disk_usage"}
    assert set(detailed["denoiser"]) == {"requests_per_minute", "average_processing_time", "error_rate"}
