"""The gate between a fitted model and production: what it must show before it may serve."""

from typing import Any, Final

import numpy as np

from rpsd.config.settings import Promotion
from rpsd.core.market import Times, Vector
from rpsd.core.model import Packet
from rpsd.services.model import Verdict

_TOLERANCE_NATS: Final = 2.0
"""Two models that differ by less over all held-out bars cannot be told apart; warm fits are held to the same bound."""


def judged(candidate: Packet, predecessor_per_bar: float | None, rules: Promotion) -> Verdict:
    """Whether the candidate may serve: enough bars, a held-out gain over one state, and not worse than its predecessor.

    `predecessor_per_bar` in nats on the same held-out bars; None when there is none to compare with. Worse is by more than two nats in all.
    """
    bars, evaluation = int(candidate.head["n"]), candidate.head["evaluation"]
    if bars < rules.min_observations:
        return Verdict(False, f"{bars} bars; models.promotion.min_observations asks for {rules.min_observations}")
    if evaluation is None:
        return Verdict(False, "the range is too short to hold bars out, so nothing shows that the model foretells any")
    gain, mine = float(evaluation["gain"]), float(evaluation["log_likelihood_per_bar"])
    shown = f"gain of {gain:+.4f} nats a bar over one state on {evaluation['held_out_bars']} held-out bars"
    if gain < rules.min_heldout_gain_nats:
        return Verdict(False, f"{shown}; models.promotion.min_heldout_gain_nats asks for {rules.min_heldout_gain_nats:g}")
    if predecessor_per_bar is not None and (predecessor_per_bar - mine) * int(evaluation["held_out_bars"]) > _TOLERANCE_NATS:
        return Verdict(False, f"{shown}, but {mine:.4f} nats a bar are fewer than the {predecessor_per_bar:.4f} of the model in production")
    return Verdict(
        True, shown if predecessor_per_bar is None else f"{shown}; the model in production has {predecessor_per_bar:.4f} against {mine:.4f}"
    )


def per_bar(predecessor: Packet, x: Vector, t: Times, held_out: int) -> float:
    """Predictive log-likelihood in nats a bar of a stored model on the last `held_out` of the returns x (n,) in percent at t (n,).

    A model has an unfair advantage on bars it was fitted on, of its free parameters over its bars in nats a bar; that is taken off for the
    share it saw. Source: Akaike (1974), IEEE Trans. Autom. Control 19(6), 716-723.
    """
    from rpsd.regime import hmm, state  # numerics wait for the warm-up

    before, after = x[:-held_out], x[-held_out:]
    _, evidence = hmm.filter_from(predecessor, hmm.ahead(predecessor, hmm.filtered(predecessor, before)[-1]), after)
    seen = float(np.mean(t[-held_out:] <= predecessor.head["trained_until_ns"]))
    optimism = state.free_parameters(int(predecessor.head["n_states"])) / int(predecessor.head["n"])
    return float(evidence.mean()) - seen * optimism


def as_facts(verdict: Verdict, predecessor_per_bar: float | None) -> dict[str, Any]:
    """The verdict for the model card."""
    return {"promoted": verdict.promoted, "reason": verdict.reason, "predecessor_per_bar": predecessor_per_bar}
