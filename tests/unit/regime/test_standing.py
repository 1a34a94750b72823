"""The standing of a filter: one bar at a time, all at once, or through bytes, it is the same."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpsd.core.market import DAY_NS, SECOND_NS
from rpsd.core.model import Packet
from rpsd.core.parameters import HmmParameters
from rpsd.regime import hmm
from rpsd.regime.observe import log_returns
from rpsd.regime.standing import Standing, advance, beginning, pack, unpack
from rpsd.regime.train import train


def trained(interval_ns: int, interval: str) -> Packet:
    rng = np.random.default_rng(3)
    wild = (np.arange(400) // 50) % 2 == 1
    prices = 100 * np.exp(np.cumsum(np.where(wild, rng.normal(-0.002, 0.02, 400), rng.normal(0.001, 0.005, 400))))
    t = np.arange(400, dtype=np.int64) * interval_ns
    return train(prices, t, regime_type="2_state", interval=interval, params=HmmParameters(), seed=0)


@pytest.fixture(scope="module")
def daily() -> Packet:
    return trained(DAY_NS, "1d")


@pytest.fixture(scope="module")
def minutes() -> Packet:
    return trained(60 * SECOND_NS, "1m")


def same(a: Standing, b: Standing) -> bool:
    return pack(a) == pack(b)


@settings(max_examples=60, deadline=None)
@given(
    prices=st.lists(st.one_of(st.floats(1, 1000), st.just(float("nan")), st.just(0.0)), min_size=1, max_size=30),
    gaps=st.lists(st.sampled_from([1, 1, 1, 3, 4, 500]), min_size=30, max_size=30),
    cut=st.integers(0, 30),
    is_daily=st.booleans(),
)
def test_a_split_changes_no_bit(prices: list[float], gaps: list[int], cut: int, is_daily: bool, daily: Packet, minutes: Packet) -> None:
    state, step = (daily, DAY_NS) if is_daily else (minutes, 60 * SECOND_NS)
    begin = beginning(state)
    t = begin.carry.t + np.cumsum(gaps[: len(prices)]) * step
    values = np.array(prices)
    whole, steps, alpha = advance(state, begin, t, values)
    half, first_steps, first = advance(state, begin, t[:cut], values[:cut])
    half = unpack(pack(half)) or begin
    end, last_steps, last = advance(state, half, t[cut:], values[cut:])
    assert same(end, whole)
    assert np.concatenate([first_steps, last_steps]).tolist() == steps.tolist()
    assert np.concatenate([first, last]).tobytes() == alpha.tobytes()
    assert whole.seen_ns == t[-1]


def test_it_counts_the_run_of_the_likeliest_state(daily: Packet) -> None:
    begin = beginning(daily)
    rng = np.random.default_rng(9)
    wild = (np.arange(60) // 20) % 2 == 1
    prices = begin.carry.memory[2] * np.exp(np.cumsum(np.where(wild, rng.normal(-0.01, 0.03, 60), rng.normal(0.001, 0.003, 60))))
    t = begin.carry.t + (1 + np.arange(60)) * DAY_NS
    standing, _, alpha = advance(daily, begin, t, prices)
    path = alpha.argmax(axis=1)
    changes = np.flatnonzero(np.diff(path)) + 1
    assert changes.size
    assert (standing.state, standing.bars, standing.since_ns) == (path[-1], 60 - changes[-1], t[changes[-1]])
    x = log_returns(np.concatenate([[begin.carry.memory[2]], prices]))
    assert alpha.tobytes() == hmm.filter_from(daily, hmm.ahead(daily, begin.p), x)[0].tobytes()
    calm, _, _ = advance(daily, begin, t[:0], prices[:0])
    assert same(calm, begin)


def test_a_return_over_a_night_is_no_step(minutes: Packet) -> None:
    begin = beginning(minutes)
    t = begin.carry.t + np.array([1, 2, 600]) * 60 * SECOND_NS
    after, steps, _ = advance(minutes, begin, t, np.array([100.0, 101.0, 120.0]))
    assert steps.tolist() == t[:2].tolist()
    assert (after.carry.t, after.carry.memory[2], after.looked) == (t[2], 120.0, 3)  # its price is where the next return begins


def test_bytes_of_another_format_are_not_read(daily: Packet) -> None:
    assert unpack(b"\x01\x00" + pack(beginning(daily))[2:]) is None
