"""Bars for tests of the feature store."""

import numpy as np

from rpsd.core import instant
from rpsd.core.market import DAY_NS, Samples

FIRST = instant.parse("2023-01-01")


def bars(start: int, stop: int, seed: int = 5, known: np.ndarray | None = None) -> Samples:
    """Daily bars number start to stop of one endless walk: the same numbers however they are cut."""
    rng = np.random.default_rng(seed)
    n = 2000
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, n)))
    wide = np.abs(rng.normal(0, 0.01, n))
    columns = {
        "open": close * (1 + rng.normal(0, 0.002, n)),
        "high": close * (1.003 + wide),
        "low": close * (0.997 - wide),
        "close": close,
        "volume": rng.lognormal(10, 1, n).round(),
    }
    t = FIRST + np.arange(start, stop, dtype=np.int64) * DAY_NS
    return Samples(t, {name: values[start:stop].copy() for name, values in columns.items()}, known)
