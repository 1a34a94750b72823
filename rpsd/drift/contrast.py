"""What a step between two windows is measured against: slow contrasts of the same series, under the persistence that it may have."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from rpsd.core.market import Vector
from rpsd.core.result import Labels, Matrix

BLOCKS: Final = 64
"""Blocks that both windows together are averaged into: enough for forty contrasts, long enough to see a slow spectrum."""

_CHOICES: Final = (3, 4, 6, 8, 12, 16, 24, 32, 48)
"""Numbers of contrasts to choose from."""

_PERSISTENCE: Final = np.concatenate([np.linspace(0.0, 0.9, 19), [0.925, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999]])
"""Correlations of neighbouring blocks for which the plan is worked out; the last is a random walk for all that blocks can tell."""

_DEEP: Final = 1e-4
"""The p value at which the number of contrasts is chosen: what one of some twenty features with five scores needs at a level of 1 %."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How two windows of given length are compared.

    `starts` (b,) and `sizes` (b,) of the blocks of both windows joined. `basis` (b, 1 + c): orthonormal columns, the step between the
    windows, then c cosines with mean and step removed. For each persistence of the grid (g,): `seen` (g,) the correlation of neighbouring
    blocks that one expects to measure, `contrasts` (g,) how many contrasts serve best, `inflation` (g,) the variance of the step over the
    mean variance of these, `freedom` (g,) their degrees of freedom.
    """

    starts: Labels
    sizes: Vector
    split: int
    basis: Matrix
    seen: Vector
    contrasts: Labels
    inflation: Vector
    freedom: Vector


@lru_cache(maxsize=256)
def plan(n: int, m: int, gap: int) -> Plan:
    """The plan for windows of n and m values with gap values between them that belong to neither. O(BLOCKS^3).

    Source: Lazarus, Lewis, Stock, Watson (2018), J. Bus. Econ. Statist. 36, 541-559 (equally weighted cosines, Student's t);
    Müller (2014), J. Bus. Econ. Statist. 32, 311-322 (strong persistence); Satterthwaite (1946), Biometrics Bulletin 2, 110-114.
    """
    length = max(1, (n + m) // BLOCKS)
    before, after = max(n // length, 2), max(m // length, 2)
    edges = np.concatenate([np.linspace(0, n, before + 1)[:-1], n + np.linspace(0, m, after + 1)]).round().astype(np.int64)
    blocks = before + after
    place = np.arange(blocks, dtype=np.float64)
    step = (place >= before).astype(np.float64)
    count = min(_CHOICES[-1], blocks - 4)
    cosines = np.cos(np.pi * np.outer(place + 0.5, np.arange(1, count + 1)) / blocks)
    basis = np.linalg.qr(np.column_stack([np.ones(blocks), step, cosines]))[0][:, 1:]
    moment = place + step * (gap / length)
    tables = [_under(float(rho), basis, moment, before) for rho in _PERSISTENCE]
    seen, contrasts, inflation, freedom = (np.array(column) for column in zip(*tables, strict=True))
    sizes = np.diff(edges).astype(np.float64)
    return Plan(edges[:-1], sizes, before, np.ascontiguousarray(basis), np.maximum.accumulate(seen), contrasts, inflation, freedom)


def _under(rho: float, basis: Matrix, moment: Vector, split: int) -> tuple[float, int, float, float]:
    """Expected correlation, contrasts, inflation and freedom where neighbouring blocks correlate by rho."""
    from scipy.special import stdtrit  # numerics of tails wait for the first plan

    covariance = rho ** np.abs(moment[:, None] - moment[None, :]) if rho > 0 else np.eye(moment.size)
    within = np.eye(moment.size)
    for window in (slice(0, split), slice(split, None)):
        within[window, window] -= 1.0 / within[window, window].shape[0]
    residual = within @ covariance @ within
    neighbours = np.diagonal(residual, 1).copy()
    neighbours[split - 1] = 0.0
    rotated = basis.T @ covariance @ basis
    best: tuple[float, int, float, float] | None = None
    for count in _CHOICES:
        if count > basis.shape[1] - 1:
            break
        part = rotated[1 : count + 1, 1 : count + 1]
        total = float(np.trace(part))
        inflation = float(rotated[0, 0]) * count / total
        freedom = total**2 / float((part**2).sum())
        critical = float(np.sqrt(inflation) * stdtrit(freedom, 1 - _DEEP / 2))
        if best is None or critical < best[0]:
            best = (critical, count, inflation, freedom)
    assert best is not None
    return float(neighbours.sum() / np.trace(residual)), best[1], best[2], best[3]
