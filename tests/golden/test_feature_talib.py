"""The catalogue against TA-Lib, an independent implementation in C: equal to a relative difference of 1e-9.

TA-Lib's own MACD begins its fast average at bar 14 so that both begin together; ours is the difference of its two EMAs, which its MACD
joins once the beginning is forgotten. Where nothing moved TA-Lib's RSI is 0, ours 50 (the contract suite).
"""

import numpy as np
import pytest

from rpsd.core.market import Vector
from rpsd.feature import CORE_VIEWS
from rpsd.feature.graph import resolve
from rpsd.feature.run import compute

talib = pytest.importorskip("talib")


def random_bars(seed: int, n: int = 1500) -> dict[str, Vector]:
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(0.02 * rng.standard_t(4, n)))
    high, low = close * np.exp(np.abs(0.01 * rng.normal(size=n))), close * np.exp(-np.abs(0.01 * rng.normal(size=n)))
    return {"high": high, "low": low, "close": close, "volume": rng.lognormal(12.0, 1.0, n)}


MARKETS = {"calm": random_bars(1), "other": random_bars(2), "short": random_bars(3, 70), "long": random_bars(4, 3000)}


def peer(name: str, bars: dict[str, Vector]) -> Vector:
    """TA-Lib's numbers, put together where it has no such function."""
    close = bars["close"]
    family, _, window = name.rpartition("_")
    n = int(window) if window.isdigit() else 0
    if name == "macd":
        return np.asarray(talib.EMA(close, 12) - talib.EMA(close, 26))
    if name.startswith("bb_"):
        upper, middle, lower = talib.BBANDS(close, n, 2.0, 2.0, talib.MA_Type.SMA)
        return np.asarray(
            {"bb_upper": upper, "bb_middle": middle, "bb_lower": lower, "bb_position": (close - lower) / (upper - lower)}[family]
        )
    logs = talib.LN(close[1:] / close[:-1])
    simple = {
        "sma": lambda: talib.SMA(close, n),
        "ema": lambda: talib.EMA(close, n),
        "rsi": lambda: talib.RSI(close, n),
        "atr": lambda: talib.ATR(bars["high"], bars["low"], close, n),
        "deviation": lambda: talib.STDDEV(close, n, 1.0),
        "momentum": lambda: talib.ROCP(close, n),
        "volume_ratio": lambda: bars["volume"] / talib.SMA(bars["volume"], n),
        "realised_vol": lambda: np.append(np.nan, np.sqrt(talib.SMA(logs**2, n))),
        "parkinson": lambda: np.sqrt(talib.SMA(talib.LN(bars["high"] / bars["low"]) ** 2, n) / (4.0 * np.log(2.0))),
        "log": lambda: np.append(np.nan, logs),
        "": lambda: close / np.append(close[:1], np.maximum.accumulate(close)[1:]) - 1.0,
    }
    return np.asarray(simple["log" if name == "log_return" else "" if name == "drawdown" else family]())


COMPARED = [*CORE_VIEWS[2]["features"], "sma_37", "ema_5", "deviation_20", "rsi_2", "atr_7"]


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("name", COMPARED)
def test_equals_talib(name: str, market: str) -> None:
    bars = MARKETS[market]
    ours = compute(resolve("it", {"features": [name]}, {}), bars)[:, 0]
    theirs = peer(name, bars)
    assert np.array_equal(np.isnan(ours), np.isnan(theirs))
    scale = 1.0 if name in {"bb_position_20", "momentum_10", "momentum_63", "drawdown", "macd", "log_return"} else 0.0  # these cross zero
    assert np.allclose(ours, theirs, rtol=1e-9, atol=1e-9 * scale, equal_nan=True)


def test_macd_joins_that_of_talib() -> None:
    bars = MARKETS["calm"]
    ours = compute(resolve("it", {"features": ["macd", "macd_signal", "macd_histogram"]}, {}), bars)
    for column, theirs in zip(ours.T, talib.MACD(bars["close"], 12, 26, 9), strict=True):
        assert not np.allclose(column[33:60], theirs[33:60], rtol=1e-6)
        assert np.allclose(column[600:], theirs[600:], rtol=1e-9, atol=1e-9)


def test_signal_is_the_average_of_macd() -> None:
    bars = MARKETS["calm"]
    macd, signal = compute(resolve("it", {"features": ["macd", "macd_signal"]}, {}), bars).T
    assert np.allclose(signal[25:], talib.EMA(macd[25:].copy(), 9), rtol=1e-9, atol=1e-9, equal_nan=True)
