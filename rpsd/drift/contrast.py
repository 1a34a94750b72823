"""What a step between two windows is measured against: slow contrasts of the same series, under each way in which it may move by itself."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from rpsd.core.market import Vector
from rpsd.core.result import Labels, Matrix

BLOCKS: Final = 64
"""Blocks that both windows together are averaged into: short enough for many contrasts, long enough to see slow movement."""

_CONTRASTS: Final = 48
_SHARES: Final = (0.1, 0.2, 0.35, 0.5, 0.7, 0.85, 1.0)
"""How much of the variance of a block moves slowly; the rest is noise."""

_STILL_PLAIN: Final = 0.98
_STILL_OTHER: Final = 0.9
"""Priors of noise alone: of where values lie, and of how they spread, which on markets comes in clusters. Settled by simulation."""

_PERSISTENCE: Final = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.995)
"""Correlation of the slow part between neighbouring blocks; the last is a random walk for all that blocks can tell."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How two windows of given lengths are compared.

    `starts` and `sizes` (b,) of the blocks of both windows joined, of which `split` belong to the first. `basis` (b, 1 + c): orthonormal
    columns, the step between the windows, then c cosines with mean and step removed. Of each movement (g,) in which the series may be:
    `step` (g,) the variance of the step's coefficient, `inverse` (g, c) one over that of each contrast, `plain` and `other` (g,) the
    logarithm of its prior with the normalisation of its likelihood, for scores that tell where values lie and for the others.
    """

    starts: Labels
    sizes: Vector
    split: int
    basis: Matrix
    step: Vector
    inverse: Matrix
    plain: Vector
    other: Vector


@lru_cache(maxsize=256)
def plan(n: int, m: int, gap: int) -> Plan:
    """The plan for windows of n and m values with gap values between them that belong to neither. O(BLOCKS^3).

    Source: Lazarus, Lewis, Stock, Watson (2018), J. Bus. Econ. Statist. 36, 541-559 (cosines); Müller and Watson (2016), Review of
    Economic Studies 83, 1711-1740 (predictive sets over models of slow movement).
    """
    length = max(1, (n + m) // BLOCKS)
    before, after = max(n // length, 2), max(m // length, 2)
    edges = np.concatenate([np.linspace(0, n, before + 1)[:-1], n + np.linspace(0, m, after + 1)]).round().astype(np.int64)
    place = np.arange(before + after, dtype=np.float64)
    step = (place >= before).astype(np.float64)
    count = min(_CONTRASTS, place.size - 4)
    cosines = np.cos(np.pi * np.outer(place + 0.5, np.arange(1, count + 1)) / place.size)
    basis = np.ascontiguousarray(np.linalg.qr(np.column_stack([np.ones(place.size), step, cosines]))[0][:, 1:])
    moment = place + step * (gap / length)
    variances = _movements(basis, moment)
    normal = -0.5 * np.log(variances[:, 1:]).sum(axis=1)
    return Plan(
        starts=edges[:-1],
        sizes=np.diff(edges).astype(np.float64),
        split=before,
        basis=basis,
        step=variances[:, 0].copy(),
        inverse=1.0 / variances[:, 1:],
        plain=normal + _prior(variances.shape[0], _STILL_PLAIN),
        other=normal + _prior(variances.shape[0], _STILL_OTHER),
    )


def _movements(basis: Matrix, moment: Vector) -> Matrix:
    """Variances (g, 1 + c) of step and contrasts under each movement, noise alone first."""
    apart = np.abs(moment[:, None] - moment[None, :])
    slow = [np.einsum("ij,ik,kj->j", basis, rho**apart, basis, optimize=True) for rho in _PERSISTENCE]
    return np.array([np.ones(basis.shape[1]), *((1.0 - share) + share * variance for share in _SHARES for variance in slow)])


def _prior(count: int, still: float) -> Vector:
    """Logarithms (g,) of the priors: noise alone, and all others alike."""
    return np.asarray(np.log(np.concatenate([[still], np.full(count - 1, (1.0 - still) / (count - 1))])))
