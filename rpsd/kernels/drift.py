"""Two samples held against each other: the textbook distances."""

import numpy as np

from rpsd.core.market import Vector
from rpsd.kernels.jit import kernel

BINS = 10
"""Of the population stability index: bins of equal mass in the reference, the outer ones open."""


def reference_distances(before: Vector, after: Vector) -> Vector:
    """Stability index, Kolmogorov-Smirnov distance and Wasserstein distance (3,) of after (m,) from before (n,), both sorted.

    Equal edges are one edge, half a value is added to each bin, and what lies outside `before` falls into the outer bins.
    """
    edges = np.unique(np.quantile(before, np.arange(1, BINS) / BINS))
    binned = (np.bincount(np.searchsorted(edges, x, "right"), minlength=edges.size + 1) + 0.5 for x in (before, after))
    p, q = (counts / counts.sum() for counts in binned)
    every = np.sort(np.concatenate([before, after]))
    apart = np.abs(np.searchsorted(before, every, "right") / before.size - np.searchsorted(after, every, "right") / after.size)
    return np.array([((q - p) * np.log(q / p)).sum(), apart.max(), (apart[:-1] * np.diff(every)).sum()])


@kernel
def distances(before: Vector, after: Vector, out: Vector) -> None:
    """`reference_distances` into out (3,)."""
    n, m = before.size, after.size
    i = j = 0
    furthest = area = 0.0
    while i < n or j < m:
        x = before[i] if j >= m or (i < n and before[i] <= after[j]) else after[j]
        while i < n and before[i] <= x:
            i += 1
        while j < m and after[j] <= x:
            j += 1
        apart = abs(i / n - j / m)
        furthest = max(furthest, apart)
        if i < n or j < m:
            following = before[i] if j >= m or (i < n and before[i] <= after[j]) else after[j]
            area += apart * (following - x)
    out[0] = index(before, after)
    out[1] = furthest
    out[2] = area


@kernel
def index(before: Vector, after: Vector) -> float:
    """The stability index of after (m,) from before (n,), both sorted; the first of `reference_distances`."""
    n, m = before.size, after.size
    edges = np.empty(BINS + 1)
    count = 0
    for b in range(1, BINS):
        place = (n - 1) * b / BINS
        low = int(place)
        edge = before[low]
        if low + 1 < n:
            edge += (place - low) * (before[low + 1] - before[low])
        if count == 0 or edge > edges[count - 1]:
            edges[count] = edge
            count += 1
    edges[count] = np.inf
    total = 0.0
    i = j = 0
    for b in range(count + 1):
        p = q = 0.5
        while i < n and before[i] < edges[b]:
            p += 1.0
            i += 1
        while j < m and after[j] < edges[b]:
            q += 1.0
            j += 1
        p /= n + 0.5 * (count + 1)
        q /= m + 0.5 * (count + 1)
        total += (q - p) * np.log(q / p)
    return total


def warm() -> None:
    """Compile or load every kernel of this file."""
    before, after = np.arange(12.0), np.arange(3.0)
    distances(before, after, np.empty(3))
