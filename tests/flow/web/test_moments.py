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


def test_trades_of_one_nanosecond_are_kept_in_order_and_paged_whole(http: httpx.Client) -> None:
    base, t = "/api/v1/series/TRADES/tick", 1_700_000_000_000_000_000
    text = f"t,price,sequence\n{t},1.5,11\n{t},1.25,12\n{t},1.0,15\n{t + 1},2,16\n"
    posted = http.post(f"{base}/samples", content=text.encode(), headers={"content-type": "text/csv"})
    assert posted.json()["inserted"] == 4, posted.text
    late = {"t": [t, t], "price": [1.1, 1.0], "sequence": [13, 15]}
    answer = http.post(f"{base}/samples", json=late).json()
    assert (answer["inserted"], answer["unchanged"]) == (1, 1)
    read = http.get(f"{base}/samples", params={"columns": "price", "time": "ns"}).json()
    assert (read["t"], read["price"], read["sequence"]) == ([t] * 4 + [t + 1], [1.5, 1.25, 1.1, 1.0, 2.0], [11.0, 12.0, 13.0, 15.0, 16.0])
    assert http.get(base).json()["rows"] == 5
    page = http.get(f"{base}/samples", params={"limit": 4, "time": "ns"}).json()
    assert (len(page["t"]), page["next"]) == (4, str(t + 1))
    assert len(http.get(f"{base}/samples", params={"start": page["next"], "limit": 4}).json()["t"]) == 1
    torn = http.get(f"{base}/samples", params={"limit": 3})
    assert (torn.status_code, torn.json()["errors"][0]["pointer"]) == (422, "/query/limit")


def test_trades_without_a_sequence_get_their_order(http: httpx.Client) -> None:
    base, t = "/api/v1/series/PLAIN/tick", 1_700_000_000_000_000_000
    told = {"t": [t, t, t + 5], "price": [1.0, 2.0, 3.0]}
    assert http.post(f"{base}/samples", json=told).json()["inserted"] == 3
    assert http.post(f"{base}/samples", json=told).json()["unchanged"] == 3
    assert http.get(f"{base}/samples").json()["sequence"] == [0.0, 1.0, 0.0]
    refused = http.post(f"{base}/samples", json={"t": [t, t, t], "price": [1, 2, 3], "sequence": [2, 1, 1.5]})
    assert refused.status_code == 422
    assert [fault["pointer"] for fault in refused.json()["errors"]] == ["/t/1", "/t/2"]
    bars = http.post("/api/v1/series/PLAIN/1m/samples", json={"t": [t, t], "close": [1, 2], "sequence": [1, 2]})
    assert (bars.status_code, bars.json()["errors"][0]["reason"]) == (422, "row 1: duplicate time")


def test_ticks_are_denoised_by_the_last_trade_of_each_nanosecond(http: httpx.Client) -> None:
    base, t = "/api/v1/series/NOISY/tick", 1_700_000_000_000_000_000
    times = [t + 1_000_000_000 * (i // 2) for i in range(400)]
    told = {"t": times, "price": [100 + (i % 7) * 0.01 for i in range(400)]}
    assert http.post(f"{base}/samples", json=told).json()["inserted"] == 400
    made = http.post(f"{base}/denoise", json={"column": "price", "method": "ema", "save_as": "smooth"})
    assert made.json()["n"] == 200, made.text
    both = http.get(f"{base}/samples", params={"columns": "price,smooth"}).json()
    assert (len(both["smooth"]), both["smooth"][0], both["smooth"][-1]) == (400, made.json()["values"][0], made.json()["values"][-1])
