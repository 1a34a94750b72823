"""What was wrong with the classic pipeline as it was documented, measured on its own sample: python -m tests.quality.predecessor.

The settings are the documented ones: db4, level 4, BayesShrink, soft, periodized, then the low pass of cut-off 0.1, no guardrail acting.
The manual shows the tables; a test compares.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from rpsd import samples
from rpsd.core.market import Vector
from rpsd.core.parameters import GuardrailParameters, WaveletParameters
from rpsd.denoise import classic, spectrum, wavelet
from rpsd.services.intake.csv import CsvReader
from tests.quality.signals import CASES

CLASSIC: Final = WaveletParameters(boundary="periodization")
PASSES: Final = {
    "0.1 cycles": CLASSIC,
    "0.05 cycles": WaveletParameters(boundary="periodization", fir_cutoff=0.05),
    "none": WaveletParameters(boundary="periodization", use_fir_filter=False),
}
"""Low pass -> settings; scipy.signal.firwin takes 0.1 as a share of the Nyquist frequency, which is 0.05 cycles per sample."""
FINANCIAL: Final = tuple(CASES)[8:]
SPIKY: Final = ("Blocks 3", "Blocks 7", "Bumps 3", "Bumps 7")
DRAWS: Final = 24  # of each financial case: 120 in all
SEED: Final = 61_000

Estimate = Callable[[Vector], Vector]


def goog() -> Vector:
    """Minute closes (1946,) of GOOG as the predecessor read them: five sessions in one piece."""
    reader = CsvReader("1m")
    reader.feed(samples.path("goog_1m").read_bytes())
    return reader.finish().samples.columns["close"]


def pipeline(params: WaveletParameters) -> Estimate:
    """The pipeline with these settings, unjudged."""
    return lambda y: wavelet.METHOD.run(y.copy(), params)


def at_the_time(estimate: Estimate, most: int) -> Estimate:
    """x̂_t from y_t and at most `most` - 1 samples before it: what the pipeline would have shown then. The first 255 are left out."""
    return lambda y: np.array([estimate(y[max(0, t + 1 - most) : t + 1])[-1] for t in range(255, y.size)])


def variance_reduction(y: Vector, x: Vector) -> float:
    """1 - var(steps of x̂) / var(steps of y)."""
    return float(1.0 - np.diff(x).var() / np.diff(y).var())


def leakage(y: Vector, x: Vector) -> float:
    """Correlation over all t of the correction x̂_t - y_t with the next move y_{t+1} - y_t."""
    return float(np.corrcoef((x - y)[:-1], np.diff(y))[0, 1])


def hindsight_and_then() -> list[list[str]]:
    """Rows: variance reduction and leakage of the pipeline over the whole series, and at the time."""
    y, rows = goog(), []
    for name, params in PASSES.items():
        estimate = pipeline(params)
        views = [estimate(y), at_the_time(estimate, y.size)(y), at_the_time(estimate, 256)(y)]
        pairs = [(y[y.size - x.size :], x) for x in views]
        rows.append([name, "variance reduction", *(f"{100.0 * variance_reduction(*pair):.1f} %" for pair in pairs)])
        rows.append([name, "leakage", *(f"{leakage(*pair):+.3f}" for pair in pairs)])
    return rows


def verdicts(y: Vector, x: Vector) -> dict[str, float]:
    """The classic four of x̂ (n,), each as its value."""
    starts = np.array([0, y.size])
    powers = spectrum.powers(spectrum.frames(y, np.ones(y.size), starts, varies=False), x)
    found = classic.judge(y, x, starts, powers, GuardrailParameters())
    return {name: float(one.value or 0.0) for name, one in found.items()} | {"passed": float(all(one.passed for one in found.values()))}


def compliance(found: dict[str, float]) -> float:
    """Mean of the four on 0..100, rmse as 1 - rmse: the score that the four suggest."""
    parts = (found["correlation"], 1.0 - found["rmse"], found["trend"], found["power"])
    return 100.0 * float(np.mean(np.clip(parts, 0.0, 1.0)))


def centred_mean(y: Vector, width: int = 21) -> Vector:
    """The centred moving average, its ends repeated."""
    return np.convolve(np.pad(y, width // 2, mode="edge"), np.full(width, 1.0 / width), "valid")


def guardrails_and_score() -> list[list[str]]:
    """Rows: how often the classic four pass an answer, its score by them, and its true error over that of doing nothing."""
    pipe = pipeline(CLASSIC)
    answers: dict[str, Callable[[Vector, Vector], Vector]] = {
        "the exact truth": lambda x, y: x,
        "doing nothing": lambda x, y: y,
        "the classic pipeline": lambda x, y: pipe(y),
        "centred average of 21": lambda x, y: centred_mean(y),
    }
    rows = []
    for name, answer in answers.items():
        found, errors = [], []
        for case in FINANCIAL:
            for number in range(DRAWS):
                x, y = CASES[case](np.random.default_rng((SEED, FINANCIAL.index(case), number)))
                shown = answer(x, y)
                found.append(verdicts(y, shown))
                errors.append(float(np.mean((shown - x) ** 2) / np.mean((y - x) ** 2)))
        trend = [one["trend"] for one in found]
        passed = sum(int(one["passed"]) for one in found)
        score = float(np.mean([compliance(one) for one in found]))
        error = float(np.exp(np.mean(np.log(np.maximum(errors, 1e-300))))) if min(errors) > 0.0 else 0.0
        rows.append([name, f"{passed} of {len(found)}", f"{min(trend):.2f} to {max(trend):.2f}", f"{score:.1f}", f"{error:.2f}"])
    return rows


def spiky() -> list[list[str]]:
    """Rows: mean squared error over the noise variance on jumps and spikes, 20 draws each."""
    rows = []
    for name, params in PASSES.items():
        cells, estimate = [], pipeline(params)
        for case in SPIKY:
            draws = [CASES[case](np.random.default_rng((SEED, SPIKY.index(case), number))) for number in range(20)]
            cells.append(f"{np.mean([np.mean((estimate(y) - x) ** 2) for x, y in draws]):.2f}")
        rows.append([name, *cells])
    return rows


def table(header: tuple[str, ...], rows: list[list[str]]) -> str:
    """Markdown."""
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def tables() -> tuple[str, str, str]:
    """What the manual shows."""
    views = ("in hindsight", "at the time", "at the time, from the last 256")
    return (
        table(("answer", "passes all four", "trend", "score", "true error"), guardrails_and_score()),
        table(("low pass", "GOOG", *views), hindsight_and_then()),
        table(("low pass", *SPIKY), spiky()),
    )


if __name__ == "__main__":
    print("\n\n".join(tables()))
