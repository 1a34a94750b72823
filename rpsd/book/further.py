"""Features beside the 27, on rows that features.run has made: fitted ones by what a model has kept, volatilities by closed bars."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rpsd.book import integrated, microprice, ranges
from rpsd.book.features import FURTHER, BookMemory, run
from rpsd.core.book import Grid, Tape
from rpsd.core.errors import TooShort
from rpsd.core.market import Times, Vector

NAMES: Final = tuple(feature.name for feature in FURTHER)
"""What can be asked for beside the 27."""
FITTED: Final = ("integrated_ofi", "stoikov_t")
"""Those that rest on what a training has fitted."""
WEIGHTS: Final = "integrated"
TABLE: Final = "micro_price"


def fitted(tapes: Sequence[tuple[Tape, float]]) -> dict[str, npt.NDArray[Any]]:
    """What a model keeps for them: the weights of the integrated flow and, of tapes with one tick, the table of the micro-price.

    Hindsight over the tapes. Arrays that too few events would make are left out. O(n).
    """
    rows = [run(tape, tick, BookMemory.fresh())[:2] for tape, tick in tapes if tape.n]
    kept: dict[str, npt.NDArray[Any]] = {}
    ticks = {tick for tape, tick in tapes if tape.n}
    try:
        kept[WEIGHTS] = integrated.fit(np.concatenate([features for features, _ in rows]))
        if len(ticks) == 1:
            kept[TABLE] = microprice.fit(np.concatenate([tops for _, tops in rows]), ticks.pop()).table
    except TooShort:
        pass  # a short tape: the model itself says what it lacks
    return kept


def by_fit(name: str, features: Grid, tops: Grid, tick: float, kept: Mapping[str, npt.NDArray[Any]]) -> Vector | None:
    """A feature of FITTED (n,) on features (n, 27) and quotes (n, 4), None when the model has kept nothing for it. Causal given the fit."""
    if name == FITTED[0]:
        return integrated.integrated(features, kept[WEIGHTS]) if WEIGHTS in kept else None
    return microprice.MicroPrice(kept[TABLE]).adjustment(tops, tick) if TABLE in kept else None


def volatility(estimator: str, t: Times, tops: Grid, asked: Times, *, bar_ns: int, window: int) -> Vector:
    """Volatility per bar (m,) at the moments asked (m,), by the last `window` bars of the mid that had closed before each.

    NaN before there are so many. t (n,): the clock, not falling, of quotes (n, 4), those before the first moment asked included. A bar that
    ends at a moment is not yet closed at it. Causal. O(n + m log n). Source: that of ranges.ESTIMATORS[estimator].
    """
    known = (tops[:, 1] > 0.0) & (tops[:, 3] > 0.0)
    mid = np.where(known, 0.5 * (tops[:, 0] + tops[:, 2]), np.nan)
    ends, bars = ranges.closed_bars(t, mid, bar_ns)
    out = np.full(asked.size, np.nan)
    if ends.size <= window:
        return out
    values = ranges.rolling(bars, estimator, window)
    place = np.searchsorted(ends, asked, "left") - 1 - window
    out[place >= 0] = values[place[place >= 0]]
    return out
