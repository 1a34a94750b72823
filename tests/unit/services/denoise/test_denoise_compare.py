"""Comparisons as the service answers them."""

import json

import numpy as np
import pytest

from rpsd.core.errors import BadParameter, Cancelled, DeadlineExceeded, InvalidRequest, NotFinite, UnknownMethod
from rpsd.services.denoise import compare as denoise_compare
from rpsd.services.denoise.compare import Configuration

TWO = [Configuration("", {}), Configuration("live", {"method": "kalman", "causality": "causal"})]


def noisy(n: int = 600) -> np.ndarray:
    rng = np.random.default_rng(5)
    return 100 + 0.1 * np.cumsum(rng.normal(size=n)) + 0.3 * rng.normal(size=n)


def test_both_columns_stand_side_by_side(services) -> None:
    found = services.denoise_compare.run(noisy(), TWO, endpoints=8)
    first, second = found["configurations"]
    assert [first["label"], second["label"], len(found["endpoints"]), found["n"]] == ["default 1", "live", 8, 600]
    assert np.array_equal(np.flatnonzero(~np.isnan(first["causal_values"])), found["endpoints"])
    assert np.array_equal(second["causal_values"], second["hindsight"])
    for one in found["configurations"]:
        one.pop("hindsight"), one.pop("causal_values")
    json.dumps(found, allow_nan=False)
    assert found["summary"]["live"]["best"] in ("default 1", "live")


def test_faults_are_placed(services) -> None:
    run = services.denoise_compare.run
    with pytest.raises(UnknownMethod) as caught:
        run(noisy(), [TWO[0], Configuration("x", {"method": "magic"})])
    assert caught.value.errors[0].pointer == "/configurations/1/method"
    with pytest.raises(BadParameter) as bad:
        run(noisy(), [Configuration("x", {"method": "ema", "params": {"span": -1}}), TWO[0]])
    assert bad.value.errors[0].pointer == "/configurations/0/params/span"
    with pytest.raises(NotFinite) as missing:
        run(np.append(noisy(), np.nan), TWO)
    assert missing.value.errors[0].pointer == "/values/600"
    for configurations in ([TWO[0]], [Configuration("a", {})] * 2, [Configuration(str(i), {}) for i in range(9)]):
        with pytest.raises(InvalidRequest):
            run(noisy(), configurations)
    with pytest.raises(InvalidRequest):
        run(noisy(), TWO, endpoints=0)


def test_it_ends_when_unwanted_or_late(services, monkeypatch) -> None:
    asked = iter([False, False, True])
    with pytest.raises(Cancelled):
        services.denoise_compare.run(noisy(), TWO, cancelled=lambda: next(asked))
    now = iter(range(0, 10_000, 20))
    monkeypatch.setattr(denoise_compare.time, "monotonic", lambda: float(next(now)))
    with pytest.raises(DeadlineExceeded):
        services.denoise_compare.run(noisy(), TWO)
