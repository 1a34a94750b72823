"""Savitzky-Golay: polynomials pass unchanged, windows are clipped or refused."""

import numpy as np
import pytest

from rpsd.core.errors import BadParameter
from rpsd.core.parameters import SavgolParameters
from rpsd.denoise import savgol


@pytest.mark.parametrize(("window", "order"), [(5, 2), (11, 3), (101, 4), (3, 0)])
def test_a_polynomial_of_its_order_passes(window: int, order: int) -> None:
    t = np.linspace(-1.0, 2.0, 150)
    y = np.polynomial.polynomial.polyval(t, np.arange(1.0, order + 2.0))
    assert np.abs(savgol.run(y, SavgolParameters(window=window, order=order)) - y).max() < 1e-10


@pytest.mark.parametrize("n", [1, 2, 3, 16, 17, 40])
def test_a_short_series_takes_the_window_that_fits(n: int) -> None:
    y = np.random.default_rng(n).normal(size=n)
    x = savgol.run(y, SavgolParameters(window=41, order=2))
    clipped = n - 1 + n % 2
    expected = y if clipped <= 2 else savgol.run(y, SavgolParameters(window=clipped, order=2))
    assert np.abs(x - expected).max() < 1e-12


@pytest.mark.parametrize(("window", "order", "pointer"), [(10, 2, "/params/window"), (5, 5, "/params/order"), (3, 10, "/params/order")])
def test_what_cannot_be_fitted_is_refused(window: int, order: int, pointer: str) -> None:
    with pytest.raises(BadParameter) as refused:
        savgol.run(np.arange(40.0), SavgolParameters(window=window, order=order))
    assert refused.value.errors[0].pointer == pointer
