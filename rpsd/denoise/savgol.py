"""`savgol`: the Savitzky-Golay filter, a polynomial fitted around every sample. Not causal."""

from functools import lru_cache

import numpy as np

from rpsd.core.catalogue import Method
from rpsd.core.errors import BadParameter, Fault
from rpsd.core.market import Vector
from rpsd.core.parameters import SavgolParameters
from rpsd.core.result import Matrix
from rpsd.kernels import filters


@lru_cache(maxsize=32)
def _basis(window: int, order: int) -> Matrix:
    """Orthonormal polynomials (window, order + 1) on the places of a window: the fit at place i has the taps basis @ basis[i]."""
    basis, _ = np.linalg.qr(np.polynomial.legendre.legvander(np.linspace(-1.0, 1.0, window), order))
    basis.flags.writeable = False
    return np.asarray(basis)


def check(params: SavgolParameters) -> None:
    """Raises BadParameter for an even window or an order that is not below it."""
    if params.window % 2 == 0:
        reason = f"expected an odd number, got {params.window}"
        raise BadParameter(f"/params/window: {reason}", errors=[Fault("/params/window", reason)])
    if params.order >= params.window:
        reason = f"expected less than the window of {params.window}, got {params.order}"
        raise BadParameter(f"/params/order: {reason}", errors=[Fault("/params/order", reason)])


def run(y: Vector, params: SavgolParameters) -> Vector:
    """x̂ (n,) of y (n,), finite, one session, any unit: the least-squares polynomial of the samples around each, at its place.

    The first and last window // 2 samples take the polynomial of the first and last window; a series shorter than the window takes
    the largest odd window that fits, one not longer than the order comes back. Not causal. O(n) times the window.
    Raises BadParameter for an even window or too high an order. Source: Savitzky and Golay (1964), Anal. Chem. 36, 1627-1639.
    """
    check(params)
    window = min(params.window, y.size - 1 + y.size % 2)
    if window <= params.order:
        return y.copy()
    basis, half = _basis(window, params.order), window // 2
    origin, smooth = float(y[0]), np.empty(y.size)
    moved = y - origin  # a constant stays itself, and large prices lose no digits
    filters.fir(moved, basis @ basis[half], smooth)
    smooth[half : y.size - half] = smooth[window - 1 :]
    smooth[:half] = basis[:half] @ (basis.T @ moved[:window])
    smooth[y.size - half :] = basis[window - half :] @ (basis.T @ moved[y.size - window :])
    smooth += origin
    return y + params.strength * (smooth - y)


METHOD = Method(
    name="savgol",
    causal=False,
    params=SavgolParameters,
    run=run,
    source="Savitzky, Golay (1964), Anal. Chem. 36, 1627-1639",
    cost="O(n)",
    summary="Local polynomial by least squares, the baseline that keeps peaks; sees half a window ahead.",
)
