"""Walk-forward regimes: every bar under parameters that were fitted only on bars before it."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from rpsd.core.errors import DegenerateFit, TooShort
from rpsd.core.market import Vector
from rpsd.core.model import Packet
from rpsd.core.parameters import HmmParameters
from rpsd.core.result import Matrix
from rpsd.regime import Fit
from rpsd.regime.hmm import ahead, filtered
from rpsd.regime.labels import named
from rpsd.regime.observe import BARS_PER_STATE
from rpsd.regime.residual import predictive_probabilities
from rpsd.regime.soundness import sound
from rpsd.regime.state import WORTH_NATS

BURN_IN: Final = 250
"""Bars before the first fit, about a year of days; they carry no regime."""

GROWTH: Final = 1.5
"""Fresh starts are tried again when there are so many times the bars of the last trial: what a year of days showed may be a wrong peak."""


@dataclass(frozen=True, slots=True)
class Walk:
    """Probabilities (n - first, k) of the bars from index `first` on, the last labelled model and the bars it was fitted on.

    `refits` counts the fits after the first, `skipped` those whose result was degenerate: the model before them stayed in use.
    `stretches` holds the index of the first bar that each labelled model served, and that model.
    """

    first: int
    probabilities: Matrix
    state: Packet
    fitted_on: int
    refits: int
    skipped: int
    stretches: tuple[tuple[int, Packet], ...]


def burn_in(k: int) -> int:
    """Bars before the first fit of k states: it depends on nothing that comes later."""
    return max(BURN_IN, BARS_PER_STATE * k)


def walk_forward(x: Vector, params: HmmParameters, fit: Fit, *, seed: int, refit_every: int, z: Matrix | None = None) -> Walk:
    """Regimes of x (n,), returns in percent: a cold fit on the burn-in, then a warm refit every refit_every bars on all bars before.

    Where the bars have grown by GROWTH, fresh starts are tried as well and win by more than WORTH_NATS of penalised likelihood.
    z (n, d), the returns first, is what the model sees; x alone when None. Causal throughout: row t is the same whatever follows bar t.
    Each refit names its states afresh: names of the burn-in, kept by matching, would still be its errors years later. A burn-in
    whose fit is degenerate goes on for refit_every bars more. Raises TooShort when no bar is left after the burn-in, DegenerateFit when no
    fit was sound. Cost: n / refit_every warm fits, and a cold one for each growth.
    """
    first, rows = burn_in(params.k), x if z is None else z
    if x.size <= first:
        raise TooShort(f"{x.size} returns; walk-forward needs more than its burn-in of {first}")

    tried = 0

    def fitted(end: int, warm: Packet | None) -> Packet:
        nonlocal tried
        seen, columns = x[:end], None if z is None else z[:end]
        state = None if warm is None else fit(seen, params, seed=seed, warm=warm, z=columns)
        if state is None or end >= GROWTH * tried:
            fresh, tried = fit(seen, params, seed=seed, z=columns), end
            if state is None or fresh.head["penalised"] > state.head["penalised"] + WORTH_NATS:
                state = fresh
        return sound(state)

    state: Packet | None = None
    told, stretches, refits, skipped, fitted_on = [], [], 0, 0, first
    for start in range(first, x.size, refit_every):
        refits += state is not None
        try:
            state, fitted_on = named(fitted(start, state)), start
        except DegenerateFit as error:
            if state is None:
                refusal = error
                continue
            skipped += 1
        stretches.append((start, state))
        told.append(filtered(state, rows[: start + refit_every])[start:])
    if state is None:
        raise refusal
    return Walk(stretches[0][0], np.concatenate(told), state, fitted_on, refits, skipped, tuple(stretches))


def foretold(walk: Walk, x: Vector, z: Matrix | None = None) -> tuple[Vector, Vector]:
    """P(X_t ≤ x_t | past) and P(X_t > x_t | past) (n - first,) of a walk over x (n,), each under its row's parameters. Causal."""
    rows = x if z is None else z
    ends = [start for start, _ in walk.stretches[1:]] + [x.size]
    tails = []
    for (start, state), end in zip(walk.stretches, ends, strict=True):
        prior = ahead(state, filtered(state, rows[:start])[-1])
        tails.append(predictive_probabilities(state, prior, x[start:end], None if z is None else z[start:end]))
    return np.concatenate([lower for lower, _ in tails]), np.concatenate([upper for _, upper in tails])
