"""Lanes: their exponential and logarithm are those of numpy, their arithmetic acts lane by lane."""

import numpy as np

from rpsd.kernels import vector
from rpsd.kernels.jit import kernel
from rpsd.kernels.vector import LANES, exponent, fill, load, mantissa, store, where_above


@kernel
def functions(x, out):  # type: ignore[no-untyped-def]
    """exp of x, log of |x| + 1e-300, mantissa and exponent of the same, one after another."""
    n = x.size
    for at in range(0, n, LANES):
        value = load(x, at)
        size = where_above(value, fill(0.0), value, 0.0 - value) + 1e-300
        store(out, at, vector.exp(value))
        store(out, n + at, vector.log(size))
        store(out, 2 * n + at, mantissa(size))
        store(out, 3 * n + at, exponent(size))


@kernel
def arithmetic(a, b, out):  # type: ignore[no-untyped-def]
    """Each operator, with numbers on either side."""
    x, y = load(a, 0), load(b, 0)
    store(out, 0, x + y)
    store(out, LANES, x - y)
    store(out, 2 * LANES, x * y)
    store(out, 3 * LANES, x / y)
    store(out, 4 * LANES, 2.0 / (3 * x + 1.0 - y))
    store(out, 5 * LANES, where_above(x, y, x, y))


def test_exponential_and_logarithm_are_those_of_numpy() -> None:
    x = np.concatenate([np.linspace(-700.0, 700.0, 7992), [0.0, -0.0, 1e-9, -1e-9, 0.34, -0.35, 1.0, -1.0]])
    out = np.empty(4 * x.size)
    functions(x, out)
    exp, log, mantissas, exponents = out.reshape(4, -1)
    np.testing.assert_allclose(exp, np.exp(x), rtol=5e-16)
    expected = np.log(np.abs(x) + 1e-300)
    np.testing.assert_allclose(log, expected, rtol=4e-16, atol=4e-16)
    np.testing.assert_array_equal(mantissas * 2.0**exponents, np.abs(x) + 1e-300)
    assert mantissas.min() >= 1.0
    assert mantissas.max() < 2.0


def test_below_seven_hundred_the_exponential_stays() -> None:
    x, out = np.array([-700.0, -701.0, -1e9, -np.inf, 0.0, 0.0, 0.0, 0.0]), np.empty(4 * LANES)
    functions(x, out)
    assert (out[:4] == out[0]).all()
    assert out[0] > 0.0


def test_operators_act_lane_by_lane() -> None:
    rng, out = np.random.default_rng(0), np.empty(6 * LANES)
    a, b = rng.normal(size=LANES), rng.normal(size=LANES)
    arithmetic(a, b, out)
    expected = np.array([a + b, a - b, a * b, a / b, 2 / (3 * a + 1 - b), np.maximum(a, b)])
    np.testing.assert_allclose(out.reshape(6, -1), expected, rtol=1e-13)
