"""Batches of series against a Python loop over scikit-image in the same run: python -m tests.bench.bench_batch."""

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from skimage.restoration import denoise_wavelet

from rpsd.config import read
from rpsd.kernels import jit
from rpsd.services.denoise.batch import DenoiseBatch, Wanted
from rpsd.services.denoise.service import DenoiseService
from rpsd.telemetry import Metrics
from tests.bench.harness import bar, ratio, seconds

FAST = {"method": "wavelet", "params": {"use_fir_filter": False}, "guardrails": {"policy": "none"}}
REQUESTS: dict[str, tuple[dict[str, Any], float | None]] = {
    "wavelet_unjudged": (FAST, 5.0),
    "wavelet_judged": ({"method": "wavelet", "params": {"use_fir_filter": False}}, None),  # figures without a bar
    "auto_judged": ({}, None),
}


def walks(k: int, n: int) -> list[np.ndarray]:
    """k random walks of n samples plus noise of twice their step."""
    rng = np.random.default_rng(7)
    return [100.0 + 0.01 * (np.cumsum(rng.normal(size=n)) + 2.0 * rng.normal(size=n)) for _ in range(k)]


def peer(series: list[np.ndarray]) -> Callable[[], Any]:
    """The loop that a notebook would hold."""
    return lambda: [denoise_wavelet(y, wavelet="db4", mode="soft", method="BayesShrink", rescale_sigma=False) for y in series]


def main() -> int:
    """Print the figures and their bars; 1 when one falls short."""
    jit.warm(skip=("hmm", *jit.FITS))
    settings, held = read(environ={}), []
    batch = DenoiseBatch(settings, DenoiseService(settings, None, Metrics(), time.time_ns))  # type: ignore[arg-type]  # nothing is stored
    small = [Wanted(y, None, FAST) for y in walks(1000, 256)]
    held.append(bar("batch_1000x256_ns_per_point", 1e9 * seconds(lambda: batch.run(small), 21) / 256_000, "<=", 40.0))
    series = walks(2000, 1000)
    for name, (how, bound) in REQUESTS.items():
        wanted = [Wanted(y, None, how) for y in series]
        share, ours, theirs = ratio(lambda w=wanted: batch.run(w), peer(series), 3)  # type: ignore[misc]
        print(f"2000 x 1000 {name}: {1e3 * ours:.0f} ms, loop of scikit-image {1e3 * theirs:.0f} ms, {1 / share:.2f} times as fast")
        if bound is not None:
            held.append(bar(f"batch_2000x1000_{name}_times_skimage", 1 / share, ">=", bound))
    batch.close()
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
