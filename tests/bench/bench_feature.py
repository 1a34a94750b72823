"""Features of 500 series against a loop of pandas, and the next bar of each: python -m tests.bench.bench_feature."""

import sys
import time

import numpy as np
import pandas as pd

from rpsd.core.market import Vector
from rpsd.feature import CORE_VIEWS
from rpsd.feature.graph import resolve
from rpsd.feature.run import Memory, advance, compute
from rpsd.kernels import jit
from tests.bench.harness import bar, ratio_of_least, seconds

SERIES, BARS = 500, 1250
GRAPH = resolve("core_technical", CORE_VIEWS[2], {})


def market(rng: np.random.Generator) -> dict[str, Vector]:
    """Bars of one series."""
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, BARS)))
    high, low = close * np.exp(np.abs(rng.normal(0.0, 0.005, BARS))), close * np.exp(-np.abs(rng.normal(0.0, 0.005, BARS)))
    return {"open": close, "high": high, "low": low, "close": close, "volume": rng.lognormal(14.0, 0.5, BARS)}


def seeded(x: pd.Series, n: int, weight: float) -> pd.Series:
    """The exponential average begun by the mean of the first n values, as everyone writes it in pandas."""
    first = int(x.first_valid_index() or 0)
    head = x.copy()
    head.iloc[: first + n] = np.nan
    head.iloc[first + n - 1] = x.iloc[first : first + n].mean()
    return head.ewm(alpha=weight, adjust=False, ignore_na=True).mean()


def in_pandas(frame: pd.DataFrame) -> pd.DataFrame:
    """The same 21 features of one series."""
    close, out = frame["close"], {}
    for n in (5, 10, 20, 50, 200):
        out[f"sma_{n}"] = close.rolling(n).mean()
    for n in (12, 26):
        out[f"ema_{n}"] = seeded(close, n, 2.0 / (n + 1.0))
    out["macd"] = out["ema_12"] - out["ema_26"]
    middle, deviation = out["sma_20"], close.rolling(20).std(ddof=0)
    out["bb_upper_20"], out["bb_middle_20"], out["bb_lower_20"] = middle + 2.0 * deviation, middle, middle - 2.0 * deviation
    out["bb_position_20"] = (close - out["bb_lower_20"]) / (out["bb_upper_20"] - out["bb_lower_20"])
    change = close.diff()
    rise, fall = seeded(change.clip(lower=0.0), 14, 1.0 / 14.0), seeded((-change).clip(lower=0.0), 14, 1.0 / 14.0)
    out["rsi_14"] = 100.0 * rise / (rise + fall)
    before = close.shift()
    span = np.maximum(frame["high"], before) - np.minimum(frame["low"], before)
    out["atr_14"] = seeded(span, 14, 1.0 / 14.0)
    out["log_return"] = np.log(close / before)
    out["realised_vol_20"] = np.sqrt((out["log_return"] ** 2).rolling(20).mean())
    out["parkinson_20"] = np.sqrt((np.log(frame["high"] / frame["low"]) ** 2).rolling(20).mean() / (4.0 * np.log(2.0)))
    out["momentum_10"], out["momentum_63"] = close / close.shift(10) - 1.0, close / close.shift(63) - 1.0
    out["volume_ratio_20"] = frame["volume"] / frame["volume"].rolling(20).mean()
    out["drawdown"] = close / close.cummax() - 1.0
    return pd.DataFrame({name: out[name] for name in GRAPH.names})


def next_bars(series: list[dict[str, Vector]]) -> bool:
    """The next bar of every series from its packed memory to the memory packed again, in seconds of the processor."""
    memories = [advance(GRAPH, Memory.fresh(GRAPH), {name: x[:-1] for name, x in one.items()})[1].pack(GRAPH) for one in series]
    last = [{name: x[-1:].copy() for name, x in one.items()} for one in series]

    def every() -> None:
        for packed, one in zip(memories, last, strict=True):
            memory = Memory.unpack(GRAPH, packed)
            assert memory is not None
            advance(GRAPH, memory, one)[1].pack(GRAPH)

    took, begin = [], time.process_time()  # of the processor: the wall clock of a busy machine tells of its other work
    for _ in range(5):
        every()
        took.append(time.process_time() - begin)
        begin = time.process_time()
    return bar("feature_next_bar_500_series_cpu_seconds", min(took), "<=", 0.25)


def main() -> int:
    jit.warm()
    rng = np.random.default_rng(1)
    series = [market(rng) for _ in range(SERIES)]
    frames = [pd.DataFrame(one) for one in series]
    ours, theirs = compute(GRAPH, series[0]), in_pandas(frames[0]).to_numpy()
    assert np.allclose(ours, theirs, rtol=1e-8, atol=1e-9, equal_nan=True)
    peers = SERIES // 50  # the loop takes the same time for each series
    share, a, b = ratio_of_least(
        lambda: [compute(GRAPH, one) for one in series[:peers]], lambda: [in_pandas(one) for one in frames[:peers]], 25
    )
    print(f"{peers} series of {BARS} bars, {len(GRAPH.names)} features: rpsd {1e3 * a:.1f} ms, pandas {1e3 * b:.0f} ms")
    whole = seconds(lambda: [compute(GRAPH, one) for one in series], 5)
    rate = 1e-6 * SERIES * BARS * len(GRAPH.names) / whole
    print(f"{SERIES} series: {1e3 * whole:.0f} ms")
    held = [
        bar("feature_compute_vs_pandas", 1.0 / share, ">=", 20.0),
        bar("feature_compute_mvalues_per_s", rate, ">=", 1.0),
        next_bars(series),
    ]
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
