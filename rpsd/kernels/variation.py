"""Exact total-variation denoising in one dimension by dynamic programming.

Source: Johnson (2013), JCGS 22, 246-260, "A dynamic programming algorithm for the fused lasso and L0-segmentation"; with weights.
The best cost of samples 0..i as a function of x_i has a derivative that is piecewise linear and non-decreasing. It is kept as a queue
of knots (place, change of slope, change of intercept); each step adds one sample, cuts the derivative at -lam and lam, and
remembers the two places of the cuts, between which x_i may follow x_{i+1} freely.
"""

from collections import deque
from typing import Final

import numpy as np

from rpsd.core.market import Vector
from rpsd.kernels.jit import kernel

_ROOM: Final = 256  # knots at the start; the queue seldom holds more than a piece has samples


def reference_total_variation(y: Vector, weights: Vector, lam: float) -> Vector:
    """x (n,) that minimises sum weights (y - x)^2 / 2 + lam sum |x_t - x_{t-1}|; lam > 0, weights > 0. Not causal. O(n)."""
    n, knots = y.size, deque[tuple[float, float, float]]()
    low, high = np.empty(n), np.empty(n)
    for i in range(n):
        edge = lam if i > 0 else 0.0  # the derivative outside its outermost knots, before sample i is added
        target = lam if i < n - 1 else 0.0  # the last sample has no neighbour to pay for
        slope, level = float(weights[i]), -float(weights[i] * y[i]) - edge
        while knots and slope * knots[0][0] + level < -target:
            _, turn, lift = knots.popleft()
            slope, level = slope + turn, level + lift
        low[i] = (-target - level) / slope
        knots.appendleft((low[i], slope, level + target))
        slope, level = float(weights[i]), -float(weights[i] * y[i]) + edge
        while len(knots) > 1 and slope * knots[-1][0] + level > target:
            _, turn, lift = knots.pop()
            slope, level = slope - turn, level - lift
        high[i] = max((target - level) / slope, low[i])
        knots.append((high[i], -slope, target - level))
    x = low
    for i in range(n - 2, -1, -1):
        x[i] = min(max(x[i + 1], low[i]), high[i])
    return x


@kernel
def _grown(ring, head, count):  # type: ignore[no-untyped-def]
    """The knots in twice the room, the first at place 0."""
    wider = np.empty((2 * ring.shape[0], 3))
    for k in range(count):
        for column in range(3):  # one by one: of whole rows numba checks the shapes, in words, which takes a second to compile
            wider[k, column] = ring[(head + k) & (ring.shape[0] - 1), column]
    return wider


@kernel
def total_variation(y, weights, lam, high, out):  # type: ignore[no-untyped-def]
    """`reference_total_variation` into out (n,); high (n,) is working space. The knots live in a ring that grows when full."""
    n = y.size
    ring, head, count = np.empty((_ROOM, 3)), 0, 0
    for i in range(n):
        if count + 2 > ring.shape[0]:
            ring, head = _grown(ring, head, count), 0
        mask = ring.shape[0] - 1
        edge, target = (lam if i > 0 else 0.0), (lam if i < n - 1 else 0.0)
        slope, level = weights[i], -weights[i] * y[i] - edge
        while count > 0 and slope * ring[head, 0] + level < -target:
            slope += ring[head, 1]
            level += ring[head, 2]
            head, count = (head + 1) & mask, count - 1
        out[i] = (-target - level) / slope
        head, count = (head - 1) & mask, count + 1
        ring[head, 0], ring[head, 1], ring[head, 2] = out[i], slope, level + target
        slope, level = weights[i], -weights[i] * y[i] + edge
        last = (head + count - 1) & mask
        while count > 1 and slope * ring[last, 0] + level > target:
            slope -= ring[last, 1]
            level -= ring[last, 2]
            last, count = (last - 1) & mask, count - 1
        high[i] = max((target - level) / slope, out[i])
        last, count = (last + 1) & mask, count + 1
        ring[last, 0], ring[last, 1], ring[last, 2] = high[i], -slope, target - level
    for i in range(n - 2, -1, -1):
        out[i] = min(max(out[i + 1], out[i]), high[i])


def solve(y: Vector, weights: Vector, lam: float) -> Vector:
    """`total_variation` of y (n,) with weights (n,), both contiguous and writable; lam 0 gives y. Constant pieces are equal to the bit."""
    if lam <= 0.0 or y.size == 0:
        return y.copy()
    origin, out = float(y[0]), np.empty(y.size)  # sums of small numbers: a constant series stays itself to the bit
    total_variation(y - origin, weights, lam, np.empty(y.size), out)
    out += origin
    return out


def warm() -> None:
    """Compile or load every kernel of this file."""
    solve(np.arange(8.0), np.ones(8), 0.5)
