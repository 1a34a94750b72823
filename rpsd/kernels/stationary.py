"""The stationary wavelet transform on a circle: every shift on the fine levels, 2^dense shifts below, one level at a time.

With orthonormal filters h, g and a_0 = y on a circle of N samples, level j <= dense takes a_j[t] = sum_k h_k a_{j-1}[t + (k - c) 2^{j-1}],
d_j likewise with g (a trous), c = taps / 2 - (taps / 2) mod 2; its inverse is the mean over both shifts. Below, a_dense is 2^dense
interleaved series, one in each column, and each goes on by the decimated transform. Filters have even length. White noise keeps its
variance.
The readable forms (`analyse_reference` ...) stand above the kernels. Sources: Mallat (1989), IEEE PAMI 11, 674-693; Shensa (1992),
IEEE Trans. Signal Process. 40, 2464-2482 (a trous); Coifman and Donoho (1995), Lecture Notes in Statistics 103, 125-150 (mean over shifts).
"""

from typing import Final

import numpy as np

from rpsd.core.market import Vector
from rpsd.kernels.jit import kernel

COLUMNS: Final = 8  # interleaved series on the decimated levels: those of three dense ones
_BLOCK: Final = 1024  # outputs that stay in the first-level cache while the taps pass


def centre(taps: int) -> int:
    """Index of the tap at the sample itself: even, so that the decimated levels keep whole pairs, and near the middle."""
    return taps // 2 - (taps // 2) % 2


def reference_analyse(a: Vector, lo: Vector, hi: Vector, gap: int) -> tuple[Vector, Vector]:
    """One dense level down: (n,) and (n,) of a (n,) on a circle, the taps `gap` samples apart."""
    shifted = [np.roll(a, -(k - centre(lo.size)) * gap) for k in range(lo.size)]
    return lo @ np.array(shifted), hi @ np.array(shifted)


def reference_synthesise(low: Vector, high: Vector, lo: Vector, hi: Vector, gap: int) -> Vector:
    """One dense level up: the mean (n,) over the two shifts, inverse of `reference_analyse`."""
    taps = [(k - centre(lo.size)) * gap for k in range(lo.size)]
    back = sum(h * np.roll(low, s) + g * np.roll(high, s) for h, g, s in zip(lo, hi, taps, strict=True))
    return np.asarray(0.5 * back, dtype=np.float64)


def reference_halve(a: Vector, lo: Vector, hi: Vector) -> tuple[Vector, Vector]:
    """One decimated level down of each of the interleaved series a.reshape(-1, COLUMNS): (n/2,) and (n/2,)."""
    rows = a.reshape(-1, COLUMNS)
    shifted = [np.roll(rows, -(k - centre(lo.size)), axis=0)[::2] for k in range(lo.size)]
    low, high = (sum(f * s for f, s in zip(taps, shifted, strict=True)) for taps in (lo, hi))
    return np.ravel(low), np.ravel(high)


def reference_double(low: Vector, high: Vector, lo: Vector, hi: Vector) -> Vector:
    """One decimated level up: (2m,) of m and m, inverse of `reference_halve`."""
    wide = np.zeros((2, 2 * low.size // COLUMNS, COLUMNS))
    wide[0, ::2], wide[1, ::2] = low.reshape(-1, COLUMNS), high.reshape(-1, COLUMNS)
    taps = [k - centre(lo.size) for k in range(lo.size)]
    rows = sum(h * np.roll(wide[0], s, axis=0) + g * np.roll(wide[1], s, axis=0) for h, g, s in zip(lo, hi, taps, strict=True))
    return np.ravel(rows)


@kernel
def _add_down(u, at_u, v, at_v, taps, low, high):  # type: ignore[no-untyped-def]
    """low and high (m,) += one pair of taps of each filter, over u and v from the given places on."""
    l0, l1, h0, h1 = taps
    p, q = u[at_u : at_u + low.size], v[at_v : at_v + low.size]
    for i in range(low.size):
        low[i] += l0 * p[i] + l1 * q[i]
        high[i] += h0 * p[i] + h1 * q[i]


@kernel
def _add_up(low, high, at, then, taps, out):  # type: ignore[no-untyped-def]
    """out (m,) += one pair of taps of each filter, over low and high from the two places on."""
    l0, l1, h0, h1 = taps
    p, q, r, s = low[at : at + out.size], high[at : at + out.size], low[then : then + out.size], high[then : then + out.size]
    for i in range(out.size):
        out[i] += l0 * p[i] + h0 * q[i] + (l1 * r[i] + h1 * s[i])


@kernel
def _down(u, shift_u, v, shift_v, taps, begin, low, high):  # type: ignore[no-untyped-def]
    """`_add_down` for the outputs begin, begin + 1, ... of a circle, whose sources start at begin + shift: in runs without a seam."""
    n, done = u.size, 0
    while done < low.size:
        at_u, at_v = (begin + done + shift_u) % n, (begin + done + shift_v) % n
        run = min(low.size - done, n - at_u, n - at_v)
        _add_down(u, at_u, v, at_v, taps, low[done : done + run], high[done : done + run])
        done += run


@kernel
def _up(low, high, shift, then, taps, begin, out):  # type: ignore[no-untyped-def]
    """`_add_up` on a circle, as `_down`."""
    n, done = low.size, 0
    while done < out.size:
        at, after = (begin + done + shift) % n, (begin + done + then) % n
        run = min(out.size - done, n - at, n - after)
        _add_up(low, high, at, after, taps, out[done : done + run])
        done += run


@kernel
def analyse(a, lo, hi, gap, low, high):  # type: ignore[no-untyped-def]
    """`reference_analyse` into low and high (n,)."""
    c = lo.size // 2 - (lo.size // 2) % 2
    for b in range(0, a.size, _BLOCK):
        e = min(b + _BLOCK, a.size)
        low[b:e] = 0.0
        high[b:e] = 0.0
        for k in range(0, lo.size, 2):
            pair = (lo[k], lo[k + 1], hi[k], hi[k + 1])
            _down(a, (k - c) * gap, a, (k + 1 - c) * gap, pair, b, low[b:e], high[b:e])


@kernel
def synthesise(low, high, lo, hi, gap, out):  # type: ignore[no-untyped-def]
    """`reference_synthesise` into out (n,)."""
    c = lo.size // 2 - (lo.size // 2) % 2
    for b in range(0, out.size, _BLOCK):
        e = min(b + _BLOCK, out.size)
        out[b:e] = 0.0
        for k in range(0, lo.size, 2):
            pair = (0.5 * lo[k], 0.5 * lo[k + 1], 0.5 * hi[k], 0.5 * hi[k + 1])
            _up(low, high, (c - k) * gap, (c - k - 1) * gap, pair, b, out[b:e])


@kernel
def halve(a, lo, hi, room, low, high):  # type: ignore[no-untyped-def]
    """`reference_halve` into low and high (n/2,); room for n values is given, because fresh memory costs more than the work."""
    m, c = low.size, lo.size // 2 - (lo.size // 2) % 2
    even, odd = room[:m], room[m : 2 * m]
    for i in range(0, m, COLUMNS):
        for column in range(COLUMNS):  # a constant, and two loops: each becomes one move
            even[i + column] = a[2 * i + column]
        for column in range(COLUMNS):
            odd[i + column] = a[2 * i + COLUMNS + column]
    for b in range(0, m, _BLOCK):
        e = min(b + _BLOCK, m)
        low[b:e] = 0.0
        high[b:e] = 0.0
        for k in range(0, lo.size, 2):
            shift = (k - c) // 2 * COLUMNS
            _down(even, shift, odd, shift, (lo[k], lo[k + 1], hi[k], hi[k + 1]), b, low[b:e], high[b:e])


@kernel
def double(low, high, lo, hi, room, out):  # type: ignore[no-untyped-def]
    """`reference_double` into out (2m,); room for m values."""
    m, c = low.size, lo.size // 2 - (lo.size // 2) % 2
    half = room[:m]
    for odd in range(2):
        for b in range(0, m, _BLOCK):
            e = min(b + _BLOCK, m)
            half[b:e] = 0.0
            for k in range(odd, lo.size, 4):
                shift = (c + odd - k) // 2 * COLUMNS
                more = k + 2 < lo.size
                pair = (lo[k], lo[k + 2] if more else 0.0, hi[k], hi[k + 2] if more else 0.0)
                _up(low, high, shift, shift - COLUMNS, pair, b, half[b:e])
        for i in range(0, m, COLUMNS):
            for column in range(COLUMNS):
                out[2 * i + odd * COLUMNS + column] = half[i + column]


def warm() -> None:
    """Compile or load every kernel of this file."""
    a, low, high, taps = np.arange(32.0), np.empty(32), np.empty(32), np.array([0.5, 0.5])
    analyse(a, taps, taps, 1, low, high)
    synthesise(low, high, taps, taps, 1, a)
    room = np.empty(32)
    halve(a, taps, taps, room, low[:16], high[:16])
    double(low[:16], high[:16], taps, taps, room, a)
