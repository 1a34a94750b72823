"""The guardrails that decide: does x̂ look like the truth behind y, given the noise that y carries?

With r = y - x̂ and z = r / sigma_t, each rule states what the exact, noise-free series would pass; the constants are calibrated so that
it fails in at most 1 % of trials (scripts/calibrate_guardrails.py).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from rpsd.core.market import Times, Vector
from rpsd.core.result import Guardrail, Warned
from rpsd.denoise import doubt, spectrum
from rpsd.denoise.noise import Noise
from rpsd.kernels import residual

_LOW: Final = 0.1  # cycles per sample: the low part of the residual's spectrum
_BUDGET: Final = 3.0  # standard errors above 1 that the mean square of z may reach
_LAG_ONE: Final = 3.0  # standard errors of the lag-1 autocorrelation
_LOW_SHARE: Final = 4.0  # standard errors of the low-frequency share
_LARGEST: Final = 1.2  # above sqrt(2 ln n)
_VARYING: Final = 1.25  # a noise level that moves is itself known to about a fifth
_LEVEL: Final = 4.0  # standard errors of the mean
_CLEAR_MOVE: Final = 4.0  # deviations of a move that noise alone hardly makes
_BY_CHANCE: Final = 6.334e-5  # share of moves by noise alone beyond that: P(|N(0, 1)| > 4)
_FEWEST_MOVES: Final = 10
_STRONG: Final = 10.0  # times the noise: bins whose power x̂ must keep
_NOTHING_REMOVED: Final = 0.05
_MARGIN: Final = 0.9  # of the least noise, in a short series, whose least noise is itself unsure


@dataclass(frozen=True, slots=True)
class Verdict:
    """The guardrails by name, the estimated risk as a share of the noise variance (1 = doing nothing), and warnings."""

    guardrails: dict[str, Guardrail]
    risk: float
    warnings: tuple[Warned, ...]

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the guardrails that failed."""
        return failed(self.guardrails)


def failed(guardrails: dict[str, Guardrail]) -> tuple[str, ...]:
    """Names of those that did not pass; one that does not apply has not failed."""
    return tuple(name for name, g in guardrails.items() if g.passed is False)


def share_passed(guardrails: dict[str, Guardrail]) -> float:
    """Share of the applicable guardrails that passed, 0 when none applies."""
    judged = [g.passed for g in guardrails.values() if g.passed is not None]
    return sum(judged) / len(judged) if judged else 0.0


def _at_most(value: float, threshold: float) -> Guardrail:
    return Guardrail(float(value), float(threshold), bool(value <= threshold))


def risk(raw_square: float, divergence: float, noise: Noise) -> float:
    """Estimated mean squared error over the noise variance: mean(r^2 - s^2) / mean s^2 + 2 divergence / (n mean s^2).

    `divergence` is sum s_t^2 dx̂_t/dy_t. Source: Stein (1981), Ann. Statist. 9, 1135-1151;
    Ramani, Blu, Unser (2008), IEEE TIP 17, 1540-1554.
    """
    return raw_square / noise.square - 1.0 + 2.0 * divergence / (noise.at.size * noise.square)


def _break_even(raw_square: float, divergence: float, noise: Noise, floor: float) -> Guardrail:
    """The noise, as a share of sigma, from which x̂ is better than y, against the least that the noise may be.

    Both terms of the risk that know the noise are linear in its variance: mean r^2 = 2 (1 - mean dx̂/dy) s^2 where they meet.
    """
    kept = 1.0 - divergence / (noise.at.size * noise.square)
    even = float(np.sqrt(raw_square / (2.0 * max(kept, 1e-9) * noise.square)))
    least = min(noise.least, floor, 1.0)
    return _at_most(even, _MARGIN * least if noise.at.size <= doubt.SHORT else least)


def _structure(m: residual.Moments, powers: spectrum.Powers, n: int) -> Guardrail:
    """Worst of lag-1 autocorrelation and low-frequency share of the residual, each as a share of its bound."""
    lag = m.lag_one / (_LAG_ONE / np.sqrt(n))
    total = float(powers.z.sum())
    if total <= 0.0:
        return _at_most(max(float(lag), 0.0), 1.0)
    low = max(int(_LOW * powers.size), 1)
    expected = low / powers.z.size
    # half-overlapping Hann windows carry about 0.53 independent spectra each
    bound = expected * (1.0 + _LOW_SHARE / np.sqrt(max(0.53 * powers.frames * low, 1.0)))
    share = float(powers.z[:low].sum()) / total
    return _at_most(float(max(lag, share / bound, 0.0)), 1.0)


def _trend(y: Vector, x: Vector, noise: Noise, starts: Times) -> Guardrail:
    """Least share of equal signs among the clear moves over 1, 4, 16 and 64 samples; not applicable under ten of them.

    Wrong signs that noise alone makes of the truth are not counted: their expected number, three deviations of it, and one.
    """
    clear, same = np.zeros(residual.SCALES.size, np.int64), np.zeros(residual.SCALES.size, np.int64)
    # the difference of two noises has sqrt(2) times their deviation
    residual.agreements(y, x, noise.at, float(np.sqrt(2.0)) * _CLEAR_MOVE, starts, residual.SCALES, clear, same)
    enough = clear >= _FEWEST_MOVES
    if not enough.any():
        return Guardrail(None, 0.99, None)
    chance = _BY_CHANCE * y.size
    wrong = np.maximum(clear - same - (chance + 3.0 * np.sqrt(chance) + 1.0), 0.0)
    share = float((1.0 - wrong[enough] / clear[enough]).min())
    return Guardrail(share, 0.99, share >= 0.99)


def _band(powers: spectrum.Powers, noise: Noise) -> Guardrail:
    """Power of x̂ over that of y less its noise, where y stands ten times above the noise; the farther bound is shown."""
    strong = powers.y > _STRONG * noise.square
    if not strong.any():
        return Guardrail(None, 1.1, None)
    value = float(powers.x[strong].sum() / (powers.y[strong] - noise.square).sum())
    return Guardrail(value, 1.1 if value >= 1.0 else 0.9, 0.9 <= value <= 1.1)


def judge(
    y: Vector, x: Vector, noise: Noise, starts: Times, *, divergence: float, powers: spectrum.Powers, heavy: bool = False
) -> Verdict:  # fmt: skip
    """The calibrated guardrails for x̂ (n,) of y (n,), noise.sigma > 0, sessions of at least 16 samples. O(n).

    `divergence` is sum sigma_t^2 dx̂_t/dy_t; `heavy` says that the noise itself has heavy tails, so that large
    residuals are no fault. Sources: the manual's chapter methods names one for each rule.
    """
    n = y.size
    tail = max(16, n // 20)
    m = residual.moments(y, x, noise.at, starts, tail)
    twice = m.square * m.square  # 0 as well where it is too small for float64
    kurtosis = m.fourth / twice if twice > 0.0 else 3.0
    budget = 1.0 + _BUDGET * float(np.sqrt(max(kurtosis - 1.0, 0.0) / n + 4.0 * noise.relative_error**2))
    estimated = risk(m.raw_square, divergence, noise)
    level = max(abs(m.mean) * np.sqrt(n), abs(m.tail_mean) * np.sqrt(tail))
    largest = _at_most(m.largest, (float(np.sqrt(2.0 * np.log(n))) + _LARGEST) * (_VARYING if noise.varies else 1.0))
    rules = {
        "risk": Guardrail(estimated, 1.0, estimated < 1.0),
        "break_even": _break_even(m.raw_square, divergence, noise, powers.floor),
        "noise_budget": _at_most(m.square, budget),
        "residual_structure": _structure(m, powers, n),
        "largest_residual": Guardrail(largest.value, largest.threshold, None) if heavy else largest,
        "trend_at_scale": _trend(y, x, noise, starts),
        "level": _at_most(float(level), _LEVEL),
        "band_power": _band(powers, noise),
    }
    warnings: tuple[Warned, ...] = ()
    if m.square < _NOTHING_REMOVED:
        warnings = (Warned("nothing_removed", f"the residual holds {100.0 * m.square:.1f} % of the estimated noise"),)
    return Verdict(rules, estimated, warnings)
