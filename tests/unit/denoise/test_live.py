"""A live column gives the numbers of the one-off answer, however its samples arrive."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpsd.core.catalogue import Method
from rpsd.core.errors import BadParameter, CorruptData, InvalidRequest, UnknownMethod
from rpsd.core.market import DAY_NS, SECOND_NS, Times, Vector
from rpsd.core.parameters import GuardrailParameters
from rpsd.denoise import METHODS, live, scale
from rpsd.denoise.run import denoise

CAUSAL = [method for method in METHODS if method.causal and method.stream is not None]
WAITING = [method for method in METHODS if method.delay is not None]
UNJUDGED = GuardrailParameters(policy="none")


def streamed(made: live.Plan, t: Times, values: Vector, splits: list[int]) -> tuple[live.Advanced, live.State]:
    """All that becomes available when the samples come in these pieces, the state packed and unpacked between any two."""
    state, parts = live.beginning(made), []
    for a, b in pairwise(sorted({0, *splits, t.size})):
        advanced, state = live.advance(made, state, t[a:b], values[a:b], t[a:b] + SECOND_NS)
        parts.append(advanced)
        state = live.unpack(live.pack(state))
    joined = [np.concatenate([getattr(part, name) for part in parts]) for name in ("t", "values", "deviation", "available_at")]
    return live.Advanced(*joined), state


@st.composite
def feeds(draw: st.DrawFn) -> tuple[Times, Vector, list[int]]:
    """Times with gaps and scattered intervals, values with missing ones after the first, and where the stretches end."""
    n = draw(st.integers(1, 400))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    unit = draw(st.sampled_from([1, SECOND_NS, 60 * SECOND_NS, DAY_NS]))
    gap, scatter, lost = (draw(st.sampled_from(choice)) for choice in ([0.0, 0.02, 0.2], [0, 3], [0.0, 0.1, 0.9]))
    steps = 1 + rng.integers(0, scatter + 1, n) + np.where(rng.random(n) < gap, rng.integers(2, 300, n), 0)
    values = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, n))) + rng.normal(0.0, 0.1, n)
    values[1:][rng.random(n - 1) < lost] = np.nan
    splits = draw(st.lists(st.integers(0, n), max_size=8))
    return np.cumsum(steps * unit).astype(np.int64), values, splits


@pytest.mark.parametrize("method", CAUSAL, ids=lambda method: method.name)
@settings(max_examples=60, deadline=None)
@given(feed=feeds(), on=st.sampled_from(["price", "log"]))
def test_any_split_gives_the_causal_answer_bit_for_bit(method: Method, feed: tuple[Times, Vector, list[int]], on: str) -> None:
    t, values, splits = feed
    got, _ = streamed(live.plan(method.name, {}, scale=on), t, values, splits)
    want = denoise(values, t=t, method=method.name, causality="causal", scale=on, fill="bridge", guardrails=UNJUDGED, band=True)
    np.testing.assert_array_equal(got.t, t)
    np.testing.assert_array_equal(got.values, want.values)
    np.testing.assert_array_equal(got.deviation, np.full(t.size, np.nan) if want.deviation is None else want.deviation)
    np.testing.assert_array_equal(got.available_at, t + SECOND_NS)


@pytest.mark.parametrize("method", WAITING, ids=lambda method: method.name)
@settings(max_examples=60, deadline=None)
@given(feed=feeds(), lag=st.integers(1, 20), on=st.sampled_from(["price", "log"]))
def test_a_value_that_waits_is_that_of_the_whole_series_so_far(
    method: Method, feed: tuple[Times, Vector, list[int]], lag: int, on: str
) -> None:
    t, values, splits = feed
    got, state = streamed(live.plan(method.name, {}, lag=lag, scale=on), t, values, splits)
    how = {"causality": "lag", "lag": lag, "scale": on, "fill": "bridge", "guardrails": UNJUDGED, "band": True}
    want = denoise(values, t=t, method=method.name, **how)
    n = got.t.size
    np.testing.assert_array_equal(got.t, t[:n])
    np.testing.assert_array_equal(got.values, want.values[:n])
    np.testing.assert_array_equal(got.deviation, np.full(n, np.nan) if want.deviation is None else want.deviation[:n])
    assert state.waiting.size == t.size - n
    bounds = scale.cuts(t, t.size, causal=True)
    complete = [
        np.minimum(np.arange(a, b) + lag, b) for a, b in pairwise(bounds.tolist())
    ]  # the next session tells that this one has ended
    np.testing.assert_array_equal(got.available_at, t[np.concatenate(complete)[:n]] + SECOND_NS)
    one_off = live.available_at(t, t + SECOND_NS, lag)
    np.testing.assert_array_equal(one_off[:n], got.available_at)
    assert (one_off[n:] == t[-1] + SECOND_NS).all()
    assert n == (bounds[-2] if t.size - bounds[-2] <= lag else t.size - lag)


@settings(max_examples=100, deadline=None)
@given(feed=feeds())
def test_sessions_are_cut_alike_in_any_stretches(feed: tuple[Times, Vector, list[int]]) -> None:
    t, _, splits = feed
    whole, _ = scale.beginnings(t, scale.BEFORE)
    pace, parts = scale.BEFORE, []
    for a, b in pairwise(sorted({0, *splits, t.size})):
        begins, pace = scale.beginnings(t[a:b], pace)
        parts.append(begins)
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_samples_before_the_first_usable_value_are_passed_over() -> None:
    made = live.plan("ema", {})
    t = np.arange(40, dtype=np.int64) * SECOND_NS
    values = np.concatenate([np.full(5, np.nan), [1e300], np.sin(np.arange(34.0))])
    got, _ = streamed(made, t, values, [3, 5, 6, 20])
    assert got.t[0] == t[6]
    np.testing.assert_array_equal(got.values, denoise(values[6:], t=t[6:], method="ema", causality="causal").values)


def test_what_cannot_be_used_repeats_the_last_value() -> None:
    t = np.arange(40, dtype=np.int64) * SECOND_NS
    values = 2.0 + np.sin(np.arange(40.0))
    spoilt, held = values.copy(), values.copy()
    spoilt[[20, 30]], held[[20, 30]] = (0.0, 1e80), values[[19, 29]]
    got, _ = streamed(live.plan("ema", {}, scale="log"), t, spoilt, [21])
    want, _ = streamed(live.plan("ema", {}, scale="log"), t, held, [])
    np.testing.assert_array_equal(got.values, want.values)


def test_a_value_is_available_when_the_last_sample_it_rests_on_was_known() -> None:
    t = np.arange(40, dtype=np.int64) * SECOND_NS
    known = t + SECOND_NS
    known[20] += 3 * SECOND_NS  # it came late, and what follows rests on it
    got, _ = live.advance(made := live.plan("ema", {}), live.beginning(made), t, np.ones(40), known)
    late = got.available_at - (t + SECOND_NS)
    assert late[19:25].tolist() == [0, 3 * SECOND_NS, 2 * SECOND_NS, SECOND_NS, 0, 0]


def test_the_state_given_stays_as_it_is() -> None:
    made = live.plan("ema", {})
    t = np.arange(80, dtype=np.int64) * SECOND_NS
    _, state = live.advance(made, live.beginning(made), t[:40], np.sin(t[:40] / 1e9), t[:40])
    before = live.pack(state)
    first, _ = live.advance(made, state, t[40:], np.cos(t[40:] / 1e9), t[40:])
    again, _ = live.advance(made, state, t[40:], np.cos(t[40:] / 1e9), t[40:])
    assert live.pack(state) == before
    np.testing.assert_array_equal(first.values, again.values)


def test_a_method_that_looks_ahead_is_refused_with_those_that_do_not() -> None:
    with pytest.raises(UnknownMethod, match=r"'wavelet' looks ahead; a live column needs auto, .*ema") as caught:
        live.plan("wavelet", {})
    assert "POST" in caught.value.advice
    with pytest.raises(UnknownMethod, match="'nosuch' is not a method"):
        live.plan("nosuch", {})


def test_auto_is_causal() -> None:
    made = live.plan("auto", {})
    assert made.method.causal
    assert made.lag == 0


def test_bad_plans_are_refused() -> None:
    with pytest.raises(BadParameter, match="span"):
        live.plan("ema", {"span": 0.0})
    with pytest.raises(BadParameter, match="ema does not wait"):
        live.plan("ema", {}, lag=3)
    with pytest.raises(BadParameter, match="return is not a scale of a live column"):
        live.plan("ema", {}, scale="return")
    with pytest.raises(InvalidRequest):
        live.plan("ema", {}, scale="roots")


def test_a_packet_that_lacks_a_part_is_corrupt() -> None:
    from rpsd.core.model import Packet

    with pytest.raises(CorruptData, match="lacks a part"):
        live.unpack(Packet({"t": 1}, {}).pack())
