"""The product's tasks through a real worker: the same bytes as in this process."""

import numpy as np
import pytest

from rpsd.core.errors import RpsdError, TooShort
from rpsd.core.market import DAY_NS
from rpsd.core.model import Packet
from rpsd.core.parameters import HmmParameters
from rpsd.regime import run
from rpsd.regime.train import train
from rpsd.services.compute import LocalCompute
from rpsd.services.tasks import TASKS

LONG = 120.0
"""Seconds; a cold numba cache compiles for a while."""


@pytest.fixture(scope="module")
def compute():
    local = LocalCompute()
    local.prewarm()
    yield local
    assert local.status()["last_failure"] is None
    local.close()


def prices(n=400):
    rng = np.random.default_rng(3)
    calm = np.repeat([True, False], [n // 2, n - n // 2])
    return 100 * np.exp(np.cumsum(np.where(calm, 0.005, 0.02) * rng.standard_normal(n))), np.arange(n, dtype=np.int64) * DAY_NS


def head(**more):
    return {"regime_type": "2_state", "interval": "1d", "params": {"starts": 2}, "seed": 5} | more


def assert_same(got, expected):
    assert got.head == Packet.unpack(expected.pack()).head
    assert {name: array.tobytes() for name, array in got.arrays.items()} == {n: a.tobytes() for n, a in expected.arrays.items()}


def test_detect_answers_as_in_process(compute):
    y, t = prices()
    got = compute.run("regime_detect", Packet(head(mode="filtered"), {"prices": y, "t": t}), deadline_seconds=LONG)
    params = HmmParameters(starts=2)
    assert_same(got, run.detect(y, t, regime_type="2_state", mode="filtered", params=params, interval="1d", seed=5))


def cases(*series, cold=True):
    told = [{"regime_type": "2_state", "interval": "1d", "cold": cold, "cells": []} for _ in series]
    return {
        "cases": told,
        "params": {"starts": 2},
        "columns": ["return"],
        "seed": 5,
        "drift": {"psi": [0.1, 0.2, 0.3], "false_alarm_rate": 0.01},
    }


def test_train_answers_as_in_process_and_starts_from_its_predecessor(compute):
    y, t = prices()
    params, asked = HmmParameters(starts=2), {"regime_type": "2_state", "interval": "1d"}
    both = {"prices/0": y[:300], "t/0": t[:300], "prices/1": np.ones(300), "t/1": t[:300]}
    answer = compute.run("regime_train", Packet(cases(0, 1), both), deadline_seconds=LONG)
    assert answer.head["refused"] == {"1": {"code": "constant_series", "detail": "all 299 returns are equal"}}
    first = Packet.unpack(answer.arrays["0"].tobytes())
    assert_same(first, train(y[:300], t[:300], **asked, params=params, seed=5))
    on = {"prices/0": y, "t/0": t, "previous/0": answer.arrays["0"]}
    second = compute.run("regime_train", Packet(cases(0, cold=False), on), deadline_seconds=LONG).arrays["0"]
    assert_same(Packet.unpack(second.tobytes()), train(y, t, **asked, params=params, seed=5, previous=first))


def test_a_refusal_of_the_numerics_arrives_as_itself(compute):
    y, t = prices(10)
    with pytest.raises(TooShort):
        compute.run("regime_detect", Packet(head(mode="filtered"), {"prices": y, "t": t}), deadline_seconds=LONG)
    with pytest.raises(RpsdError, match="nonsense"):
        compute.run("regime_detect", Packet(head(mode="filtered", params={"nonsense": 1}), {"prices": y, "t": t}), deadline_seconds=LONG)


def test_names_are_unique():
    names = [name for name, _ in TASKS]
    assert len(set(names)) == len(names)


def test_a_search_is_the_same_in_the_worker(compute):
    values, _ = prices(600)
    settings = [{"method": "ema", "params": {"span": span}} for span in (2.0, 9.0)]
    asked = {"causal": True, "scale": "auto", "fill": "none", "folds": 3, "seed": 0, "settings": settings}
    told = []
    got = compute.run(
        "denoise_search", Packet(asked, {"values": values}), deadline_seconds=LONG, on_progress=lambda *step: told.append(step)
    )
    expected = dict(TASKS)["denoise_search"](Packet(asked, {"values": values}), lambda *_: None)
    assert got.head == Packet.unpack(expected.pack()).head
    assert np.array_equal(got.arrays["scores"], expected.arrays["scores"])
    assert [share for share, _ in told] == [0.0, 0.5]
