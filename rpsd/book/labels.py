"""What a book model learns to foretell: where the mid goes, by a recipe that is stored with the model."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from rpsd.book.features import PAUSE_NS
from rpsd.core.book import Grid, Integers
from rpsd.core.market import Times, Vector
from rpsd.core.parameters import LabelParameters

_MS_NS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Labels:
    """`y` (n,): -1 down, 0 flat, 1 up. `known` (n,): whether the label is. `until` (n,): the event that settles it, n where not known.

    `cluster` (n,): labels that share their outcome have one number, which rises with time: of next_mid_move it is the move itself, of
    the others a stretch that holds at least one whole label and one move. `alpha`: the bound of flat in ticks, 0 of next_mid_move.
    """

    y: Integers
    known: npt.NDArray[np.bool_]
    until: Integers
    cluster: Integers
    alpha: float


def name_of(params: LabelParameters) -> str:
    """The label as a model's name ends.

    >>> name_of(LabelParameters(label="horizon_ms", horizon=500))
    'horizon_500_ms'
    """
    if params.label == "next_mid_move":
        return params.label
    what, unit = ("smoothed", "events") if params.label == "smoothed" else params.label.split("_")
    return f"{what}_{params.horizon}_{unit}"


def alpha_of(tops: Grid, tick: float) -> float:
    """max(1/2, half the mean spread), in ticks, of tops (n, 4): what a move must pass to be worth more than the half spread it costs."""
    spread = (tops[:, 2] - tops[:, 0])[_two_sided(tops)] / tick
    return max(0.5, 0.5 * float(spread.mean())) if spread.size else 0.5


def labelled(t: Times, tops: Grid, tick: float, params: LabelParameters, alpha: float | None = None) -> Labels:
    """Labels of the events of one tape: times t (n,) in ns, not falling; tops (n, 4) bid, size, ask, size after each event, 0 if none.

    The label of event i begins with the book b, the last one at or before t[i] + delay (b = i without delay), whose mid is m[b]:
    next_mid_move: the sign of the first mid after b that differs from m[b].
    horizon_events, horizon_ms: m at the event so many events after b, or at the last one so many ms after t[i] + delay, less m[b].
    smoothed: the mean of so many mids after b less the mean of as many up to i.
    The last three are up above alpha, down below -alpha and else flat, so a tie is flat; `alpha` in ticks, by default that of these tops;
    take it from what a model trained on. Unknown: a label that looks beyond the tape, across a one-sided book, or across a pause of more
    than PAUSE_NS. Hindsight, by nature. O(n log n).
    Source: next move: Gould and Bonart (2016), Market Microstructure and Liquidity 2(2); smoothed: Zhang, Zohren, Roberts (2019), IEEE
    Trans. Signal Process. 67(11), equations 2 to 4, in ticks instead of shares of the price.
    """
    n = t.size
    is_whole = _two_sided(tops)
    mid = np.where(is_whole, np.rint(tops[:, 0] / tick) + np.rint(tops[:, 2] / tick), 0.0)  # in half ticks, so that equal is equal
    part = (np.cumsum(np.diff(t, prepend=t[:1]) > PAUSE_NS) + np.cumsum(~is_whole)).astype(np.int64)
    after_ns = t + round(params.delay_ms * _MS_NS)
    base = np.searchsorted(t, after_ns, side="right") - 1 if params.delay_ms > 0 else np.arange(n)
    moves = 1 + np.flatnonzero(np.diff(mid))
    next_move = np.append(moves, n)[np.searchsorted(moves, base, side="right")]
    k = params.horizon
    if params.label == "next_mid_move":
        until, change, alpha = next_move, _at(mid, next_move) - mid[base], 0.0
    elif params.label == "horizon_ms":
        ends = after_ns + k * _MS_NS
        until = np.where(ends <= t[-1:], np.searchsorted(t, ends, side="right") - 1, n)
        change = _at(mid, until) - mid[base]
    else:
        until = np.minimum(base + k, n)
        change = _at(mid, until) - mid[base] if params.label == "horizon_events" else _means(mid, until, k) - _means(mid, np.arange(n), k)
    alpha = alpha_of(tops, tick) if alpha is None else alpha
    known = (until < n) & is_whole & (_at(part, until) == part)
    if params.label == "smoothed":
        known &= (np.arange(n) >= k - 1) & (part[np.maximum(np.arange(n) - k + 1, 0)] == part)
    y = np.where(known, (change > 2 * alpha).astype(np.int64) - (change < -2 * alpha), 0)
    until = np.where(known, until, n)
    cluster = (
        np.searchsorted(moves, next_move)
        if params.label == "next_mid_move"
        else _stretches(np.where(known, np.maximum(until, next_move), next_move))
    )
    return Labels(y, known, until, cluster, alpha)


def _two_sided(tops: Grid) -> npt.NDArray[np.bool_]:
    return np.asarray((tops[:, 1] > 0) & (tops[:, 3] > 0))


def _at(values: npt.NDArray[np.float64] | Integers, index: Integers) -> Vector:
    """values (n,) at the index, whatever where it is n."""
    return np.asarray(values[np.minimum(index, values.size - 1)], np.float64)


def _means(mid: Vector, last: Integers, k: int) -> Vector:
    """Means of k mids up to and with the last one; mids are whole half ticks, so the sums are exact."""
    sums = np.concatenate([[0.0], np.cumsum(mid)])
    end = np.minimum(last, mid.size - 1) + 1
    return np.asarray((sums[end] - sums[np.maximum(end - k, 0)]) / k)


def _stretches(until: Integers) -> Integers:
    """Numbers (n,) of stretches, each from an event to where its label and the next move have come."""
    n, at, starts = until.size, 0, []
    reach = np.maximum.accumulate(until)
    while at < n:
        starts.append(at)
        at = int(reach[at]) + 1
    return np.asarray(np.searchsorted(starts, np.arange(n), side="right") - 1)
