"""Bollinger's bands: the plain average, two standard deviations to both sides, and where the price stands between them."""

from collections.abc import Callable
from typing import Final

import numpy as np

from rpsd.core.feature import Columns, Feature
from rpsd.core.market import Vector
from rpsd.kernels import moving

_WIDTH: Final = 2.0  # standard deviations from the middle to a band
_SOURCE: Final = "Bollinger (2001), Bollinger on Bollinger Bands, chapters 7 and 8"


def _mean_and_deviation(columns: Columns, n: int) -> tuple[Vector, Vector]:
    """Mean and standard deviation (divided by n) of the last n closes, each (size,)."""
    mean, deviation = np.empty(columns["close"].size), np.empty(columns["close"].size)
    moving.mean(columns["close"], n, mean)
    moving.deviation(columns["close"], n, deviation)
    return mean, deviation


def upper(columns: Columns, windows: tuple[int, ...]) -> Vector:
    """The middle plus two standard deviations (n,), in the price's unit. Causal. O(n window). Source: Bollinger (2001), chapter 7."""
    mean, deviation = _mean_and_deviation(columns, windows[0])
    return mean + _WIDTH * deviation


def middle(columns: Columns, windows: tuple[int, ...]) -> Vector:
    """Mean of the last n closes (n,), in the price's unit. Causal. O(n window). Source: Bollinger (2001), chapter 7."""
    out = np.empty(columns["close"].size)
    moving.mean(columns["close"], windows[0], out)
    return out


def lower(columns: Columns, windows: tuple[int, ...]) -> Vector:
    """The middle less two standard deviations (n,), in the price's unit. Causal. O(n window). Source: Bollinger (2001), chapter 7."""
    mean, deviation = _mean_and_deviation(columns, windows[0])
    return mean - _WIDTH * deviation


def position(columns: Columns, windows: tuple[int, ...]) -> Vector:
    """(close - lower) / (upper - lower) (n,): 0 on the lower band, 1 on the upper, 0.5 where nothing moved. Causal. O(n window).

    Source: Bollinger (2001), Bollinger on Bollinger Bands, chapter 8 (%b).
    """
    mean, deviation = _mean_and_deviation(columns, windows[0])
    out = np.empty(mean.size)
    moving.quotient(columns["close"] - mean, 2.0 * _WIDTH * deviation, out)
    return 0.5 + np.where(deviation == 0.0, 0.0, out)


def _price_band(name: str, run: Callable[[Columns, tuple[int, ...]], Vector], formula: str, summary: str, low: float | None) -> Feature:
    """One of the three that are prices."""
    return Feature(
        name=name,
        windows=((20,),),
        inputs=("close",),
        run=run,
        lookback=lambda windows: windows[0] - 1,
        formula=formula,
        summary=summary,
        source=_SOURCE,
        unit="price",
        low=low,
        relative=True,
    )


BB_UPPER = _price_band(
    "bb_upper", upper, "bb_upper_n = sma_n + 2 s_n, s_n² = mean of (close - sma_n)² over n bars", "Upper band of Bollinger.", 0.0
)
BB_MIDDLE = _price_band("bb_middle", middle, "bb_middle_n = sma_n", "Middle of Bollinger's bands.", 0.0)
BB_LOWER = _price_band("bb_lower", lower, "bb_lower_n = sma_n - 2 s_n", "Lower band of Bollinger; below zero after a crash.", None)
BB_POSITION = Feature(
    name="bb_position",
    windows=((20,),),
    inputs=("close",),
    run=position,
    lookback=lambda windows: windows[0] - 1,
    formula="bb_position_n = (close - bb_lower_n) / (bb_upper_n - bb_lower_n), 0.5 where the bands meet",
    summary="Where the price stands between the bands: 0 on the lower, 1 on the upper.",
    source=_SOURCE,
    unit="ratio",
    low=-1.0,
    high=2.0,
)
