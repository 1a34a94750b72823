"""Wavelet shrinkage: transform, thresholds and inverse in one pass over memory; symmetric boundary, any even filter length.

The readable form stands first (`analyse`, `synthesise`, `denoise`); `denoise_kernel` computes the same numbers.
Sources: Mallat (1989), IEEE PAMI 11, 674-693; Donoho and Johnstone (1994), Biometrika 81, 425-455 (MAD); kernels/threshold.py.
"""

from typing import Final, NamedTuple

import numpy as np

from rpsd.core.market import Vector
from rpsd.core.result import Matrix
from rpsd.kernels import threshold as rules
from rpsd.kernels.jit import kernel
from rpsd.kernels.threshold import BAYES, SOFT, limit, shrink_kernel

QUARTILE: Final = 0.6744897501960817  # third quartile of the standard normal: MAD = 0.6745 sigma
_RADIX_FROM: Final = 16384  # below this length a plain partition beats the histogram of 2^16 bins


class Filters(NamedTuple):
    """The four filters of a wavelet, each (taps,), taps even, in the order and orientation of PyWavelets."""

    dec_lo: Vector
    dec_hi: Vector
    rec_lo: Vector
    rec_hi: Vector


class Rule(NamedTuple):
    """How details are thresholded: mode and shape of kernels/threshold.py, noise of the finest or of each level."""

    mode: int
    shape: int
    per_level: bool
    strength: float


def analyse(x: Vector, filters: Filters) -> tuple[Vector, Vector]:
    """One step down: approximation and detail ((n + taps - 1) // 2,) of x (n,), half-sample symmetric beyond the ends."""
    extended = np.pad(x, filters.dec_lo.size - 1, "symmetric")
    low, high = (np.convolve(extended, f, "valid")[1::2] for f in (filters.dec_lo, filters.dec_hi))
    return low, high


def synthesise(approximation: Vector, detail: Vector, filters: Filters) -> Vector:
    """One step up: (2m - taps + 2,) from m approximation and m detail coefficients."""
    m, taps = detail.size, filters.rec_lo.size
    low, high = np.zeros(2 * m), np.zeros(2 * m)
    low[::2], high[::2] = approximation[:m], detail
    whole = np.convolve(low, filters.rec_lo) + np.convolve(high, filters.rec_hi)
    return np.asarray(whole[taps - 2 : 2 * m], dtype=np.float64)


def denoise(y: Vector, filters: Filters, level: int, rule: Rule) -> Vector:
    """x̂ (n,) of y (n,): the readable form of `denoise_kernel`. Not causal. O(n taps)."""
    approximation, details = y, []
    for _ in range(level):
        approximation, detail = analyse(approximation, filters)
        details.append(detail)
    finest = float(np.median(np.abs(details[0]))) / QUARTILE
    for detail in reversed(details):
        sigma = float(np.median(np.abs(detail))) / QUARTILE if rule.per_level else finest
        at = rule.strength * rules.threshold(detail, sigma, y.size, rule.mode)
        approximation = synthesise(approximation, rules.shrink(detail, at, rule.shape), filters)
    return approximation[: y.size]


@kernel
def _mirror(i: int, n: int) -> int:
    """Index i reflected into [0, n), the end samples repeated."""
    while i < 0 or i >= n:
        i = -1 - i if i < 0 else 2 * n - 1 - i
    return i


@kernel
def _analyse_edge(x, lo, hi, begin, end, low, high):  # type: ignore[no-untyped-def]
    """Coefficients begin..end whose filter reaches beyond an end."""
    for i in range(begin, end):
        a, d = 0.0, 0.0
        for k in range(lo.size):
            value = x[_mirror(2 * i + 1 - k, x.size)]
            a += lo[k] * value
            d += hi[k] * value
        low[i], high[i] = a, d


@kernel
def _analyse_eight(x, lo, hi, begin, end, low, high):  # type: ignore[no-untyped-def]
    """The interior for eight taps, unrolled so that the compiler can vectorise over i."""
    l0, l1, l2, l3, l4, l5, l6, l7 = lo[0], lo[1], lo[2], lo[3], lo[4], lo[5], lo[6], lo[7]
    h0, h1, h2, h3, h4, h5, h6, h7 = hi[0], hi[1], hi[2], hi[3], hi[4], hi[5], hi[6], hi[7]
    for i in range(begin, end):
        at = 2 * i - 6
        x7, x6, x5, x4 = x[at], x[at + 1], x[at + 2], x[at + 3]
        x3, x2, x1, x0 = x[at + 4], x[at + 5], x[at + 6], x[at + 7]
        low[i] = l0 * x0 + l1 * x1 + l2 * x2 + l3 * x3 + (l4 * x4 + l5 * x5 + l6 * x6 + l7 * x7)
        high[i] = h0 * x0 + h1 * x1 + h2 * x2 + h3 * x3 + (h4 * x4 + h5 * x5 + h6 * x6 + h7 * x7)


@kernel
def _analyse(x, lo, hi, low, high):  # type: ignore[no-untyped-def]
    """One step down into low and high, both ((n + taps - 1) // 2,)."""
    m, half = low.size, lo.size // 2
    begin = min(half - 1, m)
    end = max(x.size // 2, begin)
    _analyse_edge(x, lo, hi, 0, begin, low, high)
    if lo.size == 8:
        _analyse_eight(x, lo, hi, begin, end, low, high)
    else:
        for i in range(begin, end):
            a, d = 0.0, 0.0
            for k in range(lo.size):
                value = x[2 * i + 1 - k]
                a += lo[k] * value
                d += hi[k] * value
            low[i], high[i] = a, d
    _analyse_edge(x, lo, hi, end, m, low, high)


@kernel
def step_kernel(x, lo, hi, low, high):  # type: ignore[no-untyped-def]
    """`analyse` into low and high ((n + taps - 1) // 2,)."""
    _analyse(x, lo, hi, low, high)


@kernel
def _synthesise_eight(low, high, lo, hi, pairs, out):  # type: ignore[no-untyped-def]
    """Pairs of samples for eight taps, unrolled like `_analyse_eight`."""
    l0, l1, l2, l3, l4, l5, l6, l7 = lo[0], lo[1], lo[2], lo[3], lo[4], lo[5], lo[6], lo[7]
    h0, h1, h2, h3, h4, h5, h6, h7 = hi[0], hi[1], hi[2], hi[3], hi[4], hi[5], hi[6], hi[7]
    for p in range(pairs):
        a0, a1, a2, a3 = low[p + 3], low[p + 2], low[p + 1], low[p]
        d0, d1, d2, d3 = high[p + 3], high[p + 2], high[p + 1], high[p]
        out[2 * p] = l0 * a0 + l2 * a1 + l4 * a2 + l6 * a3 + (h0 * d0 + h2 * d1 + h4 * d2 + h6 * d3)
        out[2 * p + 1] = l1 * a0 + l3 * a1 + l5 * a2 + l7 * a3 + (h1 * d0 + h3 * d1 + h5 * d2 + h7 * d3)


@kernel
def _synthesise(low, high, lo, hi, out):  # type: ignore[no-untyped-def]
    """One step up into out (2m - taps + 2,), or one sample less."""
    half, pairs = lo.size // 2, out.size // 2
    if lo.size == 8:
        _synthesise_eight(low, high, lo, hi, pairs, out)
    else:
        for p in range(pairs):
            even, odd = 0.0, 0.0
            for j in range(half):
                a, d = low[p + half - 1 - j], high[p + half - 1 - j]
                even += lo[2 * j] * a + hi[2 * j] * d
                odd += lo[2 * j + 1] * a + hi[2 * j + 1] * d
            out[2 * p], out[2 * p + 1] = even, odd
    if out.size % 2 == 1:
        last = 0.0
        for j in range(half):
            i = pairs + half - 1 - j
            last += lo[2 * j] * low[i] + hi[2 * j] * high[i]
        out[out.size - 1] = last


@kernel
def rise_kernel(low, high, lo, hi, out):  # type: ignore[no-untyped-def]
    """`synthesise` into out (2m - taps + 2,), or one sample less."""
    _synthesise(low, high, lo, hi, out)


@kernel
def _middle(sizes, first, second):  # type: ignore[no-untyped-def]
    """Mean of the elements of rank first and second, second being first or the next; sizes are moved about.

    numpy's own partition takes five seconds to compile. Source: Hoare (1961), CACM 4(7), 321-322, algorithm 65 (find).
    """
    low, high = 0, sizes.size - 1
    while low < high:
        i, j = low, high
        # the middle one of three, so that ordered sizes are halved too
        a, b, c = sizes[low], sizes[(low + high) // 2], sizes[high]
        pivot = max(min(a, b), min(max(a, b), c))
        while i <= j:
            while sizes[i] < pivot:
                i += 1
            while pivot < sizes[j]:
                j -= 1
            if i <= j:
                sizes[i], sizes[j] = sizes[j], sizes[i]
                i += 1
                j -= 1
        if j < second:
            low = i
        if second < i:
            high = j
    lower = sizes[second]
    if first < second:
        lower = sizes[0]
        for i in range(1, second):
            lower = max(lower, sizes[i])
    return 0.5 * (lower + sizes[second])


@kernel
def median_size(d):  # type: ignore[no-untyped-def]
    """Median of |d|, exactly numpy's: a histogram over the leading 16 bits of |d|, then a partition of the bins around the middle."""
    n = d.size
    first, second = (n - 1) // 2, n // 2
    if n < _RADIX_FROM:
        return _middle(np.abs(d), first, second)
    bits = d.view(np.uint64)
    counts = np.zeros(65536, np.int64)
    for i in range(n):
        counts[(bits[i] << np.uint64(1)) >> np.uint64(48)] += 1
    bin_low, before = 0, 0
    while before + counts[bin_low] <= first:
        before += counts[bin_low]
        bin_low += 1
    bin_high, upto = bin_low, before + counts[bin_low]
    while upto <= second:
        bin_high += 1
        upto += counts[bin_high]
    candidates = np.empty(upto - before)
    at = 0
    for i in range(n):
        b = np.int64((bits[i] << np.uint64(1)) >> np.uint64(48))
        if bin_low <= b <= bin_high:
            candidates[at] = abs(d[i])
            at += 1
    return _middle(candidates, first - before, second - before)


@kernel
def denoise_kernel(y, dec_lo, dec_hi, rec_lo, rec_hi, level, mode, shape, per_level, strength, work, out):  # type: ignore[no-untyped-def]
    """x̂ into out (n,) of y (n,), equal to `denoise` but for rounding; n >= taps - 1. Not causal. O(n taps); work as `_workspace` says."""
    sizes = np.empty(level + 1, np.int64)
    starts = np.zeros(level + 1, np.int64)
    sizes[0] = y.size
    for j in range(1, level + 1):
        sizes[j] = (sizes[j - 1] + dec_lo.size - 1) // 2
        starts[j] = starts[j - 1] + sizes[j]
    details = work[: starts[level]]
    # two buffers in turn: level j lives in odd or even, on the way down and on the way up; out is free until the last step
    odd, even = work[starts[level] : starts[level] + sizes[1]], out
    approximation = y
    for j in range(1, level + 1):
        low = (odd if j % 2 == 1 else even)[: sizes[j]]
        _analyse(approximation, dec_lo, dec_hi, low, details[starts[j - 1] : starts[j]])
        approximation = low
    finest = median_size(details[: sizes[1]]) / QUARTILE
    for j in range(level, 0, -1):
        detail = details[starts[j - 1] : starts[j]]
        sigma = median_size(detail) / QUARTILE if per_level else finest
        shrink_kernel(detail, strength * limit(detail, sigma, y.size, mode), shape)
        finer = out if j == 1 else (even if j % 2 == 1 else odd)[: sizes[j - 1]]
        _synthesise(approximation, detail, rec_lo, rec_hi, finer)
        approximation = finer


def _workspace(n: int, taps: int, level: int) -> Vector:
    """Room for all details and the approximation of level 1: less than 1.5 n and what the filter adds at each level."""
    return np.empty(n + n // 2 + (level + 2) * taps)


def run(y: Vector, filters: Filters, level: int, rule: Rule) -> Vector:
    """`denoise_kernel` with the arguments of `denoise`; numpy allocates, because its large arrays lie on huge pages."""
    out = np.empty(y.size)
    denoise_kernel(np.require(y, np.float64, ["C", "W"]), *filters, level, *rule, _workspace(y.size, filters.dec_lo.size, level), out)
    return out


@kernel
def rows_kernel(y, dec_lo, dec_hi, rec_lo, rec_hi, level, mode, shape, per_level, strength, work, out):  # type: ignore[no-untyped-def]
    """`denoise_kernel` on each row in one workspace. In its file: numba's cache does not notice when a kernel of another file changes."""
    for i in range(y.shape[0]):
        denoise_kernel(y[i], dec_lo, dec_hi, rec_lo, rec_hi, level, mode, shape, per_level, strength, work, out[i])


def run_rows(y: Matrix, filters: Filters, level: int, rule: Rule) -> Matrix:
    """x̂ (k, n) of the k series y (k, n), C-contiguous and writable, equal to `run` of each bit for bit. Not causal. O(k n taps)."""
    out = np.empty(y.shape)
    rows_kernel(y, *filters, level, *rule, _workspace(y.shape[1], filters.dec_lo.size, level), out)
    return out


def decompose(y: Vector, filters: Filters, levels: int) -> tuple[Vector, list[Vector]]:
    """Approximation and the details of levels 1..levels of y (n,), level j of about n / 2^j. Not causal. O(n taps)."""
    found, approximation = [], np.require(y, np.float64, ["C", "W"])
    for _ in range(levels):
        low, high = (np.empty((approximation.size + filters.dec_lo.size - 1) // 2) for _ in range(2))
        step_kernel(approximation, filters.dec_lo, filters.dec_hi, low, high)
        found.append(high)
        approximation = low
    return approximation, found


def details(y: Vector, filters: Filters, levels: int) -> list[Vector]:
    """The details of `decompose`."""
    return decompose(y, filters, levels)[1]


def recompose(approximation: Vector, details: list[Vector], filters: Filters, n: int) -> Vector:
    """The series (n,) of a decomposition: the inverse of `decompose`. O(n taps)."""
    for j in range(len(details) - 1, -1, -1):
        out = np.empty(details[j - 1].size if j > 0 else n)
        rise_kernel(approximation, details[j], filters.rec_lo, filters.rec_hi, out)
        approximation = out
    return approximation


def warm() -> None:
    """Compile or load every kernel of this file."""
    taps = np.array([0.5, 0.5])
    bank = Filters(taps, taps, taps, taps)
    run(np.arange(32.0), bank, 1, Rule(BAYES, SOFT, False, 1.0))
    run_rows(np.arange(64.0).reshape(2, 32), bank, 1, Rule(BAYES, SOFT, False, 1.0))
    approximation, found = decompose(np.arange(32.0), bank, 1)
    median_size(found[0])
    recompose(approximation, found, bank, 32)
