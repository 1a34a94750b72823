"""The catalogue of features, and the two versions of the view that every appliance has."""

from collections.abc import Mapping
from typing import Any, Final

from rpsd.core.feature import Feature
from rpsd.feature import averages, bands, drawdown, momentum, volatility, volume

FEATURES: Final[tuple[Feature, ...]] = (
    averages.SMA,
    averages.EMA,
    averages.MACD,
    averages.MACD_SIGNAL,
    averages.MACD_HISTOGRAM,
    bands.DEVIATION,
    bands.BB_UPPER,
    bands.BB_MIDDLE,
    bands.BB_LOWER,
    bands.BB_POSITION,
    momentum.RSI,
    volatility.ATR,
    momentum.LOG_RETURN,
    volatility.REALISED_VOL,
    volatility.PARKINSON,
    momentum.MOMENTUM,
    volume.VOLUME_RATIO,
    drawdown.DRAWDOWN,
)

_TABLE: Final = (
    "sma_5 sma_10 sma_20 sma_50 sma_200 ema_12 ema_26 macd bb_upper_20 bb_middle_20 bb_lower_20 bb_position_20 rsi_14 atr_14 log_return "
    "realised_vol_20 parkinson_20 momentum_10 momentum_63 volume_ratio_20 drawdown"
)
CORE_VIEWS: Final[Mapping[int, Mapping[str, Any]]] = {1: {"features": ["sma_20", "rsi_14"]}, 2: {"features": _TABLE.split()}}
"""Definitions of core_technical by version."""
