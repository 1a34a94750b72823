"""Detection through the front door: what each mode says of hindsight, what comes on request, each kind of bad input, and the cache."""

from typing import Any

import httpx
import numpy as np
import pytest

DETECT = "/api/v1/detect-regimes"
SAMPLES = "/api/v1/series/{}/1d/samples"
Bars = tuple[list[int], list[float]]


@pytest.fixture(scope="module")
def asked(running: Any, prices: Bars) -> dict[str, Any]:
    """A question about a stored series of 700 bars with high, low and volume."""
    t, close = prices
    rng = np.random.default_rng(3)
    width = 1 + 0.01 * rng.random(len(close))
    body = {
        "t": t,
        "close": close,
        "high": (close * width).tolist(),
        "low": (close / width).tolist(),
        "volume": (1e6 * rng.random(len(close))).tolist(),
    }
    with running.client() as http:
        assert http.post(SAMPLES.format("DETECT"), json=body).status_code == 200
    return {"ticker": "DETECT", "start_date": t[0], "end_date": t[-1], "regime_type": "2_state"}


def ask(http: httpx.Client, body: dict[str, Any], **changed: Any) -> dict[str, Any]:
    answer = http.post(DETECT, json=body | changed)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


@pytest.mark.parametrize("mode", ["filtered", "walk_forward", "smoothed"])
def test_each_mode_says_what_is_hindsight(http: httpx.Client, asked: dict[str, Any], mode: str) -> None:
    found = ask(http, asked, mode=mode)
    first, last = found["regimes"][0]["t"], found["regimes"][-1]["t"]
    causal = {"filtered": (False, last), "walk_forward": (True, first), "smoothed": (False, None)}
    assert (found["causal"], found["causal_from"]) == causal[mode]
    assert found["model_version"] is None
    assert found["current"]["regime"] == found["regimes"][-1]["regime"]
    for row in found["transition_matrix"]:
        assert sum(row) == pytest.approx(1)


def test_the_forecast_reaches_as_far_as_asked(http: httpx.Client, asked: dict[str, Any]) -> None:
    found = ask(http, asked, ahead=400)
    steps = found["forecast"]
    assert [row["step"] for row in steps] == list(range(1, 401))
    now, matrix = list(found["current"]["probabilities"].values()), np.array(found["transition_matrix"])
    np.testing.assert_allclose(list(steps[2]["probabilities"].values()), now @ np.linalg.matrix_power(matrix, 3), rtol=1e-9)
    np.testing.assert_allclose(list(steps[-1]["probabilities"].values()), found["stationary"], atol=1e-2)
    assert ask(http, asked, ahead=0)["forecast"] == []


@pytest.mark.parametrize("mode", ["filtered", "walk_forward"])
def test_what_pictures_are_drawn_from_comes_on_request(http: httpx.Client, asked: dict[str, Any], prices: Bars, mode: str) -> None:
    names = ["prices", "probabilities", "residuals", "viterbi"]
    assert not set(names) & set(ask(http, asked, mode=mode))
    found = ask(http, asked, mode=mode, include=names)
    rows = len(found["regimes"])
    assert found["prices"]["close"] == prices[1]
    assert found["prices"]["t"][-rows:] == [row["t"] for row in found["regimes"]]
    assert set(found["probabilities"]) == {"Bear", "Bull"}
    likeliest = np.array(list(found["probabilities"].values())).max(axis=0)
    assert likeliest.tolist() == [row["probability"] for row in found["regimes"]]
    residuals = found["residuals"]
    assert len(residuals["values"]) == residuals["n"] == len(found["viterbi"]["states"]) == rows
    assert found["viterbi"]["causal"] is False
    assert len({len(column) for column in residuals["qq"].values()}) == 1
    assert residuals["qq"]["observed"][0] == min(residuals["values"])
    assert abs(residuals["excess_kurtosis"]) < 1
    packed = http.post(DETECT, json=asked | {"mode": mode, "include": names}, headers={"accept": "application/msgpack"})
    assert packed.status_code == 200
    assert packed.headers["content-type"] == "application/msgpack"


def test_the_engine_and_the_columns_are_the_users(http: httpx.Client, asked: dict[str, Any]) -> None:
    plain, other = ask(http, asked, emission="gaussian"), ask(http, asked, engine="hmmlearn", emission="gaussian")
    assert (plain["model"], other["model"]) == ("gaussian_hmm/numba", "gaussian_hmm/hmmlearn")
    assert plain["log_likelihood"] == pytest.approx(other["log_likelihood"], abs=0.5)
    wide = ask(http, asked, columns=["return", "range"])
    assert wide["columns"] == ["return", "range"]
    assert wide["log_likelihood"] != plain["log_likelihood"]


def test_bars_of_the_request_answer_as_stored_ones_do(http: httpx.Client, asked: dict[str, Any], prices: Bars) -> None:
    stored = http.get(SAMPLES.format("DETECT")).json()
    given = {"t": prices[0], "close": prices[1], "columns": {"high": stored["high"], "low": stored["low"]}}
    here = ask(http, asked, ticker="NOT.STORED", observations=given, columns=["return", "range"])
    assert here["regimes"] == ask(http, asked, columns=["return", "range"])["regimes"]
    refused = http.post(DETECT, json=asked | {"observations": {"t": prices[0], "close": prices[1]}, "columns": ["return", "range"]})
    assert (refused.status_code, refused.json()["code"]) == (404, "unknown_column")


def test_the_cache_knows_data_and_settings(http: httpx.Client, prices: Bars) -> None:
    t, close = prices[0], prices[1][::-1]  # data that no other test has asked about
    http.post(SAMPLES.format("CACHED"), json={"t": t, "close": close})
    body = {"ticker": "CACHED", "start_date": t[0], "end_date": t[-1], "regime_type": "2_state"}
    first, again = ask(http, body), ask(http, body)
    assert (first.pop("cache"), again.pop("cache")) == ("miss", "hit")
    del first["processing_time"], again["processing_time"]
    assert first == again
    told = [ask(http, body, **changed)["cache"] for changed in ({"include": ["prices"]}, {"ahead": 3}, {"regime_type": "3_state"})]
    assert told == ["hit", "hit", "miss"]
    assert ask(http, body, emission="gaussian")["cache"] == "miss"
    http.post(SAMPLES.format("CACHED"), json={"t": t[-1:], "close": [close[-1] * 1.01]})  # a revision
    assert ask(http, body)["cache"] == "miss"
    http.post(SAMPLES.format("CACHED"), json={"t": t[-1:], "close": close[-1:]})
    assert ask(http, body)["cache"] == "hit"


def refusals(prices: Bars) -> dict[str, tuple[dict[str, Any], int, str, str]]:
    """Name -> what is changed, status, code, pointer."""
    t, close = prices

    def given(values: list[float], times: list[int] = t) -> dict[str, Any]:
        return {"observations": {"t": times[: len(values)], "close": values}}

    return {
        "unknown ticker": ({"ticker": "NOBODY"}, 404, "unknown_series", ""),
        "malformed ticker": ({"ticker": "no body"}, 422, "bad_symbol", ""),
        "end before start": ({"end_date": t[0] - 1}, 422, "bad_range", "/end_date"),
        "end at start": ({"end_date": t[0]}, 422, "bad_range", "/end_date"),
        "future end": ({"end_date": "2199-01-01"}, 422, "bad_range", "/end_date"),
        "a naive time": ({"end_date": "2024-01-01T00:00:00"}, 422, "bad_time", "/end_date"),
        "too few": ({"end_date": t[40]}, 422, "ok", ""),
        "too few by one": ({"end_date": t[39]}, 422, "too_short", ""),
        "no bars": ({"start_date": "1990-01-01", "end_date": "1991-01-01"}, 422, "too_short", ""),
        "constant": (given([100.0] * 700), 422, "constant_series", ""),
        "zero": (given([*close[:300], 0.0, *close[301:]]), 422, "not_positive", "/observations/300"),
        "negative": (given([*close[:300], -1.0, *close[301:]]), 422, "not_positive", "/observations/300"),
        "stale": (given([*close[:200], *[close[200]] * 500]), 422, "degenerate_fit", ""),
        "regime type": ({"regime_type": "9_state"}, 422, "unknown_regime_type", "/regime_type"),
        "mode": ({"mode": "psychic"}, 422, "invalid_request", "/mode"),
        "refits": ({"mode": "walk_forward", "refit_every": 0}, 422, "invalid_request", "/refit_every"),
        "burn-in": ({"mode": "walk_forward", "end_date": t[250]}, 422, "too_short", ""),
        "engine": ({"engine": "steam"}, 422, "bad_parameter", "/engine"),
        "emission": ({"emission": "cauchy"}, 422, "bad_parameter", "/emission"),
        "columns": ({"columns": ["volume"]}, 422, "invalid_request", "/columns/0"),
        "column": ({"columns": ["return", "value:vix"]}, 404, "unknown_column", ""),
        "include": ({"include": ["winners"]}, 422, "invalid_request", "/include/0"),
        "ahead": ({"ahead": 1001}, 422, "invalid_request", "/ahead"),
        "unknown field": ({"n_states": 3}, 422, "invalid_request", "/n_states"),
        "lengths": ({"observations": {"t": t, "close": close[1:]}}, 422, "invalid_request", "/observations/close"),
        "order": (given(close, t[::-1]), 422, "bad_rows", "/observations/t/1"),
    }


def test_each_bad_input_has_its_code(http: httpx.Client, asked: dict[str, Any], prices: Bars) -> None:
    told, wanted = {}, {}
    for name, (changed, status, code, pointer) in refusals(prices).items():
        answer = http.post(DETECT, json=asked | changed)
        problem = answer.json()
        where = [fault["pointer"] for fault in problem.get("errors", ())]
        told[name] = (answer.status_code, problem.get("code", "ok"), pointer if not pointer or pointer in where else where)
        wanted[name] = (200 if code == "ok" else status, code, pointer)
    assert told == wanted


def test_what_is_only_doubtful_is_answered_with_a_warning(http: httpx.Client, asked: dict[str, Any], prices: Bars) -> None:
    t, close = prices
    split = {"t": t, "close": [*close[:350], *[price / 2 for price in close[350:]]]}
    codes = {row["code"]: row["detail"] for row in ask(http, asked, observations=split)["warnings"]}
    assert "1 moves of 40 % or more" in codes["looks_like_split"]
    holes = {"t": t[:300] + t[340:], "close": close[:300] + close[340:]}
    assert "gaps" in {row["code"] for row in ask(http, asked, observations=holes)["warnings"]}
    clean = {row["code"] for row in ask(http, asked)["warnings"]}
    assert not clean & {"looks_like_split", "gaps"}


def test_a_degenerate_range_is_no_negative_entry_of_the_cache(http: httpx.Client, asked: dict[str, Any]) -> None:
    """A refusal is not remembered: each time it is found anew, and never served as an answer."""
    stale = asked | {"observations": [100.0] * 700}
    assert [http.post(DETECT, json=stale).json()["code"] for _ in range(2)] == ["constant_series"] * 2
