"""Regimes: detected on demand, trained behind a gate, told live without looking ahead."""

import json

import numpy as np
import pytest

from rpsd.core import instant
from rpsd.core.errors import BadParameter, BadRange, BadSymbol, InvalidRequest, NoModel, TooShort, UnknownModel, UnknownSeries
from rpsd.core.market import DAY_NS, Samples
from tests.unit.services.conftest import daily, two_moods

NAME = "regime:X:1d:2_state"
START, END = instant.parse("2022-01-01"), instant.parse("2024-05-31")


@pytest.fixture
def stocked(services):
    services.series.append("X", "1d", daily(two_moods(700)))
    return services


def extend(services, prices: np.ndarray, first: str) -> None:
    t = instant.parse(first) + np.arange(prices.size, dtype=np.int64) * DAY_NS
    services.series.append("X", "1d", Samples(t, {"close": prices}))


def test_detect_answers_the_contract_and_is_cached(stocked) -> None:
    answer = stocked.regime.detect("x", START, END, regime_type="2_state")
    json.dumps(answer, allow_nan=False)
    assert (answer["ticker"], answer["n_states"], answer["mode"], answer["causal"], answer["cache"]) == ("X", 2, "filtered", False, "miss")
    assert answer["causal_from"] == answer["trained_until"] == "2024-05-31T00:00:00Z"
    assert {"regime", "probabilities", "confidence", "since", "days_in_regime", "expected_remaining"} <= set(answer["current"])
    assert set(answer["regimes"][0]) == {"t", "state", "regime", "probability"}
    assert answer["regimes"][-1]["regime"] == answer["current"]["regime"]
    assert answer["model_version"] is None
    again = stocked.regime.detect("X", START, END, regime_type="2_state")
    assert again["cache"] == "hit"
    drop = ("cache", "processing_time")
    assert {k: v for k, v in again.items() if k not in drop} == {k: v for k, v in answer.items() if k not in drop}


def test_new_data_or_other_settings_miss_the_cache(stocked) -> None:
    stocked.regime.detect("X", START, END, regime_type="2_state")
    assert stocked.regime.detect("X", START, END, regime_type="2_state", mode="smoothed")["cache"] == "miss"
    extend(stocked, np.array([50.0]), "2024-05-31")
    assert stocked.regime.detect("X", START, END, regime_type="2_state")["cache"] == "miss"


def test_the_default_regime_type_comes_from_the_settings(stocked) -> None:
    assert stocked.regime.detect("X", START, END)["regime_type"] == "3_state"


def test_ranges_tickers_and_words_are_checked(stocked, clock) -> None:
    with pytest.raises(BadRange, match="not after"):
        stocked.regime.detect("X", END, END)
    with pytest.raises(BadRange, match="future"):
        stocked.regime.detect("X", START, clock.now_ns + 1)
    with pytest.raises(UnknownSeries):
        stocked.regime.detect("NOPE", START, END)
    with pytest.raises(InvalidRequest):
        stocked.regime.detect("X", START, END, regime_type="9_state")
    with pytest.raises(InvalidRequest):
        stocked.regime.detect("X", START, END, mode="psychic")
    with pytest.raises(TooShort):
        stocked.regime.detect("X", END - 5 * DAY_NS, END)


def test_observations_stand_in_for_the_series(services) -> None:
    samples = daily(two_moods(400))
    given = services.regime.detect("FRESH", START, END, regime_type="2_state", observations=(samples.t, samples.columns["close"]))
    services.series.append("FRESH", "1d", samples)
    stored = services.regime.detect("FRESH", START, END, regime_type="2_state")
    assert stored["regimes"] == given["regimes"]
    bare = services.regime.detect("OTHER", START, END, regime_type="2_state", observations=two_moods(400).tolist())
    assert bare["log_likelihood"] == pytest.approx(given["log_likelihood"])
    with pytest.raises(InvalidRequest):
        services.regime.detect("X", START, END, observations={"t": ["a"], "close": [1]})


def test_training_registers_and_promotes_with_a_reason(stocked) -> None:
    done = stocked.regime.train(NAME, by="me")
    assert (done["version"], done["stage"], done["promoted"]) == (1, "production", True)
    assert "gain" in done["reason"]
    card = stocked.model.card(NAME)
    assert card["promoted_by"] == "me"
    assert card["card"]["evaluation"]["gain"] > 0
    assert card["card"]["window"]["until"] == "2024-05-31T00:00:00Z"
    assert {"params", "seed", "libraries", "data_fingerprint", "states", "gate"} <= set(card["card"])
    assert [row["action"] for row in stocked.access.audit(None, 1)[0]] == ["model.promote"]


def test_an_unchanged_series_is_not_fitted_again(stocked) -> None:
    stocked.regime.train(NAME)
    again = stocked.regime.train(NAME)
    assert (again["version"], again["promoted"]) == (1, False)
    assert "nothing has changed" in again["reason"]
    extend(stocked, two_moods(3)[1:], "2024-06-01")
    assert stocked.regime.train(NAME)["version"] == 2


def test_noise_and_short_series_stay_behind_the_gate(services) -> None:
    rng = np.random.default_rng(0)
    services.series.append("X", "1d", daily(100 * np.exp(np.cumsum(rng.normal(0, 0.01, 200)))))
    done = services.regime.train(NAME)
    assert (done["stage"], done["promoted"]) == ("candidate", False)
    assert "min_observations" in done["reason"]
    with pytest.raises(NoModel) as caught:
        services.regime.current("X", "1d", "2_state")
    assert "not promoted" in caught.value.detail
    assert f"/api/v1/models/{NAME}/retrain" in caught.value.advice


def test_an_open_bar_is_neither_trained_on_nor_served(stocked, clock) -> None:
    extend(stocked, two_moods(703)[700:], "2024-06-01")  # the third opens on the day that the clock shows
    assert stocked.regime.train(NAME)["trained_until"] == "2024-06-02T00:00:00Z"
    assert stocked.regime.current("X", "1d", "2_state")["t"] == "2024-06-02T00:00:00Z"
    clock.now_ns += DAY_NS
    assert stocked.regime.current("X", "1d", "2_state")["t"] == "2024-06-03T00:00:00Z"


def test_live_steps_equal_one_filter_over_all_bars(stocked, clock) -> None:
    """The filter moved bar by bar says what a filter over the whole stretch says."""
    from rpsd.regime import hmm

    stocked.regime.train(NAME)
    _, packet = stocked.model.production(NAME)
    prices = two_moods(740)[700:] * 0.9
    for day in range(prices.size):
        extend(stocked, prices[day : day + 1], instant.text(instant.parse("2024-06-01") + day * DAY_NS))
        clock.now_ns = instant.parse("2024-06-02") + day * DAY_NS
        now = stocked.regime.current("X", "1d", "2_state")
    assert now["in_sample"] is False
    x = 100 * np.diff(np.log(np.concatenate([[packet.head["last_price"]], prices])))
    alpha, _ = hmm.filter_from(packet, hmm.ahead(packet, packet.arrays["alpha"]), x)
    assert list(now["current"]["probabilities"].values()) == pytest.approx(alpha[-1].tolist(), abs=1e-12)
    path = alpha.argmax(axis=1)
    run = int(np.argmax(path[::-1] != path[-1])) if (path != path[-1]).any() else None
    if run is not None:
        assert now["current"]["bars_in_regime"] == run


def test_history_keeps_live_rows_as_they_were_served(stocked, clock) -> None:
    stocked.regime.train(NAME)
    extend(stocked, np.array([60.0, 61.0, 59.0]), "2024-06-01")
    clock.now_ns = instant.parse("2024-06-05")
    whole = stocked.regime.history("X", "1d", "2_state")
    before = whole["regimes"]
    assert whole["causal"] is False  # the parameters have seen what came after the in-sample rows
    assert [row["in_sample"] for row in before[-4:]] == [True, False, False, False]
    assert before[-1]["model_version"] == 1
    extend(stocked, np.array([10.0, 300.0, 59.0]), "2024-06-01")  # a revision does not repaint
    after = stocked.regime.history("X", "1d", "2_state")["regimes"]
    assert after[-3:] == before[-3:]
    page = stocked.regime.history("X", "1d", "2_state", start_ns=instant.parse("2024-06-01"), limit=2)
    assert [row["t"] for row in page["regimes"]] == ["2024-06-01T00:00:00Z", "2024-06-02T00:00:00Z"]
    assert page["next"] == "2024-06-03T00:00:00Z"
    assert page["causal"] is True
    with pytest.raises(BadRange):
        stocked.regime.history("X", "1d", "2_state", start_ns=2, end_ns=1)


def test_old_models_ask_for_a_retrain_once_and_say_that_they_are_stale(stocked, clock) -> None:
    stocked.regime.train(NAME)
    clock.now_ns += 40 * DAY_NS
    stocked.regime.current("X", "1d", "2_state")
    assert stocked.job.page()[0] == []  # no new bars: nothing to learn
    extend(stocked, np.array([60.0]), "2024-06-10")
    for _ in range(3):
        answer = stocked.regime.current("X", "1d", "2_state")
    assert [(job["name"], job["args"]) for job in stocked.job.page()[0]] == [("retrain", {"model": NAME})]
    assert "stale_model" in {warning["code"] for warning in answer["warnings"]}
    stocked.health.refresh()
    assert stocked.health.basic()["status"] == "degraded"


def test_statistics_transitions_and_many(stocked) -> None:
    stocked.regime.train(NAME)
    statistics = stocked.regime.statistics("X", "1d", "2_state")
    assert [row["label"] for row in statistics["states"]] == ["Bear", "Bull"]
    transitions = stocked.regime.transitions("X", "1d", "2_state", steps=400)
    assert len(transitions["forecast"]) == 400
    assert list(transitions["forecast"][-1]["probabilities"].values()) == pytest.approx(transitions["stationary"], abs=1e-3)
    many = stocked.regime.current_many(["X", "NOPE", "not ok"], "1d", "2_state")["results"]
    assert many[0]["current"]["regime"] in ("Bear", "Bull")
    assert [row["error"]["code"] for row in many[1:]] == ["unknown_series", "bad_symbol"]
    json.dumps([statistics, transitions, many], allow_nan=False)


def test_what_the_nightly_job_may_train(stocked) -> None:
    stocked.series.append("SHORT", "1d", daily(two_moods(100)))
    assert stocked.regime.models_to_train() == ["regime:X:1d:3_state"]
    stocked.regime.train(NAME)  # of a type of its own: it serves, so it is kept young
    assert stocked.regime.models_to_train() == ["regime:X:1d:3_state", NAME]


@pytest.mark.parametrize("name", ["", "regime", "book:X:next", "regime:X:1d:9_state", "regime:X:2d:2_state", "regime:x y:1d:2_state"])
def test_names_that_are_none(services, name: str) -> None:
    with pytest.raises(UnknownModel):
        services.regime.train(name)


def test_a_fault_of_a_detection_points_at_its_own_field(stocked) -> None:
    with pytest.raises(BadSymbol) as refused:
        stocked.regime.detect("a b", START, END)
    assert [fault.pointer for fault in refused.value.errors] == ["/ticker"]
    with pytest.raises(BadParameter, match="expected one of numba") as refused:
        stocked.regime.detect("X", START, END, engine="magic")
    assert "errors" in str(refused.value.advice)
