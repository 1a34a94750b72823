"""A thousand random cases: is the default ever worse than doing nothing, and would the test notice?

A case draws a family of signals, a length, a signal-to-noise ratio, a kind of noise, a unit and a level. The bar holds for the
population of the chapter's model: noise independent from sample to sample, and a signal that is finely enough sampled to differ from
it. Two more populations break one of these each; there nobody who sees only y can tell signal from noise, and what happens is shown
without a bar.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pywt

from rpsd.core.market import Vector
from rpsd.denoise.run import denoise
from tests.quality.contestants import UNJUDGED
from tests.quality.measure import pool

TOLERANCE = 0.01
"""Worse is an error above 1.01 times that of doing nothing. A correction of expected gain 0 changes the error of one draw by chance, by
about 2 / sqrt(n) of the root of its own size: a strict comparison of single draws would count coin tosses. The strict count is told too."""

Signal = Callable[[np.random.Generator, int], Vector]


def _textbook(names: tuple[str, ...], shortest: int) -> Signal:
    def signal(rng: np.random.Generator, n: int) -> Vector:
        n_drawn = max(n, shortest)
        with np.errstate(invalid="ignore"):  # of one sample too many that some lengths get, beyond the end of the signal
            drawn = np.asarray(pywt.data.demo_signal(str(rng.choice(names)), n_drawn), dtype=np.float64)
        return drawn[:n_drawn]

    return signal


def _jumps(rng: np.random.Generator, n: int) -> Vector:
    return np.cumsum((rng.random(n) < rng.uniform(2.0, 30.0) / n) * rng.normal(size=n) + rng.uniform(0.0, 0.05) * rng.normal(size=n))


def _oscillation(shortest_period: float) -> Signal:
    def signal(rng: np.random.Generator, n: int) -> Vector:
        periods = shortest_period * 10.0 ** rng.uniform(0.0, 2.0, size=3)
        parts = [rng.normal() * np.sin(2.0 * np.pi * np.arange(n) / period + rng.uniform(0.0, 7.0)) for period in periods]
        return np.asarray(np.sum(parts, axis=0))

    return signal


def _autoregression(longest: float, shortest: float) -> Signal:
    """Mean reversion within `shortest` to `longest` samples."""

    def signal(rng: np.random.Generator, n: int) -> Vector:
        memory = 1.0 - 1.0 / float(np.exp(rng.uniform(np.log(shortest), np.log(longest))))
        x = rng.normal(size=n)
        for t in range(1, n):
            x[t] += memory * x[t - 1]
        return x

    return signal


def _volatile_walk(rng: np.random.Generator, n: int) -> Vector:
    return np.cumsum(np.exp(np.cumsum(0.05 * rng.normal(size=n))) * rng.normal(size=n))


def _spikes(rng: np.random.Generator, n: int) -> Vector:
    hit = rng.random(n) < rng.uniform(0.002, 0.05)
    hit[rng.integers(n)] = True
    return np.asarray(hit * rng.normal(size=n))


def _peaks(rng: np.random.Generator, n: int) -> Vector:
    """Spikes with flanks of five samples and more: narrower ones are what the next sample takes back, and that is noise."""
    width = rng.uniform(5.0, 40.0)
    flanks = np.exp(-np.abs(np.arange(-4.0 * width, 4.0 * width + 1.0)) / width)
    return np.convolve(_spikes(rng, n + flanks.size - 1), flanks, "valid")


def _ticks(rng: np.random.Generator, n: int) -> Vector:
    x = np.cumsum(rng.normal(size=n))
    return np.asarray(np.round(x / (0.5 * x.std())))


def _line(rng: np.random.Generator, n: int) -> Vector:
    return np.asarray(np.polyval(rng.normal(size=4), np.linspace(-1.0, 1.0, n)))


SIGNALS: dict[str, Signal] = {
    "walk": lambda rng, n: np.cumsum(rng.normal(size=n)),
    "volatile walk": _volatile_walk,
    "jumps": _jumps,
    "mean reversion": _autoregression(2000.0, 100.0),
    "oscillation": _oscillation(10.0),
    "textbook": _textbook(("Blocks", "Bumps", "HeaviSine", "Doppler", "Ramp"), 512),
    "peaks": _peaks,
    "steps of ticks": _ticks,
    "polynomial": _line,
}

ROUGH: dict[str, Signal] = {
    "spikes": _spikes,
    "fast mean reversion": _autoregression(100.0, 1.2),
    "fast oscillation": _oscillation(2.2),
    "chirp": _textbook(("LinChirp", "TwoChirp", "QuadChirp", "HiSine"), 64),
    "short textbook": _textbook(("Blocks", "Bumps", "HeaviSine"), 64),
}

NOISES: dict[str, Signal] = {
    "gaussian": lambda rng, n: rng.normal(size=n),
    "student": lambda rng, n: rng.standard_t(rng.uniform(3.0, 10.0), size=n),
    "bid and ask": lambda rng, n: np.where(rng.random(n) < 0.5, -1.0, 1.0),
    "uniform": lambda rng, n: rng.uniform(-1.0, 1.0, size=n),
    "varying": lambda rng, n: np.exp(rng.uniform(0.2, 1.2) * np.sin(np.linspace(0.0, rng.uniform(3.0, 30.0), n))) * rng.normal(size=n),
}


def _remembering(rng: np.random.Generator, n: int) -> Vector:
    e, memory = rng.normal(size=n), rng.uniform(0.2, 0.6)
    for t in range(1, n):
        e[t] += memory * e[t - 1]
    return e


MODEL = "as the model says"
POPULATIONS: dict[str, tuple[dict[str, Signal], dict[str, Signal]]] = {
    MODEL: (SIGNALS, NOISES),
    "signals as rough as noise": (ROUGH, NOISES),
    "noise that remembers": (SIGNALS, {"remembering": _remembering}),
}
"""Name -> the signals and the noises that it draws from."""


@dataclass(frozen=True, slots=True)
class Case:
    """What was drawn, in words, with truth and observed (n,)."""

    words: str
    x: Vector
    y: Vector


def draw(seed: int, number: int, population: str) -> Case:
    """Case `number` of a seed: length 64 to 8192, signal over noise deviation 0.1 to 30, unit 1e-6 to 1e6, level up to 100 deviations."""
    rng = np.random.default_rng((seed, number))
    signals, noises = POPULATIONS[population]
    family, kind = str(rng.choice(list(signals))), str(rng.choice(list(noises)))
    signal = signals[family](rng, round(2.0 ** rng.uniform(6.0, 13.0)))
    n = signal.size
    noise = noises[kind](rng, n)
    snr = 10.0 ** rng.uniform(-1.0, 1.5)
    spread = float(signal.std())
    x = (signal - signal.mean()) * (snr / spread if spread > 0.0 else 1.0)
    e = (noise - noise.mean()) / noise.std()
    unit, level = 10.0 ** rng.uniform(-6.0, 6.0), 10.0 ** rng.uniform(-1.0, 2.0) * max(snr, 1.0)
    return Case(f"{family}, {kind} noise, snr {snr:.2g}, n {n}, unit {unit:.1g}", unit * (level + x), unit * (level + x + e))


@dataclass(frozen=True, slots=True)
class Outcome:
    """Error over that of doing nothing, of the default and of the classic pipeline, and what the default did."""

    words: str
    number: int
    default: float
    classic: float
    action: str


def judge(task: tuple[int, int, str]) -> Outcome:
    """One case under the default request, and under the classic default without guardrails: the control."""
    case = draw(*task)
    nothing = float(np.mean((case.y - case.x) ** 2))
    answer = denoise(case.y)
    classic = denoise(case.y, method="wavelet", scale="price", guardrails=UNJUDGED)
    errors = [float(np.mean((values - case.x) ** 2)) / nothing for values in (answer.values, classic.values)]
    return Outcome(case.words, task[1], *errors, f"{answer.method}, {answer.action}")


def run(count: int, seed: int, workers: int, population: str = MODEL) -> list[Outcome]:
    """The outcomes of the first `count` cases of a population."""
    with pool(workers) as executor:
        return list(executor.map(judge, [(seed, number, population) for number in range(count)], chunksize=8))


def worse(errors: list[float], tolerance: float = TOLERANCE) -> int:
    """How many are worse than doing nothing; an error that is no number is."""
    return sum(not error <= 1.0 + tolerance for error in errors)


def main() -> int:
    """Print how often doing nothing would have been better, and the worst cases: python -m tests.quality.random_cases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=41000)
    parser.add_argument("--population", choices=list(POPULATIONS), default=MODEL)
    parser.add_argument("--worst", type=int, default=15)
    options = parser.parse_args()
    outcomes = run(options.count, options.seed, 2, options.population)
    default, classic = [o.default for o in outcomes], [o.classic for o in outcomes]
    print(f"{options.count} cases: auto worse in {worse(default)} (strictly {worse(default, 0.0)}), classic default in {worse(classic)}")
    for outcome in sorted(outcomes, key=lambda o: -o.default)[: options.worst]:
        print(f"{outcome.default:8.4f}  #{outcome.number:<5d} {outcome.action:28s} {outcome.words}")
    return 1 if worse(default) or not worse(classic) else 0


if __name__ == "__main__":
    sys.exit(main())
