"""How far the newest value will move."""

import numpy as np
import pytest

from rpsd.core.market import Vector
from rpsd.core.parameters import EmaParameters, GuardrailParameters, TvParameters, WaveletParameters
from rpsd.denoise import ema, tv, wavelet
from rpsd.denoise.revision import endpoint_revision
from rpsd.denoise.run import denoise

STARTS = np.array([0, 300, 310, 900])


def walk(n: int = 900) -> Vector:
    """A random walk in noise of deviation 2."""
    rng = np.random.default_rng(4)
    return np.asarray(np.cumsum(rng.normal(size=n)) + 2.0 * rng.normal(size=n))


def test_final_values_are_not_revised() -> None:
    assert endpoint_revision(ema.METHOD, walk(), STARTS, EmaParameters(), np.full(900, 2.0)) == 0.0
    assert endpoint_revision(wavelet.METHOD, walk(), STARTS, WaveletParameters(strength=0.0), np.full(900, 2.0)) == pytest.approx(
        0.0, abs=1e-9
    )


def test_hindsight_is() -> None:
    y, sigma = walk(), np.full(900, 2.0)
    for method, params in ((wavelet.METHOD, WaveletParameters()), (tv.METHOD, TvParameters())):
        found = endpoint_revision(method, y, STARTS, params, sigma)
        assert found is not None
        assert 0.1 < found < 1.5
        whole = np.concatenate([method.run(y[a:b], params) for a, b in ((0, 300), (300, 310), (310, 900))])
        assert endpoint_revision(method, y, STARTS, params, sigma, x=whole) == found


def test_one_endpoint_by_hand() -> None:
    y, params = walk(40), WaveletParameters()
    whole = wavelet.run(y, params)
    found = endpoint_revision(wavelet.METHOD, y, np.array([0, 40]), params, np.full(40, 0.5), endpoints=1)
    assert found == pytest.approx(abs(float(whole[15] - wavelet.run(y[:16].copy(), params)[-1])) / 0.5)


def test_sessions_too_short_have_none() -> None:
    assert endpoint_revision(wavelet.METHOD, walk(20), np.array([0, 20]), WaveletParameters(), np.ones(20)) is None


def test_it_is_measured_on_request() -> None:
    y = walk()
    assert "revision" not in denoise(y, scale="price").guardrails
    asked = denoise(y, scale="price", method="wavelet", guardrails=GuardrailParameters(revision=True))
    assert asked.guardrails["revision"].value is not None
    causal = denoise(y, scale="price", method="kalman", guardrails=GuardrailParameters(revision=True))
    assert causal.guardrails["revision"].passed is None  # its values are final
