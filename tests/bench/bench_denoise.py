"""Denoising against PyWavelets in the same run: python -m tests.bench.bench_denoise."""

import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
import pywt

from rpsd.core.market import Vector
from rpsd.core.parameters import FixedLagParameters, GuardrailParameters, ImmParameters, KalmanParameters, ModelAverageParameters
from rpsd.denoise import METHODS
from rpsd.denoise.run import denoise
from rpsd.kernels import jit
from rpsd.services.turn import Turns
from tests.bench.harness import bar, ratio, ratio_of_blocks, ratio_of_least, seconds

_SHORT: Final = 250
_CALLS: Final = 64


def walk(n: int) -> Vector:
    """A random walk plus noise of twice its step."""
    rng = np.random.default_rng(7)
    return np.asarray(100.0 + 0.01 * (np.cumsum(rng.normal(size=n)) + 2.0 * rng.normal(size=n)))


def floor(y: Vector) -> Vector:
    """The peer: forward and inverse transform, nothing between."""
    return np.asarray(pywt.waverec(pywt.wavedec(y, "db4", "symmetric", 4), "db4", "symmetric"))


def every_shift(y: Vector) -> bool:
    """The bar of `ti_bayes`, its estimate of the noise included."""
    method = next(m for m in METHODS if m.name == "ti_bayes")
    share, ours, peer = ratio_of_blocks(lambda: method.run(y, method.params()), lambda: floor(y))
    print(f"{y.size} points: ti_bayes {1e3 * ours:.1f} ms, pywt {1e3 * peer:.1f} ms")
    return bar("denoise_ti_bayes_1m_vs_pywt", share, "<=", 10.0)


def streams(y: Vector) -> list[bool]:
    """Bars of the causal methods, values and deviations, on one core."""
    held = []
    for name, params, least in (
        ("kalman", KalmanParameters(ratio=0.25), 20.0),
        ("kalman", KalmanParameters(), None),
        ("fixed_lag", FixedLagParameters(), None),
        ("imm", ImmParameters(), 0.7),
        ("model_average", ModelAverageParameters(), None),
    ):
        stream = {m.name: m.stream for m in METHODS}[name]
        assert stream is not None
        rate = 1e-6 * y.size / seconds(lambda s=stream, p=params: s.advance(s.start(p), y, p), 3)  # type: ignore[misc]
        given = "at a given ratio" if getattr(params, "ratio", 0.0) else "as it comes"
        print(f"{name} {given}: {rate:.2f} M ticks/s")
        if least is not None:
            held.append(bar(f"{name}_stream_mticks_per_s", rate, ">=", least))
    return held


def guardrail_cost() -> bool:
    """What the calibrated guardrails add to an answer without any, as a multiple of that answer: 100,000 points, no low pass."""
    y, params, free = walk(100_000), {"use_fir_filter": False}, GuardrailParameters(policy="none")
    share, judged, alone = ratio_of_least(
        lambda: denoise(y, method="wavelet", params=params),
        lambda: denoise(y, method="wavelet", params=params, guardrails=free),
    )
    print(f"100000 points: judged {1e3 * judged:.2f} ms, not judged {1e3 * alone:.2f} ms")
    return bar("denoise_guardrails_100k_vs_denoising", share - 1.0, "<=", 4.0)


def crowd() -> bool:
    """Short series of eight callers at once: in turns, as the server has them, as a multiple of all at once."""
    y, turns, cost = walk(_SHORT), Turns(), dict[str, float]()

    def in_turns(_: int) -> None:
        with turns.taken(y.size):
            denoise(y, method="wavelet")

    def at_once(_: int) -> None:
        denoise(y, method="wavelet")

    def of_all(work: Callable[[int], None]) -> None:
        begin = time.process_time()
        list(pool.map(work, range(_CALLS)))
        cost[work.__name__] = 1e3 * (time.process_time() - begin) / _CALLS

    with ThreadPoolExecutor(8) as pool:
        share, ours, free = ratio(lambda: of_all(in_turns), lambda: of_all(at_once), 5)
    print(f"{_SHORT} points, eight callers: in turns {1e3 * ours / _CALLS:.2f} ms a call, {cost['in_turns']:.2f} ms of CPU;", end=" ")
    print(f"at once {1e3 * free / _CALLS:.2f} ms, {cost['at_once']:.2f} ms of CPU")
    return bar("denoise_short_in_turns_vs_at_once", share, "<=", 1.0)


def main() -> int:
    """Print the figures and their bars; 1 when one falls short."""
    jit.warm()
    held = []
    y = walk(1_000_000)
    whole, ours, peer = ratio_of_blocks(lambda: denoise(y, params={"use_fir_filter": False}), lambda: floor(y))
    answer = denoise(y, params={"use_fir_filter": False})
    print(f"1000000 points: whole answer {1e3 * ours:.1f} ms ({answer.action} at attempt {len(answer.trace)}), pywt {1e3 * peer:.1f} ms")
    held.append(answer.action == "accepted")
    held.append(bar("denoise_answer_1m_vs_pywt", whole, "<=", 8.0))
    held.append(guardrail_cost())
    held.append(every_shift(y))
    small = walk(1741)
    held.append(bar("denoise_default_1741_ms", 1e3 * seconds(lambda: denoise(small), 51), "<=", 10.0))
    held.append(crowd())
    held += streams(walk(1_000_000))
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
