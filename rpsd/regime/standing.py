"""Where a model's filter stands after the last bar, moved on bar by bar in O(k²) and kept as bytes."""

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np

from rpsd.core.market import DAY_NS, INTERVALS, Times, Vector
from rpsd.core.model import Packet
from rpsd.core.result import Matrix
from rpsd.regime.hmm import ahead, filter_from
from rpsd.regime.observe import log_returns, spans_one_bar

_FORMAT: Final = 1
_HEAD: Final = struct.Struct("<Hqqdqqqq")


@dataclass(frozen=True, slots=True)
class Standing:
    """The filter after the bar at t (ns UTC) of that price: p (k,), its likeliest state, since when (ns) and for how many bars.

    `taken` counts the bars taken in since the training. `seen_ns` is the last bar looked at; t lags behind it where prices are missing.
    """

    t: int
    price: float
    p: Vector
    state: int
    since_ns: int
    bars: int
    taken: int
    seen_ns: int


def beginning(state: Packet) -> Standing:
    """Where a trained model stands: after its last training bar."""
    current, until_ns = state.head["current"], int(state.head["trained_until_ns"])
    now, since_ns, bars = int(current["state"]), int(current["since_ns"]), int(current["bars_in_regime"])
    return Standing(until_ns, float(state.head["last_price"]), state.arrays["alpha"], now, since_ns, bars, 0, until_ns)


def advance(state: Packet, at: Standing, t: Times, prices: Vector, interval: str) -> tuple[Standing, Times, Matrix]:
    """The standing after closed bars at t (n,) in ns UTC, all after at.seen_ns, of prices (n,); times (m,) and filter (m, k) of its steps.

    A missing price, or one that is not positive, has no return and is passed over, and so is an intraday return across a gap, such as a
    night. However the bars are split over calls, the steps are the same bit for bit. Causal. Cost O(n k²).
    """
    if not t.size:
        return at, t, np.empty((0, at.p.size))
    sane = prices > 0  # False for a missing one
    seen_ns, length = int(t[-1]), INTERVALS[interval]
    t, prices = t[sane], prices[sane]
    moments = np.concatenate([[at.t], t])
    x = log_returns(np.concatenate([[at.price], prices]))
    whole = spans_one_bar(np.diff(moments), length) if 0 < length < DAY_NS else np.ones(x.size, np.bool_)
    p, steps, alpha = at.p, t[whole], np.empty((0, at.p.size))
    if steps.size:
        alpha, _ = filter_from(state, ahead(state, p), x[whole])
        p = alpha[-1]
    now, since_ns, bars = _run(at, steps, alpha)
    last, price = (int(t[-1]), float(prices[-1])) if t.size else (at.t, at.price)
    return Standing(last, price, p, now, since_ns, bars, at.taken + int(t.size), seen_ns), steps, alpha


def _run(at: Standing, steps: Times, alpha: Matrix) -> tuple[int, int, int]:
    """The last state, the time since which the filter has been in it, and for how many steps."""
    if not steps.size:
        return at.state, at.since_ns, at.bars
    states = alpha.argmax(axis=1)
    now = int(states[-1])
    others = np.flatnonzero(states != now)
    if others.size:
        first = int(others[-1]) + 1
        return now, int(steps[first]), int(steps.size) - first
    if now == at.state:
        return now, at.since_ns, at.bars + int(steps.size)
    return now, int(steps[0]), int(steps.size)


def pack(at: Standing) -> bytes:
    """The standing as bytes, little-endian, every bit of it."""
    head = _HEAD.pack(_FORMAT, at.t, at.seen_ns, at.price, at.state, at.since_ns, at.bars, at.taken)
    return head + np.ascontiguousarray(at.p, "<f8").tobytes()


def unpack(data: bytes) -> Standing | None:
    """The standing that pack() made; None when another release of rpsd has packed it another way."""
    if int.from_bytes(data[:2], "little") != _FORMAT:
        return None
    _, t, seen_ns, price, state, since_ns, bars, taken = _HEAD.unpack_from(data)
    return Standing(t, price, np.frombuffer(data, "<f8", offset=_HEAD.size), state, since_ns, bars, taken, seen_ns)
