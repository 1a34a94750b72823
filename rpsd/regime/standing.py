"""Where a model's filter stands after the last bar, moved on bar by bar in O(k²) and kept as bytes."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from rpsd.core.market import Times, Vector
from rpsd.core.model import Packet
from rpsd.core.result import Matrix
from rpsd.kernels.hmm import Model
from rpsd.regime.hmm import ahead, filter_from
from rpsd.regime.observe import Observations, looks_like_split
from rpsd.regime.observer import Carry, Observer

_FORMAT: Final = 2
_HEAD: Final = struct.Struct("<HHqqqqqqq")

NEVER_NS: Final = -(2**63)
"""Before all times."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The filter after the bar at carry.t (ns UTC): p (k,), its likeliest state, since when (ns) and for how many bars.

    `carry` is what the next bar needs of those before. `looked` counts the bars looked at since the training, `seen_ns` is the last of
    them; carry.t lags behind it where bars could not be observed. `jumped_ns` is the last bar since the training whose return looks like
    a split, NEVER_NS without one.
    """

    carry: Carry
    p: Vector
    state: int
    since_ns: int
    bars: int
    looked: int
    seen_ns: int
    jumped_ns: int = NEVER_NS


def continuation(seen: Observations) -> tuple[dict[str, Any], dict[str, Vector]]:
    """What the packet of a trained model keeps of its last bar, in its head and arrays, so that live bars go on from there."""
    return {"step_ns": seen.observer.step_ns, "carry_ns": seen.carry.t}, {"carry": seen.carry.memory}


def beginning(state: Packet) -> Standing:
    """Where a trained model stands: after its last training bar."""
    current, carry = state.head["current"], Carry(int(state.head["carry_ns"]), state.arrays["carry"])
    now, since_ns, bars = int(current["state"]), int(current["since_ns"]), int(current["bars_in_regime"])
    return Standing(carry, state.arrays["alpha"], now, since_ns, bars, 0, carry.t)


def advance(
    state: Packet, at: Standing, t: Times, prices: Vector, cells: Mapping[str, Vector] | None = None, model: Model | None = None
) -> tuple[Standing, Times, Matrix]:
    """The standing after closed bars at t (n,) in ns UTC, all after at.seen_ns, of prices (n,) and the cells (n,) of each stored column.

    Beside it the times (m,) of its steps and the filter (m, k) after each. A bar that cannot be observed is passed over, and so is an
    intraday return across a gap, such as a night. However the bars are split over calls, the steps are the same bit for bit. Causal.
    Cost O(n k²). `model`: opened(state), where it is at hand.
    """
    if not t.size:
        return at, t, np.empty((0, at.p.size))
    sight = Observer.of(state.head["columns"], state.head["step_ns"]).observe(at.carry, t, prices, cells or {})
    p, alpha = at.p, np.empty((0, at.p.size))
    if sight.t.size:
        alpha, _ = filter_from(state, ahead(state, p), sight.z, model)
        p = alpha[-1]
    now, since_ns, bars = _run(at, sight.t, alpha)
    jumps = sight.t[looks_like_split(sight.z[:, 0])]
    jumped_ns = int(jumps[-1]) if jumps.size else at.jumped_ns
    return Standing(sight.carry, p, now, since_ns, bars, at.looked + int(t.size), int(t[-1]), jumped_ns), sight.t, alpha


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
    head = _HEAD.pack(_FORMAT, at.p.size, at.carry.t, at.seen_ns, at.state, at.since_ns, at.bars, at.looked, at.jumped_ns)
    return head + np.concatenate([at.p, at.carry.memory]).astype("<f8", copy=False).tobytes()


def unpack(data: bytes) -> Standing | None:
    """The standing that pack() made; None when another release of rpsd has packed it another way."""
    if int.from_bytes(data[:2], "little") != _FORMAT:
        return None
    _, k, t, seen_ns, state, since_ns, bars, looked, jumped_ns = _HEAD.unpack_from(data)
    numbers = np.frombuffer(data, "<f8", offset=_HEAD.size)
    return Standing(Carry(t, numbers[k:]), numbers[:k], state, since_ns, bars, looked, seen_ns, jumped_ns)
