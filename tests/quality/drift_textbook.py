"""What the textbook numbers say where nothing drifts, and where half of all does: figures of the chapter on decisions.

Run: python -m tests.quality.drift_textbook
"""

import sys
from typing import Final

import numpy as np

from rpsd.core.market import Vector
from rpsd.drift.psi import psi

DRAWS: Final = 1000
_FLOOR: Final = 1e-4  # what textbooks put in place of an empty bin
_CRITICAL: Final = {"1 %": 1.628, "5 %": 1.358}  # Kolmogorov's, for independent values


def textbook_psi(before: Vector, after: Vector, *, is_open: bool) -> float:
    """The index of ten bins, empty ones floored; closed outer bins lose what lies beyond the reference."""
    edges = np.quantile(before, np.linspace(0, 1, 11))
    if is_open:
        edges[0], edges[-1] = -np.inf, np.inf
    p, q = (np.histogram(sample, edges)[0] for sample in (before, after))
    p, q = (np.maximum(counts / max(counts.sum(), 1), _FLOOR) for counts in (p, q))
    return float(((q - p) * np.log(q / p)).sum())


def distance(before: Vector, after: Vector) -> float:
    """Kolmogorov and Smirnov's distance of two samples."""
    both = np.concatenate([before, after])
    shares = (np.searchsorted(np.sort(sample), both, "right") / sample.size for sample in (before, after))
    return float(np.abs(next(shares) - next(shares)).max())


def walk(rng: np.random.Generator, n: int, weight: float) -> Vector:
    """An AR(1) of n values, begun in its own distribution."""
    x = rng.normal(size=n)
    x[0] /= np.sqrt(1 - weight**2)
    for i in range(1, n):
        x[i] += weight * x[i - 1]
    return x


def main() -> None:
    """Print the figures, one a line."""
    rng, lines = np.random.default_rng(20), []
    for n in (500, 5000):
        pairs = [(rng.normal(size=n), rng.normal(size=50)) for _ in range(DRAWS)]
        floored = np.mean([textbook_psi(*pair, is_open=True) > 0.1 for pair in pairs])
        ours = np.mean([psi(*pair) > 0.1 for pair in pairs])
        lines.append(f"index above .1, 50 values against {n}: {floored:.1%} with empty bins floored, {ours:.1%} as rpsd shows it")
    slow = [np.split(walk(rng, 1000, 0.95), 2) for _ in range(DRAWS)]
    for level, critical in _CRITICAL.items():
        share = np.mean([distance(before, after) > critical * np.sqrt(2 / 500) for before, after in slow])
        lines.append(f"distance above the critical value of {level}, AR(1) .95, 500 values against 500: {share:.1%}")
    for n in (250, 500, 1000):
        far = [(rng.normal(size=500), rng.normal(size=n) + 30 * (np.arange(n) < n // 2)) for _ in range(DRAWS // 4)]
        closed, wide = np.median([(textbook_psi(*pair, is_open=False), psi(*pair)) for pair in far], axis=0)
        lines.append(f"half of {n} values 30 deviations away: index {closed:.3f} with closed outer bins, {wide:.2f} open")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
