"""How far and how one-sidedly the price has moved: momentum, the log return, and Wilder's relative strength."""

import numpy as np

from rpsd.core.feature import Columns, Feature, Recursion
from rpsd.core.market import Vector
from rpsd.kernels import moving, smoothed


def earlier(x: Vector, n: int) -> Vector:
    """x of n bars before (size,), NaN where there was none yet. Causal. Source: the lag operator, Box and Jenkins (1970), 1.2."""
    return np.concatenate([np.full(min(n, x.size), np.nan), x[: max(x.size - n, 0)]])


def growth(columns: Columns, windows: tuple[int, ...]) -> Vector:
    """close_t / close_{t-n} - 1 (n,), NaN unless the earlier close is above zero. Causal. O(n).

    Source: Jegadeesh and Titman (1993), Journal of Finance 48, 65-91.
    """
    out = np.empty(columns["close"].size)
    moving.growth(columns["close"], windows[0], out)
    return out


def log_return(columns: Columns, windows: tuple[int, ...]) -> Vector:
    """ln(close_t / close_{t-1}) (n,), NaN unless both are above zero. Causal. O(n).

    Source: Campbell, Lo and MacKinlay (1997), The Econometrics of Financial Markets, 1.4.
    """
    del windows
    out = np.empty(columns["close"].size)
    moving.log_quotient(columns["close"], earlier(columns["close"], 1), out)
    return out


def _advance_strength(state: Vector, columns: Columns, windows: tuple[int, ...]) -> Vector:
    out = np.empty(columns["close"].size)
    smoothed.strength(columns["close"], windows[0], state, out)
    return out


def strength(columns: Columns, windows: tuple[int, ...]) -> Vector:
    """100 G / (G + L) (n,), G and L Wilder's averages of rises and falls; 50 where nothing has moved. Causal. O(n).

    Source: Wilder (1978), New Concepts in Technical Trading Systems, section VI.
    """
    return _advance_strength(np.zeros(6), columns, windows)


MOMENTUM = Feature(
    name="momentum",
    windows=((10,), (63,)),
    inputs=("close",),
    run=growth,
    lookback=lambda windows: windows[0],
    formula="momentum_n[t] = close[t] / close[t-n] - 1",
    summary="Growth of the price over n bars.",
    source="Jegadeesh and Titman (1993), Journal of Finance 48, 65-91",
    unit="ratio",
    low=-1.0,
    bounds=(1, 1000),
)

LOG_RETURN = Feature(
    name="log_return",
    windows=((),),
    inputs=("close",),
    run=log_return,
    lookback=lambda _: 1,
    formula="log_return[t] = ln(close[t] / close[t-1])",
    summary="Logarithmic return of the bar.",
    source="Campbell, Lo and MacKinlay (1997), The Econometrics of Financial Markets, 1.4",
    unit="log ratio",
    low=-0.7,
    high=0.7,
)

RSI = Feature(
    name="rsi",
    windows=((14,),),
    inputs=("close",),
    run=strength,
    lookback=lambda windows: windows[0],
    formula="rsi_n[t] = 100 G[t] / (G[t] + L[t]); G, L: rises and falls smoothed with weight 1/n, begun by the mean of the first n",
    summary="Relative strength: the share of rises in the recent moves, 50 where nothing has moved.",
    source="Wilder (1978), New Concepts in Technical Trading Systems, section VI",
    unit="percent",
    low=0.0,
    high=100.0,
    recursion=Recursion(lambda _: np.zeros(6), _advance_strength),
)
