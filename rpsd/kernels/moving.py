"""Sums over the last bars of a window, each taken anew: no running total, so that a split of the bars changes no bit.

The inner loops run over outputs, not over the window: each output's sum keeps its order while several are taken side by side. A missing
value (NaN) anywhere in a window leaves its output missing; so are the outputs before the first whole window. Each readable form
(`reference_*`, numpy) stands above its kernel. All are causal.
"""

from typing import Final

import numpy as np

from rpsd.core.market import Vector
from rpsd.kernels.jit import kernel

_BLOCK: Final = 512  # outputs of a pass that stay in the first-level cache


def windows(x: Vector, n: int) -> Vector:
    """Every whole window of n values, newest first: (x.size - n + 1, n)."""
    view: Vector = np.lib.stride_tricks.sliding_window_view(x, n)[:, ::-1]
    return view


def padded(values: Vector, size: int) -> Vector:
    """The values with NaN before them: (size,)."""
    return np.concatenate([np.full(size - values.size, np.nan), values])


def reference_mean(x: Vector, n: int) -> Vector:
    """Arithmetic mean of the last n values. (size,). O(size n)."""
    return padded(windows(x, n).mean(axis=1) if x.size >= n else x[:0], x.size)


@kernel
def mean(x, n, out):  # type: ignore[no-untyped-def]
    """`reference_mean` into out (size,): sums of four values are taken once and added newest first, then what is left over."""
    out[: min(n - 1, x.size)] = np.nan
    fours = np.empty(x.size)  # of the value and the three before it
    for i in range(3, x.size):
        fours[i] = (x[i] + x[i - 1]) + (x[i - 2] + x[i - 3])
    for begin in range(n - 1, x.size, _BLOCK):
        sums = out[begin : min(begin + _BLOCK, x.size)]
        size = sums.size
        sums[:] = 0.0
        for k in range(0, n - 3, 4):
            four = fours[begin - k : begin - k + size]
            for i in range(size):
                sums[i] += four[i]
        for k in range(n - n % 4, n):
            older = x[begin - k : begin - k + size]
            for i in range(size):
                sums[i] += older[i]
        for i in range(size):
            sums[i] /= n


def reference_deviation(x: Vector, n: int) -> Vector:
    """Standard deviation of the last n values, divided by n rather than n - 1. (size,). O(size n)."""
    return padded(windows(x, n).std(axis=1) if x.size >= n else x[:0], x.size)


@kernel
def deviation(x, n, out):  # type: ignore[no-untyped-def]
    """`reference_deviation` into out (size,), in two passes about the newest value: of a constant it is exactly 0."""
    out[: min(n - 1, x.size)] = np.nan
    centres = np.empty(_BLOCK)
    for begin in range(n - 1, x.size, _BLOCK):
        newest = x[begin : min(begin + _BLOCK, x.size)]
        size = newest.size
        squares, centre = out[begin : begin + size], centres[:size]
        centre[:] = 0.0
        for k in range(1, n):
            older = x[begin - k : begin - k + size]
            for i in range(size):
                centre[i] += older[i] - newest[i]
        for i in range(size):
            centre[i] /= n
            squares[i] = centre[i] * centre[i]
        for k in range(1, n):
            older = x[begin - k : begin - k + size]
            for i in range(size):
                far = older[i] - newest[i] - centre[i]
                squares[i] += far * far
        for i in range(size):
            squares[i] = np.sqrt(squares[i] / n)


def reference_root_mean_square(x: Vector, n: int) -> Vector:
    """Root of the mean square of the last n values. (size,). O(size n)."""
    return padded(np.sqrt((windows(x, n) ** 2).mean(axis=1)) if x.size >= n else x[:0], x.size)


@kernel
def root_mean_square(x, n, out):  # type: ignore[no-untyped-def]
    """`reference_root_mean_square` into out (size,)."""
    out[: min(n - 1, x.size)] = np.nan
    for begin in range(n - 1, x.size, _BLOCK):
        squares = out[begin : min(begin + _BLOCK, x.size)]
        squares[:] = 0.0
        for k in range(n):
            older = x[begin - k : begin - k + squares.size]
            for i in range(squares.size):
                squares[i] += older[i] * older[i]
        for i in range(squares.size):
            squares[i] = np.sqrt(squares[i] / n)


def reference_log_quotient(x: Vector, y: Vector) -> Vector:
    """ln(x / y) cell by cell, missing unless both are above zero. (size,)."""
    return np.array([np.log(a / b) if a > 0.0 and b > 0.0 else np.nan for a, b in zip(x, y, strict=True)], np.float64)


@kernel
def log_quotient(x, y, out):  # type: ignore[no-untyped-def]
    """`reference_log_quotient` into out (size,)."""
    for i in range(x.size):
        out[i] = np.log(x[i] / y[i]) if x[i] > 0.0 and y[i] > 0.0 else np.nan


def reference_quotient(x: Vector, y: Vector) -> Vector:
    """x / y cell by cell, missing where y is zero or beyond the numbers of a machine. (size,)."""
    return np.array([a / b if b != 0.0 and np.isfinite(b) else np.nan for a, b in zip(x.tolist(), y.tolist(), strict=True)], np.float64)


@kernel
def quotient(x, y, out):  # type: ignore[no-untyped-def]
    """`reference_quotient` into out (size,)."""
    for i in range(x.size):
        q, below = x[i] / y[i], abs(y[i])  # divided first and chosen then: several side by side
        out[i] = q if (below > 0.0) & (below < np.inf) else np.nan


def reference_growth(x: Vector, n: int) -> Vector:
    """x over its value n places before, less one; missing where there is none yet, or none above zero. (size,)."""
    before = np.concatenate([np.full(min(n, x.size), np.nan), x[: max(x.size - n, 0)]])
    return reference_quotient(x, np.where(before > 0.0, before, np.nan)) - 1.0


@kernel
def growth(x, n, out):  # type: ignore[no-untyped-def]
    """`reference_growth` into out (size,)."""
    out[: min(n, x.size)] = np.nan
    before, now, grown = x[: max(x.size - n, 0)], x[min(n, x.size) :], out[min(n, x.size) :]
    for i in range(now.size):
        q = now[i] / before[i]
        grown[i] = q - 1.0 if (before[i] > 0.0) & (before[i] < np.inf) else np.nan


def reference_place(x: Vector, middle: Vector, half: Vector) -> Vector:
    """Where x stands between middle - half and middle + half: 0, 1, and 0.5 where they are one. (size,)."""
    return 0.5 + np.where(half == 0.0, 0.0, reference_quotient(x - middle, 2.0 * half))


@kernel
def place(x, middle, half, out):  # type: ignore[no-untyped-def]
    """`reference_place` into out (size,)."""
    for i in range(x.size):
        wide = 2.0 * half[i]
        q, size = (x[i] - middle[i]) / wide, abs(wide)
        there = q if (size > 0.0) & (size < np.inf) else np.nan
        out[i] = 0.5 if half[i] == 0.0 else 0.5 + there


def reference_told(x: Vector) -> Vector:
    """What went beyond the numbers of a machine counts as missing. (size,)."""
    return np.where(np.isfinite(x), x, np.nan)


@kernel
def told(x):  # type: ignore[no-untyped-def]
    """`reference_told` in place."""
    for i in range(x.size):
        x[i] = x[i] if abs(x[i]) < np.inf else np.nan


def warm() -> None:
    """Compile or load every kernel of this file."""
    x, out = np.ones(3), np.empty(3)
    mean(x, 2, out)
    deviation(x, 2, out)
    root_mean_square(x, 2, out)
    log_quotient(x, x, out)
    quotient(x, x, out)
    growth(x, 1, out)
    place(x, x, x, out)
    told(out)
