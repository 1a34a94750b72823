"""Many series in one call: order, equality with single calls, errors of one, limits, and the end of unwanted work."""

import threading
from typing import Any

import numpy as np
import pytest

from rpsd.core.errors import BodyTooLarge, Cancelled, DeadlineExceeded, RpsdError, Unavailable
from rpsd.services.denoise import batch as denoise_batch
from rpsd.services.denoise.batch import DenoiseBatch, Wanted

FAST = {"method": "wavelet", "params": {"use_fir_filter": False}, "guardrails": {"policy": "none"}}


def noisy(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 100 + np.cumsum(rng.normal(size=n)) * 0.01 + 0.02 * rng.normal(size=n)


@pytest.fixture
def threaded(services) -> Any:
    """Three threads, whatever the machine has."""
    batch = DenoiseBatch(services.settings, services.denoise, threads=3)
    yield batch
    batch.close()


def test_results_are_those_of_single_calls_in_order(services, threaded) -> None:
    causal, default = {"method": "ema", "causality": "causal"}, {}
    t = np.arange(300, dtype=np.int64) * 10**9
    wanted = [Wanted(noisy(300, seed), None, FAST) for seed in range(40)]
    wanted += [Wanted(noisy(200 + seed, seed), None, (causal, default, FAST)[seed % 3]) for seed in range(12)]
    wanted += [Wanted(noisy(300, 99), t, FAST), Wanted(noisy(40_000, 1), None, causal)]
    for one, result in zip(wanted, threaded.run(wanted), strict=True):
        alone = services.denoise.run(one.values, t=one.t, **one.how)
        assert np.array_equal(result.values, alone.values)
        assert (result.method, result.variance_reduction, result.evidence) == (alone.method, alone.variance_reduction, alone.evidence)


def test_one_bad_series_fails_alone(services, threaded) -> None:
    bad = noisy(300, 0)
    bad[5] = np.nan
    wanted = [Wanted(noisy(300, seed), None, FAST) for seed in range(6)]
    wanted[2:2] = [Wanted(bad, None, FAST), Wanted(noisy(300, 1), None, {"method": "nonsense"}), Wanted(np.empty(0), None, FAST)]
    wanted.append(Wanted(noisy(300, 1), None, {"guardrails": {"policy": "lax"}}))
    found = threaded.run(wanted)
    assert [one.code if isinstance(one, RpsdError) else "" for one in found] == (
        ["", "", "not_finite", "unknown_method", "too_short", "", "", "", "", "bad_parameter"]
    )


def test_the_stack_is_what_runs(services, threaded, monkeypatch) -> None:
    """Twenty equal requests enter the single path once for their piece, and no more."""
    from rpsd.denoise import run

    calls, single = [], run.denoise
    monkeypatch.setattr(run, "denoise", lambda *a, **k: (calls.append(1), single(*a, **k))[1])
    threaded.run([Wanted(noisy(300, seed), None, FAST) for seed in range(20)])
    assert len(calls) == 1


def test_limits(services, monkeypatch) -> None:
    monkeypatch.setattr(denoise_batch, "MOST_SERIES", 3)
    with pytest.raises(BodyTooLarge):
        services.denoise_batch.run([Wanted(noisy(20, 1))] * 4)
    most = services.denoise_batch.most_points
    with pytest.raises(BodyTooLarge) as caught:
        services.denoise_batch.run([Wanted(np.zeros(most)), Wanted(np.zeros(1))])
    assert str(most) in caught.value.detail


def test_what_nobody_wants_is_not_computed(services, threaded, monkeypatch) -> None:
    from rpsd.denoise import run

    calls, single = [], run.denoise
    monkeypatch.setattr(run, "denoise", lambda *a, **k: (calls.append(1), single(*a, **k))[1])
    with pytest.raises(Cancelled):
        threaded.run([Wanted(noisy(64, 1))] * 100, cancelled=lambda: len(calls) >= 3)
    assert len(calls) == 3


def test_a_batch_ends_at_the_deadline(services, threaded, monkeypatch) -> None:
    now = iter(range(10_000))
    monkeypatch.setattr(denoise_batch.time, "monotonic", lambda: float(next(now)))
    with pytest.raises(DeadlineExceeded):
        threaded.run([Wanted(noisy(64, 1))] * 100)


def test_too_many_callers_are_told_to_come_back(services) -> None:
    batch, go = services.denoise_batch, threading.Event()
    waiting = [batch.submit(go.wait) for _ in range(18)]
    with pytest.raises(Unavailable):
        batch.submit(go.wait)
    go.set()
    for future in waiting:
        future.result(30)
    assert batch.submit(lambda: 7).result(30) == 7


def test_metrics_count_the_batch(services) -> None:
    services.denoise_batch.run([Wanted(noisy(100, seed), None, FAST) for seed in range(5)])
    value = services.metrics.registry.get_sample_value
    assert value("rpsd_denoise_points_total", {"method": "wavelet"}) == 500.0
    assert value("rpsd_variance_reduction_ratio_count") == 5.0
