"""How order flow and price go together: in the same window, which is bookkeeping, and in the next one, which would be skill."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from rpsd.book.features import FEATURES, BookMemory, run
from rpsd.core.book import Tape
from rpsd.core.errors import TooShort
from rpsd.core.market import SECOND_NS, Vector

_FLOW: Final = [feature.name for feature in FEATURES].index("ofi_ev")
_FEWEST: Final = 10


@dataclass(frozen=True, slots=True)
class Impact:
    """Regressions of the mid's move on the order flow of windows: `r2` of the same window, `r2_next` of the one after.

    `slope` and `slope_next` are in ticks per mean size at the best quotes, `error` and `error_next` their standard errors (White's, which
    allow the noise to vary).
    """

    windows: int
    window_ns: int
    r2: float
    slope: float
    error: float
    r2_next: float
    slope_next: float
    error_next: float


def windows(tape: Tape, tick: float, window_ns: int = 10 * SECOND_NS) -> tuple[Vector, Vector]:
    """Order flow (m,) in mean sizes at the best quotes and move of the mid (m,) in ticks of each whole window of the tape's clock.

    The order flow of an event is divided by the mean size at the best quotes at that event, so the depth it meets is accounted for. A
    window without a price moves by nothing.
    """
    features, tops, _ = run(tape, tick, BookMemory.fresh())
    clock = np.maximum.accumulate(tape.t)
    known = (tops[:, 1] > 0.0) & (tops[:, 3] > 0.0)
    first = int(np.argmax(known)) if known.any() else tape.n
    window = (clock[first:] - clock[first:][:1]) // window_ns
    count = int(window[-1]) if window.size else 0  # the last one is not over
    flow: Vector = np.bincount(window, features[first:, _FLOW], count + 1)[:count].astype(np.float64)
    place = np.maximum.accumulate(np.where(known, np.arange(tape.n), 0))
    mid = (0.5 * (tops[:, 0] + tops[:, 2]) / tick)[place][first:]
    after = np.searchsorted(window, np.arange(1, count + 1)) - 1
    return flow, np.diff(mid[np.concatenate([[0], after])]) if count else np.empty(0)


def impact(tape: Tape, tick: float, window_ns: int = 10 * SECOND_NS) -> Impact:
    """Both regressions over the whole windows of a tape. Raises TooShort below ten windows.

    A high `r2` says that orders at the best quotes are what moves the price; it does not foretell: the flow is known when the move is.
    Source: Cont, Kukanov and Stoikov (2014), J. Financial Econometrics 12, 47-88, equation 9 and section 3.
    """
    flow, move = windows(tape, tick, window_ns)
    if flow.size < _FEWEST:
        raise TooShort(f"{flow.size} whole windows; a regression needs {_FEWEST}")
    return Impact(int(flow.size), window_ns, *_regression(flow, move), *_regression(flow[:-1], move[1:]))


def _regression(x: Vector, y: Vector) -> tuple[float, float, float]:
    """R², slope and White's standard error of the slope of y (m,) on x (m,) and a constant; 0 where x or y does not vary."""
    x, y = x - x.mean(), y - y.mean()
    power, total = float(x @ x), float(y @ y)
    if power == 0.0 or total == 0.0:
        return 0.0, 0.0, 0.0
    slope = float(x @ y) / power
    residual = y - slope * x
    error = float(np.sqrt((x**2 @ residual**2) * x.size / (x.size - 2))) / power
    return 1.0 - float(residual @ residual) / total, slope, error
