"""POST /api/v1/denoise/compare over real HTTP."""

from typing import Any

import httpx
import msgspec
import numpy as np
import pytest

from rpsd.web.denoise_compare import CompareAnswer

PATH = "/api/v1/denoise/compare"
TWO = [{"label": "back"}, {"label": "live", "method": "kalman", "causality": "causal"}]


def noisy(n: int = 400) -> list[float]:
    rng = np.random.default_rng(2)
    return (100 + 0.1 * np.cumsum(rng.normal(size=n)) + 0.3 * rng.normal(size=n)).tolist()


def test_values_of_the_request(http: httpx.Client) -> None:
    answer = http.post(PATH, json={"values": noisy(), "configurations": TWO, "endpoints": 10})
    assert answer.status_code == 200, answer.text
    found = msgspec.json.decode(answer.content, type=CompareAnswer)
    back, live = found.configurations
    assert (back.causal, live.causal, len(found.endpoints)) == (False, True, 10)
    assert [row for row, value in enumerate(back.causal_values) if value is not None] == found.endpoints
    assert live.causal_values == live.hindsight
    assert live.endpoint_revision == 0.0 < back.endpoint_revision


def test_a_stored_series(http: httpx.Client, prices: tuple[list[int], list[float]]) -> None:
    t, close = prices
    http.post("/api/v1/series/CMP/1d/samples", json={"t": t, "close": close})
    body = {"series": {"symbol": "CMP", "interval": "1d", "start": t[100], "end": t[499]}, "configurations": TWO}
    assert http.post(PATH, json=body).json()["n"] == 400
    assert http.post(PATH, json={**body, "series": {"symbol": "NONE", "interval": "1d"}}).status_code == 404


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"configurations": TWO[:1]}, "/configurations"),
        ({"configurations": [{}] * 9}, "/configurations"),
        ({"configurations": [TWO[0], TWO[0]]}, "/configurations/1/label"),
        ({"configurations": [TWO[0], {"method": "magic"}]}, "/configurations/1/method"),
        ({"configurations": [TWO[0], {"colour": "red"}]}, "/configurations/1/colour"),
        ({"configurations": [TWO[0], {"method": "ema", "params": {"span": 0}}]}, "/configurations/1/params/span"),
        ({"endpoints": 100_000}, "/endpoints"),
        ({"values": []}, "/values"),
        ({"values": None}, "/values"),
        ({"series": {"symbol": "CMP", "interval": "1d"}}, "/values"),
        ({"t": [1]}, "/t"),
    ],
)
def test_refusals(http: httpx.Client, change: dict[str, Any], pointer: str) -> None:
    answer = http.post(PATH, json={"values": noisy(64), "configurations": TWO} | change)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
