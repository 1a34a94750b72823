"""What regimes must beat: one state alone, and a variance that moves all the time without any states."""

from typing import Final

import numpy as np

from rpsd.core.market import Vector
from rpsd.core.parameters import HmmParameters
from rpsd.kernels import garch
from rpsd.regime import hmm

_SLOW: Final = (0.0, 0.0, 3.5, -2.2, 2.0)
"""Where the search begins, in the coordinates of the kernel: a variance that is slow to forget, as markets' are."""

_STEPS: Final = (0.05, 0.3, 1.0, 0.7, 1.0)
_SMALLEST: Final = 0.02
"""First and last steps of the search: below the last the likelihood moves by hundredths of a nat."""

_FREE: Final = 5


def one_state_bic(x: Vector) -> float:
    """BIC of one state, Gaussian or Student t, whichever is lower, for x (n,) of at least twenty returns in percent."""
    return min(float(hmm.fit(x, HmmParameters(k=1, starts=1, emission=word), seed=0).head["bic"]) for word in ("gaussian", "t"))


def garch_aic(x: Vector) -> float:
    """AIC of a GARCH(1, 1) with Student t shocks fitted to x (n,), returns in percent that are not all equal.

    A likelihood missed by the search would make this rival weaker than it is, never stronger. Hindsight: the parameters see all of x.
    Cost O(n) for each of some two hundred evaluations. Source: the model, `kernels/garch`; Akaike (1974), IEEE Trans. Autom. Control 19,
    716-723.
    """
    scale = float(x.std())
    standard = np.ascontiguousarray((x - x.mean()) / scale)
    highest = garch.climb(standard, np.array(_SLOW), np.array(_STEPS), _SMALLEST)
    return float(2 * _FREE - 2 * (highest - x.size * np.log(scale)))
