"""Bollinger's bands: the plain average, two standard deviations to both sides, and where the price stands between them."""

from typing import Final

import numpy as np

from rpsd.core.feature import Columns, Feature
from rpsd.core.market import Vector
from rpsd.kernels import moving

_WIDTH: Final = 2.0  # standard deviations from the middle to a band
_SOURCE: Final = "Bollinger (2001), Bollinger on Bollinger Bands, chapters 7 and 8"


def _parts(windows: tuple[int, ...]) -> tuple[str, str]:
    """The names of the middle and of the standard deviation."""
    return f"sma_{windows[0]}", f"deviation_{windows[0]}"


def deviation(columns: Columns, windows: tuple[int, ...]) -> Vector:
    """Root of the mean square of the last n closes about their mean (n,), exactly 0 of a constant. Causal. O(n window).

    Source: Bollinger (2001), chapter 7: the deviation of the population, divided by n.
    """
    out = np.empty(columns["close"].size)
    moving.deviation(columns["close"], windows[0], out)
    return out


def upper(columns: Columns, windows: tuple[int, ...]) -> Vector:
    """The middle plus two standard deviations (n,), in the price's unit. Causal. O(n). Source: Bollinger (2001), chapter 7."""
    middle_name, deviation_name = _parts(windows)
    return columns[middle_name] + _WIDTH * columns[deviation_name]


def middle(columns: Columns, windows: tuple[int, ...]) -> Vector:
    """Mean of the last n closes (n,), in the price's unit. Causal. O(n). Source: Bollinger (2001), chapter 7."""
    return columns[_parts(windows)[0]]


def lower(columns: Columns, windows: tuple[int, ...]) -> Vector:
    """The middle less two standard deviations (n,), in the price's unit. Causal. O(n). Source: Bollinger (2001), chapter 7."""
    middle_name, deviation_name = _parts(windows)
    return columns[middle_name] - _WIDTH * columns[deviation_name]


def position(columns: Columns, windows: tuple[int, ...]) -> Vector:
    """(close - lower) / (upper - lower) (n,): 0 on the lower band, 1 on the upper, 0.5 where nothing moved. Causal. O(n).

    Source: Bollinger (2001), Bollinger on Bollinger Bands, chapter 8 (%b).
    """
    mean, wide = (columns[name] for name in _parts(windows))
    out = np.empty(mean.size)
    moving.place(columns["close"], mean, _WIDTH * wide, out)
    return out


DEVIATION = Feature(
    name="deviation",
    windows=((20,),),
    inputs=("close",),
    run=deviation,
    lookback=lambda windows: windows[0] - 1,
    formula="deviation_n = s, s² = mean of (close - sma_n)² over the last n bars",
    summary="Standard deviation of the last n closes, divided by n.",
    source=_SOURCE,
    unit="price",
    low=0.0,
    relative=True,
)

BB_UPPER = Feature(
    name="bb_upper",
    windows=((20,),),
    inputs=("close",),
    run=upper,
    lookback=lambda windows: windows[0] - 1,
    parts=_parts,
    formula="bb_upper_n = sma_n + 2 deviation_n",
    summary="Upper band of Bollinger.",
    source=_SOURCE,
    unit="price",
    low=0.0,
    relative=True,
)

BB_MIDDLE = Feature(
    name="bb_middle",
    windows=((20,),),
    inputs=("close",),
    run=middle,
    lookback=lambda windows: windows[0] - 1,
    parts=_parts,
    formula="bb_middle_n = sma_n",
    summary="Middle of Bollinger's bands.",
    source=_SOURCE,
    unit="price",
    low=0.0,
    relative=True,
)

BB_LOWER = Feature(
    name="bb_lower",
    windows=((20,),),
    inputs=("close",),
    run=lower,
    lookback=lambda windows: windows[0] - 1,
    parts=_parts,
    formula="bb_lower_n = sma_n - 2 deviation_n",
    summary="Lower band of Bollinger; below zero after a crash.",
    source=_SOURCE,
    unit="price",
    relative=True,
)

BB_POSITION = Feature(
    name="bb_position",
    windows=((20,),),
    inputs=("close",),
    run=position,
    lookback=lambda windows: windows[0] - 1,
    parts=_parts,
    formula="bb_position_n = (close - bb_lower_n) / (bb_upper_n - bb_lower_n), 0.5 where the bands meet",
    summary="Where the price stands between the bands: 0 on the lower, 1 on the upper.",
    source=_SOURCE,
    unit="ratio",
    low=-1.0,
    high=2.0,
)
