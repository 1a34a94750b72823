"""Detect and train: what the answers hold, what is hindsight in them, and what is refused."""

import json
from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np
import pytest

from rpsd.core.errors import DegenerateFit, InvalidRequest, RpsdError, TooShort
from rpsd.core.market import DAY_NS
from rpsd.core.model import Packet
from rpsd.core.parameters import HmmParameters
from rpsd.core.regime import MODES, REGIME_TYPES
from rpsd.regime import hmm
from rpsd.regime.observe import next_return
from rpsd.regime.run import detect
from rpsd.regime.train import train

PARAMS = HmmParameters()


def ask(data: Any, **changed: Any) -> Packet:
    asked = {"regime_type": "3_state", "mode": "filtered", "params": PARAMS, "interval": "1d", "seed": 0} | changed
    n = asked.pop("n", data.prices.size)
    return detect(data.prices[:n], data.t[:n], **asked)


def codes(packet: Packet) -> set[str]:
    return {warning["code"] for warning in packet.head["warnings"]}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("regime_type", REGIME_TYPES)
def test_the_answer_is_whole(three: Any, regime_type: str, mode: str) -> None:
    found = ask(three, regime_type=regime_type, mode=mode)
    head, arrays = found.head, found.arrays
    k, m = head["n_states"], arrays["t"].size
    assert regime_type == "auto" or REGIME_TYPES[regime_type] == k
    assert arrays["probabilities"].shape == (m, k)
    np.testing.assert_allclose(arrays["probabilities"].sum(axis=1), 1.0)
    assert np.array_equal(arrays["states"], arrays["probabilities"].argmax(axis=1))
    assert arrays["transition_matrix"].shape == (k, k)
    np.testing.assert_allclose(arrays["stationary"] @ arrays["transition_matrix"], arrays["stationary"], atol=1e-9)
    assert [state["label"] for state in head["states"]] == head["labels"]
    assert sum(state["occupancy"] for state in head["states"]) == pytest.approx(1.0)
    json.dumps(head, allow_nan=False)
    assert Packet.unpack(found.pack()).head == json.loads(json.dumps(dict(head)))


def test_the_current_regime_is_that_of_the_last_row(three: Any) -> None:
    found = ask(three)
    now, states, arrays = found.head["current"], found.arrays["states"], found.arrays
    since = int(np.searchsorted(arrays["t"], now["since_ns"]))
    assert now["regime"] == found.head["labels"][states[-1]]
    assert (states[since:] == states[-1]).all()
    assert since == 0 or states[since - 1] != states[-1]
    assert now["days_in_regime"] == now["bars_in_regime"] == states.size - since
    assert now["confidence"] == found.arrays["probabilities"][-1].max() == now["probabilities"][now["regime"]]
    assert now["leaving"]["1"] == pytest.approx(1 / now["expected_remaining"])


def test_hindsight_is_named(three: Any) -> None:
    end = int(three.t[-1])
    told = {mode: [ask(three, mode=mode).head[key] for key in ("causal", "causal_from_ns", "trained_until_ns")] for mode in MODES}
    assert told["filtered"] == [False, end, end]
    assert told["smoothed"] == [False, None, end]
    causal, causal_from, trained_until = told["walk_forward"]
    assert causal
    assert causal_from == three.t[251]  # the first bar after the burn-in of 250 returns
    assert trained_until < end


@pytest.mark.parametrize("regime_type", ["2_state", "3_state", "auto"])
def test_walk_forward_is_the_same_whatever_follows(three: Any, regime_type: str) -> None:
    whole = ask(three, mode="walk_forward", regime_type=regime_type)
    for n in (252, 400, 701, 1000):
        prefix = ask(three, mode="walk_forward", regime_type=regime_type, n=n)
        m = prefix.arrays["t"].size
        assert m == n - 251
        assert np.array_equal(prefix.arrays["probabilities"], whole.arrays["probabilities"][:m])


def test_filtered_does_change_with_what_follows(three: Any) -> None:
    """The failing control: parameters of the whole range know the future, which is why `filtered` says causal false."""
    whole, prefix = ask(three), ask(three, n=700)
    assert not np.array_equal(prefix.arrays["probabilities"], whole.arrays["probabilities"][:699])


def test_walk_forward_refits_as_often_as_asked(three: Any) -> None:
    rare = ask(three, mode="walk_forward", refit_every=500)
    assert rare.head["trained_until_ns"] == three.t[750]
    with pytest.raises(InvalidRequest):
        ask(three, mode="walk_forward", refit_every=0)
    with pytest.raises(TooShort, match="burn-in of 250"):
        ask(three, mode="walk_forward", n=251)


@pytest.mark.parametrize(("field", "value"), [("regime_type", "6_state"), ("regime_type", ""), ("mode", "clairvoyant")])
def test_unknown_words_are_refused_with_their_pointer(three: Any, field: str, value: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        ask(three, **{field: value})
    assert caught.value.errors[0].pointer == f"/{field}"


def test_a_collapsed_fit_never_leaves_the_room(three: Any) -> None:
    stale = three.prices.copy()
    stale[300:700] = stale[300]
    with pytest.raises(DegenerateFit, match="variance floor"):
        detect(stale, three.t, regime_type="2_state", mode="filtered", params=PARAMS, interval="1d", seed=0)
    with pytest.raises(DegenerateFit):
        train(stale, three.t, regime_type="2_state", interval="1d", params=PARAMS, seed=0)


def test_doubts_are_told(one: Any, three: Any) -> None:
    assert {"regimes_doubtful", "label_confidence_low"} <= codes(ask(one))
    assert "regimes_doubtful" not in codes(ask(three))
    assert "not_converged" in codes(ask(three, params=replace(PARAMS, max_iterations=1, starts=1)))


def test_auto_tells_one_regime_from_two(one: Any, two: Any) -> None:
    single, double = ask(one, regime_type="auto"), ask(two, regime_type="auto")
    assert (single.head["n_states"], single.head["current"]["regime"]) == (1, "Single")
    assert single.head["current"]["expected_remaining"] is None
    assert double.head["n_states"] == 2
    assert [row["n_states"] for row in double.head["selection"]] == [1, 2, 3, 4, 5]


def test_a_rescaled_price_keeps_the_path(three: Any) -> None:
    whole = ask(three)
    scaled = detect(three.prices * 1e-3, three.t, regime_type="3_state", mode="filtered", params=PARAMS, interval="1d", seed=0)
    assert np.array_equal(whole.arrays["states"], scaled.arrays["states"])


def test_training_gives_a_model_that_serves_the_next_bar(three: Any) -> None:
    n = 1200
    model = Packet.unpack(train(three.prices[:n], three.t[:n], regime_type="3_state", interval="1d", params=PARAMS, seed=0).pack())
    served = hmm.step(model, model.arrays["alpha"], next_return(model.head["last_price"], float(three.prices[n])))
    x = 100 * np.diff(np.log(three.prices[: n + 1]))
    assert np.array_equal(served, hmm.filtered(model, x)[-1])
    assert model.head["trained_until_ns"] == model.head["causal_from_ns"] == three.t[n - 1]
    assert model.head["evaluation"]["gain"] > 0.05
    assert model.head["evaluation"]["held_out_bars"] == 239
    assert not model.head["labels_kept"]


def test_a_warm_retrain_is_short_and_keeps_the_labels(three: Any) -> None:
    asked: dict[str, Any] = {"regime_type": "3_state", "interval": "1d", "params": PARAMS, "seed": 0}
    first = train(three.prices[:1200], three.t[:1200], **asked)
    warm = train(three.prices, three.t, **asked, previous=first)
    cold = train(three.prices, three.t, **asked, previous=first, cold=True)
    assert (warm.head["started"], warm.head["cold_tried"], cold.head["cold_tried"]) == ("warm", False, True)
    assert cold.head["cold_gain"] < 2.0  # the same maximum again: fresh starts do not win
    assert cold.head["started"] == "warm"
    assert warm.head["labels_kept"]
    assert cold.head["labels_kept"]
    assert warm.head["iterations"] <= cold.head["iterations"]
    assert abs(warm.head["penalised"] - cold.head["penalised"]) < 2.0
    np.testing.assert_allclose(warm.arrays["means"], first.arrays["means"], atol=0.1)


def test_a_predecessor_with_other_states_is_no_warm_start(three: Any) -> None:
    asked: dict[str, Any] = {"interval": "1d", "params": PARAMS, "seed": 0}
    two_states = train(three.prices, three.t, regime_type="2_state", **asked)
    assert train(three.prices, three.t, regime_type="3_state", **asked, previous=two_states).head["started"] == "cold"


def test_no_regimes_foretell_nothing(one: Any) -> None:
    model = train(one.prices, one.t, regime_type="3_state", interval="1d", params=PARAMS, seed=0)
    assert model.head["evaluation"]["gain"] < 0.02


def test_a_range_too_short_to_hold_bars_out_is_not_evaluated(two: Any) -> None:
    model = train(two.prices[:46], two.t[:46], regime_type="2_state", interval="1d", params=PARAMS, seed=0)
    assert model.head["evaluation"] is None
    assert "not_evaluated" in codes(model)


def test_minutes_are_detected_without_their_nights(two: Any) -> None:
    minute = DAY_NS // 1440
    t = np.concatenate([day * DAY_NS + np.arange(267) * minute for day in (0, 1, 4)])
    found = detect(two.prices, t, regime_type="2_state", mode="filtered", params=PARAMS, interval="1m", seed=0)
    assert found.arrays["t"].size == 798
    assert "gaps" in codes(found)
    assert found.head["annualisation"]["bars_per_year"] == 252 * 266


def test_inputs_are_left_alone(three: Any) -> None:
    prices, t = three.prices.copy(), three.t.copy()
    for mode in MODES:
        detect(prices, t, regime_type="2_state", mode=mode, params=PARAMS, interval="1d", seed=0)
    assert np.array_equal(prices, three.prices)
    assert np.array_equal(t, three.t)


@pytest.mark.parametrize("n", [0, 1, 2, 40, 60])
def test_tiny_ranges_have_a_code(three: Any, n: int) -> None:
    with pytest.raises(RpsdError) as caught:
        ask(three, n=n)
    assert caught.value.code == "too_short"


@pytest.mark.parametrize("mode", MODES)
def test_residuals_and_the_likeliest_path_come_on_request(three: Any, mode: str) -> None:
    plain, found = ask(three, mode=mode), ask(three, mode=mode, include=("residuals", "viterbi"))
    assert not {"residuals", "viterbi"} & set(plain.arrays)
    assert found.arrays["residuals"].shape == found.arrays["viterbi"].shape == found.arrays["t"].shape
    assert found.head["residuals"]["deviation"] == pytest.approx(1.0, abs=0.1)
    assert (found.arrays["viterbi"] == found.arrays["states"]).mean() > 0.7


def test_residuals_of_a_walk_are_the_same_whatever_follows(three: Any) -> None:
    whole, prefix = (ask(three, mode="walk_forward", include=("residuals",), n=n).arrays["residuals"] for n in (1251, 700))
    assert np.array_equal(whole[: prefix.size], prefix)
    filtered = ask(three, include=("residuals",)).arrays["residuals"]
    assert not np.array_equal(filtered[-whole.size :], whole)


def test_the_model_says_its_family(three: Any) -> None:
    found = ask(three, params=replace(PARAMS, emission="gaussian"))
    assert found.head["model"] == "gaussian_hmm/numba"
    assert [state["df"] for state in found.head["states"]] == [None, None, None]


@pytest.mark.parametrize("mode", MODES)
def test_a_model_may_see_more_than_the_return(three: Any, mode: str) -> None:
    rng = np.random.default_rng(0)
    width = np.exp(np.array([0.02, 0.01, 0.006])[np.append(three.states[:1], three.states)] * (0.5 + rng.random(three.prices.size)))
    cells = {"high": three.prices * width, "low": three.prices / width}
    asked = {"mode": mode} | ({"refit_every": 500} if mode == "walk_forward" else {})  # a fit of two columns takes seconds
    seen, blind = (ask(three, **asked, **more) for more in ({"columns": ["return", "range"], "cells": cells}, {}))
    truth = three.states[-seen.arrays["t"].size :]

    def agreement(found: Packet) -> float:
        return max(float((np.array(names)[found.arrays["states"]] == truth).mean()) for names in permutations(range(3)))

    assert agreement(seen) > agreement(blind) + 0.05
    assert seen.arrays["location"].shape == (3, 2)
    assert ask(three, **asked, columns=["return", "range"], cells=cells, include=("residuals",)).head["residuals"]["n"] == truth.size
