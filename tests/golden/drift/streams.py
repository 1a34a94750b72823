"""Streams for the detectors, from seeds alone, so that an oracle elsewhere sees the same numbers."""

import numpy as np
import numpy.typing as npt

KINDS = ("none", "step", "slope", "bits", "spread")
SEEDS = (0, 1, 2)
LENGTH = 3000


def stream(kind: str, seed: int) -> npt.NDArray[np.float64]:
    """Normal noise with a planted change."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=LENGTH)
    if kind == "step":
        x[1000:] += 1.0
        x[2000:] -= 2.0
    elif kind == "slope":
        x += np.linspace(0.0, 3.0, LENGTH)
    elif kind == "bits":
        x = (x > 0.0).astype(np.float64)
        x[1500:] = rng.random(1500) < 0.8
    elif kind == "spread":
        x[1500:] *= 3.0
    return x
