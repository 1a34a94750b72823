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


def reference_mean(x: Vector, n: int) -> Vector:
    """Arithmetic mean of the last n values, about the newest so that a constant stays itself. (n,). O(size n)."""
    return np.concatenate(
        [np.full(min(n - 1, x.size), np.nan), [w[0] + ((w - w[0]) / n).sum() for w in windows(x, n)] if x.size >= n else []]
    )


@kernel
def mean(x, n, out):  # type: ignore[no-untyped-def]
    """`reference_mean` into out (size,)."""
    out[: min(n - 1, x.size)] = np.nan
    share = 1.0 / n
    for begin in range(n - 1, x.size, _BLOCK):
        newest = x[begin : min(begin + _BLOCK, x.size)]
        sums = out[begin : begin + newest.size]
        sums[:] = 0.0
        for k in range(1, n):
            older = x[begin - k : begin - k + newest.size]
            for i in range(newest.size):
                sums[i] += share * (older[i] - newest[i])
        for i in range(newest.size):
            sums[i] += newest[i]


def reference_deviation(x: Vector, n: int) -> Vector:
    """Standard deviation of the last n values, divided by n (not n - 1). (size,). O(size n)."""
    return np.concatenate([np.full(min(n - 1, x.size), np.nan), windows(x, n).std(axis=1) if x.size >= n else []])


@kernel
def deviation(x, n, out):  # type: ignore[no-untyped-def]
    """`reference_deviation` into out (size,), in two passes about the newest value: a constant has none."""
    out[: min(n - 1, x.size)] = np.nan
    share = 1.0 / n
    centre = np.empty(_BLOCK)
    for begin in range(n - 1, x.size, _BLOCK):
        newest = x[begin : min(begin + _BLOCK, x.size)]
        squares = out[begin : begin + newest.size]
        centre[:] = 0.0
        for k in range(1, n):
            older = x[begin - k : begin - k + newest.size]
            for i in range(newest.size):
                centre[i] += share * (older[i] - newest[i])
        for i in range(newest.size):
            squares[i] = centre[i] * centre[i]
        for k in range(1, n):
            older = x[begin - k : begin - k + newest.size]
            for i in range(newest.size):
                far = older[i] - newest[i] - centre[i]
                squares[i] += far * far
        for i in range(newest.size):
            squares[i] = np.sqrt(share * squares[i])


def reference_root_mean_square(x: Vector, n: int) -> Vector:
    """Root of the mean square of the last n values. (size,). O(size n)."""
    return np.concatenate([np.full(min(n - 1, x.size), np.nan), np.sqrt((windows(x, n) ** 2).mean(axis=1)) if x.size >= n else []])


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
    """x / y cell by cell, missing where y is zero. (size,)."""
    return np.array([a / b if b != 0.0 else np.nan for a, b in zip(x.tolist(), y.tolist(), strict=True)], np.float64)


@kernel
def quotient(x, y, out):  # type: ignore[no-untyped-def]
    """`reference_quotient` into out (size,)."""
    for i in range(x.size):
        out[i] = x[i] / y[i] if y[i] != 0.0 else np.nan


def reference_told(x: Vector) -> Vector:
    """What went beyond the numbers of a machine counts as missing. (size,)."""
    return np.where(np.isfinite(x), x, np.nan)


@kernel
def told(x):  # type: ignore[no-untyped-def]
    """`reference_told` in place."""
    for i in range(x.size):
        if not np.isfinite(x[i]):
            x[i] = np.nan


def warm() -> None:
    """Compile or load every kernel of this file."""
    x, out = np.ones(3), np.empty(3)
    for moving in (mean, deviation, root_mean_square):
        moving(x, 2, out)
    log_quotient(x, x, out)
    quotient(x, x, out)
    told(out)
