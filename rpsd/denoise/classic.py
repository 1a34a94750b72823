"""The classic four guardrails, as the predecessor systems documented them.

They are shown beside the calibrated ones and decide only under policy: classic. Doing nothing passes all four; the exact noise-free
truth fails them on most financial series: read them as a description, not as a judgement.
"""

import numpy as np

from rpsd.core.market import Times, Vector
from rpsd.core.parameters import GuardrailParameters
from rpsd.core.result import Guardrail
from rpsd.denoise import spectrum
from rpsd.kernels import residual

_LOW = 0.1  # cycles per sample
_MOST_SLOPES = 8192  # the share of equal signs is then known to a third of a percent


def _at_least(value: float, threshold: float) -> Guardrail:
    return Guardrail(value, threshold, value >= threshold)


def judge(y: Vector, x: Vector, starts: Times, powers: spectrum.Powers, params: GuardrailParameters) -> dict[str, Guardrail]:
    """Correlation, RMSE in standard deviations of y, share of equal signs of 30-bar slopes, share of power below 0.1 cycles kept.

    y, x̂ (n,), y not constant, powers of both. A rule that the series is too short for does not apply. O(n).
    """
    of_y, of_x, both, left = residual.second_moments(y, x)
    correlation = both / float(np.sqrt(of_y) * np.sqrt(of_x)) if of_x > 0.0 else 0.0
    error = float(np.sqrt(left / of_y))
    windows, same = residual.slope_agreement(y, x, starts, max(1, y.size // _MOST_SLOPES))
    low = max(int(_LOW * powers.size), 1)
    low_y, low_x = float(powers.y[:low].sum()), float(powers.x[:low].sum())
    return {
        "correlation": _at_least(correlation, params.correlation_threshold),
        "rmse": Guardrail(error, params.rmse_threshold, error <= params.rmse_threshold),
        "trend": _at_least(same / windows, params.trend_threshold) if windows else Guardrail(None, params.trend_threshold, None),
        "power": _at_least(low_x / low_y, params.power_threshold) if low_y > 0.0 else Guardrail(None, params.power_threshold, None),
    }
