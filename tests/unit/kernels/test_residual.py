"""Residual kernels equal their references and never reach across a session."""

import numpy as np
import pytest

from rpsd.kernels import residual

STARTS = np.array([0, 70, 75, 300])


def _case(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.cumsum(rng.normal(size=300))
    return y, y + 0.3 * rng.normal(size=300), 0.5 + rng.random(300)


def test_moments() -> None:
    y, x, sigma = _case()
    found, expected = residual.moments(y, x, sigma, STARTS, 20), residual.reference_moments(y, x, sigma, STARTS, 20)
    assert np.abs(np.array(found) - np.array(expected)).max() < 1e-12


def test_agreements() -> None:
    y, x, sigma = _case()
    clear, same = np.zeros(4, np.int64), np.zeros(4, np.int64)
    residual.agreements(y, x, sigma, 1.0, STARTS, residual.SCALES, clear, same)
    for j, lag in enumerate(residual.SCALES):
        assert (clear[j], same[j]) == residual.reference_agreements(y, x, sigma, STARTS, int(lag))
    assert clear[0] > 0


def test_probe_and_its_answer() -> None:
    y, _, sigma = _case()
    bits = np.random.default_rng(1).integers(0, 1 << 64, size=5, dtype=np.uint64)
    signs = np.array([2.0 * float((int(bits[i >> 6]) >> (i & 63)) & 1) - 1.0 for i in range(300)])
    out = np.empty(300)
    residual.perturb(y, sigma, bits, 0.1, out)
    assert np.abs(out - residual.reference_perturb(y, sigma, signs, 0.1)).max() < 1e-13
    # of x̂ = y / 2 the divergence is half of the noise, exactly
    assert residual.response(out / 2.0, y / 2.0, sigma, bits, 0.1) == pytest.approx(0.5 * float((sigma * sigma).sum()))


def test_second_moments() -> None:
    y, x, _ = _case()
    assert residual.second_moments(y, x) == pytest.approx(residual.reference_second_moments(y, x), rel=1e-12)


def test_slopes() -> None:
    y = np.arange(100.0)
    assert residual.slope_agreement(y, y, np.array([0, 100]), 1) == (71, 71)
    assert residual.slope_agreement(y, -y, np.array([0, 100]), 1) == (71, 0)
    assert residual.slope_agreement(y, y, np.array([0, 40, 100]), 1) == (42, 42)
    x, z, _ = _case(3)
    for stride in (1, 7):
        assert residual.slope_agreement(x, z, STARTS, stride) == residual.reference_slope_agreement(x, z, STARTS, stride)
    flat = np.full(60, 0.1)
    assert residual.slope_agreement(flat, flat, np.array([0, 60]), 1) == (31, 31)
