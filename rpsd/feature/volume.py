"""Traded volume against what is usual."""

import numpy as np

from rpsd.core.feature import Columns, Feature
from rpsd.core.market import Vector
from rpsd.kernels import moving


def ratio(columns: Columns, windows: tuple[int, ...]) -> Vector:
    """volume_t over the mean of the last n volumes (n,), NaN where nothing was traded in all of them. Causal. O(n window).

    Source: Murphy (1999), Technical Analysis of the Financial Markets, chapter 7.
    """
    mean, out = np.empty(columns["volume"].size), np.empty(columns["volume"].size)
    moving.mean(columns["volume"], windows[0], mean)
    moving.quotient(columns["volume"], mean, out)
    return out


VOLUME_RATIO = Feature(
    name="volume_ratio",
    windows=((20,),),
    inputs=("volume",),
    run=ratio,
    lookback=lambda windows: windows[0] - 1,
    formula="volume_ratio_n[t] = volume[t] / mean of volume[t-n+1..t]",
    summary="Volume of the bar over its mean of the last n bars.",
    source="Murphy (1999), Technical Analysis of the Financial Markets, chapter 7",
    unit="ratio",
    low=0.0,
    null_tolerance=0.05,
)
