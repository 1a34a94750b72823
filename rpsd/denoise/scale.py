"""Where and on which scale a series is filtered: sessions cut at gaps; price, log price or log return."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from rpsd.core.errors import Fault, NotPositive
from rpsd.core.market import DAY_NS, SECOND_NS, Times, Vector
from rpsd.kernels import filters

LARGEST: Final = 1e70  # size above which fourth powers would not stay finite
_LEAST: Final = 5e-324  # above 0: its logarithm exists
SHORTEST: Final = 16  # samples below which a session is returned as it is
_GAP: Final = 3.0  # median intervals
_IRREGULAR_GAP: Final = 30.0  # of ticks, whose intervals scatter: three medians would cut every eighth of them
_TRAILING: Final = 64  # intervals behind each gap that a causal cut may look at
_UNSURE: Final = 8  # earlier intervals below which a causal cut is as careful as with ticks
_DAILY_NS: Final = 20 * 3600 * SECOND_NS
WIDE: Final = 2.0  # highest over lowest price from which the log scale is chosen


@dataclass(frozen=True, slots=True)
class Working:
    """A series on its working scale: y (m,) of the sessions long enough to filter, joined; session i is y[starts[i]:starts[i+1]].

    `restore` maps x̂ (m,) back to (n,) in the unit of the input; samples of short sessions come back untouched. `place` puts numbers (m,)
    on their samples (n,), NaN on the others; `take` is its inverse.
    """

    scale: str
    y: Vector
    starts: Times
    sessions: int
    skipped: int
    restore: Callable[[Vector], Vector]
    place: Callable[[Vector], Vector]
    take: Callable[[Vector], Vector]


@dataclass(frozen=True, slots=True)
class Pace:
    """What a causal cut knows of the samples so far: the last time in ns UTC, the last 64 intervals (k,) in ns, and how many were seen."""

    t: int | None
    intervals: Vector
    seen: int


BEFORE: Final = Pace(None, np.empty(0), 0)
"""The pace before the first sample."""


def _weekdays_between(t: Times) -> Vector:
    """Intervals of daily bars in ns with Saturdays and Sundays left out, unless a bar lies on one of the two ends."""
    days = (t // DAY_NS).astype("datetime64[D]")
    counted = np.busday_count(days[:-1], days[1:]).astype(np.float64) * DAY_NS
    working = np.is_busday(days)
    return np.where(working[:-1] & working[1:], counted, np.diff(t).astype(np.float64))


def cuts(t: Times | None, n: int, *, causal: bool) -> Times:
    """First sample of each session and n (sessions + 1,): a new one begins after a gap of more than three median intervals.

    Daily and longer bars are counted in weekdays, so that a holiday weekend is no gap; intervals that scatter (upper quartile more
    than 1.5 times the lower) need thirty medians. A causal cut takes its quartiles from the 64 intervals before it. O(n).
    """
    if t is None or n < 3:
        return np.array([0, n], dtype=np.int64)
    if causal:
        begins, _ = beginnings(t, BEFORE)
        return np.append(np.flatnonzero(begins), n).astype(np.int64)
    elapsed = np.diff(t).astype(np.float64)
    order = [(elapsed.size - 1) * k // 4 for k in (1, 2, 3)]
    ranked = np.partition(elapsed, order)
    low, median, high = (np.full(elapsed.size, ranked[k]) for k in order)
    gap = _gaps(t, median, np.where(high <= 1.5 * low, _GAP, _IRREGULAR_GAP))
    return np.concatenate([[0], np.flatnonzero(gap) + 1, [n]]).astype(np.int64)


def beginnings(t: Times, pace: Pace) -> tuple[npt.NDArray[np.bool_], Pace]:
    """Whether a session begins with each of the next samples at t (n,), ns UTC, and the pace after them: the causal cut of cuts().

    Any split of t into stretches gives the same sessions. O(n).
    """
    if not t.size:
        return np.empty(0, np.bool_), pace
    begun = pace.t is not None
    known = np.concatenate([[pace.t], t]).astype(np.int64) if begun else t
    every = np.concatenate([pace.intervals, np.diff(known).astype(np.float64)])
    low, median, high = (np.empty(every.size) for _ in range(3))
    filters.trailing_quartiles(every, _TRAILING, low, median, high)
    new = slice(pace.intervals.size, None)
    factor = np.where(high[new] <= 1.5 * low[new], _GAP, _IRREGULAR_GAP)
    factor[: max(_UNSURE - max(pace.seen - 1, 0), 0)] = _IRREGULAR_GAP
    gap = _gaps(known, median[new], factor)
    after = Pace(int(t[-1]), every[-_TRAILING:].copy(), pace.seen + t.size)
    return gap if begun else np.append(True, gap), after


def _gaps(t: Times, median: Vector, factor: Vector) -> npt.NDArray[np.bool_]:
    """Whether each interval (n - 1,) between times t (n,) is wider than factor medians; long ones are counted in weekdays."""
    gap: npt.NDArray[np.bool_] = np.diff(t) > factor * median
    daily = gap & (median >= _DAILY_NS)
    if daily.any():
        gap &= ~daily | (_weekdays_between(t) > factor * median)
    return gap


def grows(values: Vector) -> bool:
    """Whether the typical step between values (n,) > 0, all finite, grows with their level rather than not at all. O(n)."""
    level, size = values[:-1] + values[1:], np.abs(np.diff(values))
    high = level > np.median(level)
    if not high.any() or high.all():
        return False
    steps, levels = (float(np.mean(v[high])) / max(float(np.mean(v[~high])), 1e-300) for v in (size, level))
    return steps * steps > levels


def choose(values: Vector, scale: str, *, causal: bool) -> str:
    """The scale itself, or for auto: log when all values are positive, the highest is over twice the lowest and steps grow with the level,

    else price. A causal run cannot know the range ahead: auto is price. Raises NotPositive for log and return of values that are not.
    """
    if scale == "auto":
        low = float(values.min())
        wide = not causal and low > 0.0 and float(values.max()) > WIDE * low
        return "log" if wide and grows(values) else "price"
    if scale in ("log", "return") and not (values > 0.0).all():
        row = int(np.flatnonzero(values <= 0.0)[0])
        raise NotPositive(f"value {row} is {values[row]:g}", errors=[Fault(f"/values/{row}", "not positive")])
    return scale


def corrected(values: npt.NDArray[np.float64], by: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Positive values moved by `by` on the log scale, both of one shape; held above 0 and at LARGEST, which a series that spans all of
    float64 would leave. Elementwise, so that a causal answer stays causal.
    """
    with np.errstate(over="ignore"):
        moved: npt.NDArray[np.float64] = np.clip(values * np.exp(by), _LEAST, LARGEST)
    return moved


def working(values: Vector, starts: Times, scale: str) -> Working:
    """The finite values (n,) on the scale price, log or return, cut at starts, without sessions under 16 samples.

    Return: log returns within each session are filtered and summed up again. Every scale restores the correction, not the level,
    so that a sample without correction comes back bit for bit.
    """
    y = values if scale == "price" else np.log(values)
    first = 1 if scale == "return" else 0  # a session of n prices has n - 1 returns
    if scale == "return":
        y = np.diff(y, prepend=y[0])
    spans = [(int(a) + first, int(b)) for a, b in pairwise(starts) if b - a - first >= SHORTEST]
    pieces = [y[a:b] for a, b in spans] or [np.empty(0)]
    joined = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
    inner = np.concatenate([[0], np.cumsum([b - a for a, b in spans])]).astype(np.int64)

    def restore(x: Vector) -> Vector:
        out = values.copy()
        for (a, b), c, d in zip(spans, inner[:-1], inner[1:], strict=True):
            if scale == "price":
                out[a:b] = x[c:d]
            elif scale == "log":
                out[a:b] = corrected(values[a:b], x[c:d] - y[a:b])
            else:
                out[a:b] = corrected(values[a:b], np.cumsum(x[c:d] - y[a:b]))
        return out

    def place(v: Vector) -> Vector:
        out = np.full(values.size, np.nan)
        for (a, b), c, d in zip(spans, inner[:-1], inner[1:], strict=True):
            out[a:b] = v[c:d]
        return out

    def take(v: Vector) -> Vector:
        return np.concatenate([v[a:b] for a, b in spans])

    return Working(scale, joined, inner, starts.size - 1, starts.size - 1 - len(spans), restore, place, take)
