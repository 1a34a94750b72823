"""How far the price stands below its highest value so far."""

import numpy as np

from rpsd.core.feature import Columns, Feature, Recursion
from rpsd.core.market import Vector
from rpsd.kernels import smoothed


def _advance(state: Vector, columns: Columns, windows: tuple[int, ...]) -> Vector:
    del windows
    out = np.empty(columns["close"].size)
    smoothed.fall(columns["close"], state, out)
    return out


def fall(columns: Columns, windows: tuple[int, ...]) -> Vector:
    """close_t / max(close_0..close_t) - 1 (n,), at most 0. Causal. O(n).

    Source: Magdon-Ismail and Atiya (2004), Maximum drawdown, Risk 17(10), 99-102.
    """
    return _advance(np.zeros(1), columns, windows)


DRAWDOWN = Feature(
    name="drawdown",
    windows=((),),
    inputs=("close",),
    run=fall,
    lookback=lambda _: 0,
    formula="drawdown[t] = close[t] / max(close[0..t]) - 1",
    summary="Fall below the highest close since the series began.",
    source="Magdon-Ismail and Atiya (2004), Maximum drawdown, Risk 17(10), 99-102",
    unit="ratio",
    low=-1.0,
    high=0.0,
    recursion=Recursion(lambda _: np.zeros(1), _advance),
)
