"""How well a model foretells bars that it has not seen."""

from typing import Any, Final

import numpy as np

from rpsd.core.market import Vector
from rpsd.core.parameters import HmmParameters
from rpsd.regime import Fit
from rpsd.regime.hmm import ahead, filter_from, filtered

_HELD_OUT: Final = 5
"""One bar in so many, the last ones, is held out."""


def held_out(x: Vector, params: HmmParameters, fit: Fit, *, seed: int) -> dict[str, Any]:
    """Predictive log-likelihood in nats per bar of the last 20 % of x (n,), in percent, by a cold fit on the bars before them.

    `gain` is against one Gaussian fitted on the same bars: at or below zero the regimes foretell nothing. Causal: each bar is judged by the
    density that stood before it. Raises as `fit`, TooShort among them.
    """
    split = x.size - x.size // _HELD_OUT
    before, after = x[:split], x[split:]
    state = fit(before, params, seed=seed)
    _, evidence = filter_from(state, ahead(state, filtered(state, before)[-1]), after)
    one_state = -0.5 * (np.log(2 * np.pi * before.var()) + (after - before.mean()) ** 2 / before.var())
    model, baseline = float(evidence.mean()), float(one_state.mean())
    return {"held_out_bars": int(after.size), "log_likelihood_per_bar": model, "one_state_per_bar": baseline, "gain": model - baseline}
