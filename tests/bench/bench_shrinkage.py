"""Wavelet shrinkage and its neighbours against PyWavelets and scikit-image in the same run: python -m tests.bench.bench_shrinkage."""

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pywt
from skimage.restoration import denoise_wavelet

from rpsd.core.market import Vector
from rpsd.core.parameters import SavgolParameters, TvParameters, WaveletParameters
from rpsd.denoise import savgol, tv, wavelet
from rpsd.denoise.run import denoise
from rpsd.kernels import jit
from tests.bench.harness import bar, ratio_of_blocks, seconds

BARE = WaveletParameters(use_fir_filter=False)
SIZES = ((10_000, "10k"), (100_000, "100k"), (1_000_000, "1m"), (10_000_000, "10m"))
LARGEST = SIZES[-1][0]
WHOLES: dict[str, Callable[[Vector], Any]] = {
    "run": lambda y: wavelet.run(y, WaveletParameters()),
    "answer": lambda y: denoise(y, method="wavelet"),
    **{f"{name}_answer": partial(denoise, method=name) for name in ("ti_bayes", "tv", "auto")},
}


def walk(n: int) -> Vector:
    """A random walk plus noise of twice its step."""
    rng = np.random.default_rng(7)
    return np.asarray(100.0 + 0.01 * (np.cumsum(rng.normal(size=n)) + 2.0 * rng.normal(size=n)))


def floor(y: Vector) -> Vector:
    """The peer: forward and inverse transform, nothing between."""
    return np.asarray(pywt.waverec(pywt.wavedec(y, "db4", "symmetric", 4), "db4", "symmetric"))


def scikit(y: Vector) -> Vector:
    """The peer that does the same: BayesShrink, db4, four levels."""
    return np.asarray(denoise_wavelet(y, wavelet="db4", mode="soft", wavelet_levels=4, method="BayesShrink", rescale_sigma=False))


def speed() -> list[bool]:
    """The method without its low pass at four sizes."""
    held = []
    for n, name in SIZES:
        y = walk(n)
        share, ours, peer = ratio_of_blocks(lambda y=y: wavelet.run(y, BARE), lambda y=y: floor(y))  # type: ignore[misc]
        print(f"{n} points: shrinkage {1e3 * ours:.2f} ms, pywt wavedec + waverec {1e3 * peer:.2f} ms")
        held.append(bar(f"shrinkage_{name}_vs_pywt", share, "<=", 0.85))
        share, ours, peer = ratio_of_blocks(lambda y=y: scikit(y), lambda y=y: wavelet.run(y, BARE), 1)  # type: ignore[misc]
        held.append(bar(f"shrinkage_{name}_times_faster_than_scikit_image", share, ">=", 3.0))
    return held


def neighbours() -> None:
    """What the other rules and methods cost at a million points; no bars."""
    y = walk(1_000_000)
    for mode in ("universal", "minimax", "sure", "empirical_bayes", "block"):
        params = WaveletParameters(use_fir_filter=False, threshold_mode=mode)
        print(f"1000000 points, {mode}: {1e3 * seconds(lambda p=params: wavelet.run(y, p), 5):.1f} ms")  # type: ignore[misc]
    print(f"1000000 points, tv with its search: {1e3 * seconds(lambda: tv.run(y, TvParameters()), 3):.1f} ms")
    print(f"1000000 points, savgol: {1e3 * seconds(lambda: savgol.run(y, SavgolParameters()), 5):.1f} ms")


def resident(field: str) -> float:
    """VmRSS or VmHWM of this process in bytes; unlike getrusage's, its peak is not inherited from the parent."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return 1024.0 * next(float(line.split()[1]) for line in lines if line.startswith(field))


def peak(what: str) -> None:
    """Print the memory that one call adds at its peak, as a multiple of its input; in a process of its own."""
    jit.warm()
    WHOLES[what](walk(20_000))
    y = walk(LARGEST)
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
    WHOLES[what](y)
    print((resident("VmHWM") - before) / y.nbytes)


def memory() -> list[bool]:
    """Ten million points through the method with its low pass, and through whole answers with guardrails and back-off."""
    held = []
    for what in WHOLES:
        done = subprocess.run([sys.executable, "-m", "tests.bench.bench_shrinkage", what], capture_output=True, text=True, check=True)
        held.append(bar(f"shrinkage_10m_{what}_peak_vs_input", float(done.stdout), "<=", 6.0))
    return held


def main() -> int:
    """Print the figures and their bars; 1 when one falls short."""
    jit.warm()
    held = speed() + memory()
    neighbours()
    return 0 if all(held) else 1


if __name__ == "__main__":
    if sys.argv[1:]:
        peak(sys.argv[1])
        sys.exit(0)
    sys.exit(main())
