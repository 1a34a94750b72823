"""The gate between a fitted model and production: what it must show before it may serve."""

from typing import Any, Final

from rpsd.config.settings import Promotion
from rpsd.core.model import Packet
from rpsd.core.regime import SEVERITIES
from rpsd.services.model import Verdict

_TOLERANCE_NATS: Final = 2.0
"""Two models that differ by less over all held-out bars cannot be told apart; warm fits are held to the same bound."""


def judged(candidate: Packet, rules: Promotion, *, rival: bool) -> Verdict:
    """Whether the candidate may serve: enough bars, no broken or drifted data, a held-out gain over one state, and not worse than before.

    `rival`: a model is in production and young enough to compare with. Worse is by more than two nats over all held-out bars,
    its fit without them against that of the model in production.
    """
    if (fault := _fault(candidate, rules)) is not None:
        return Verdict(False, fault)
    evaluation = candidate.head["evaluation"]
    gain, mine = float(evaluation["gain"]), float(evaluation["log_likelihood_per_bar"])
    shown = f"gain of {gain:+.4f} nats a bar over one state on {evaluation['held_out_bars']} held-out bars"
    if gain < rules.min_heldout_gain_nats:
        return Verdict(False, f"{shown}; models.promotion.min_heldout_gain_nats asks for {rules.min_heldout_gain_nats:g}")
    theirs = evaluation["predecessor_per_bar"] if rival else None
    if theirs is None:
        return Verdict(True, shown)
    if (theirs - mine) * int(evaluation["held_out_bars"]) > _TOLERANCE_NATS:
        return Verdict(False, f"{shown}, but {mine:.4f} nats a bar are fewer than the {theirs:.4f} of the model in production")
    return Verdict(True, f"{shown}; the model in production has {theirs:.4f} against {mine:.4f}")


def _fault(candidate: Packet, rules: Promotion) -> str | None:
    """What forbids any judgement, if anything does."""
    bars, jumps = int(candidate.head["n"]), int(candidate.head["split_like"])
    if bars < rules.min_observations:
        return f"{bars} bars; models.promotion.min_observations asks for {rules.min_observations}"
    if jumps:
        return f"{jumps} moves of 40 % or more since the model in production look like a split; are the prices adjusted?"
    severity, bound = str(candidate.head["data_drift"]["severity"]), rules.block_on_data_drift
    if bound != SEVERITIES[0] and SEVERITIES.index(severity) >= SEVERITIES.index(bound):
        index, last = candidate.head["data_drift"]["psi"], candidate.head["data_drift"]["bars"]
        asked = f"models.promotion.block_on_data_drift stops at {bound}"
        return f"data drift {severity}: the last {last} bars differ from those before by an index of {index:.2f}, after the fit; {asked}"
    if candidate.head["evaluation"] is None:
        return "the range is too short to hold bars out, so nothing shows that the model foretells any"
    return None


def as_facts(verdict: Verdict) -> dict[str, Any]:
    """The verdict for the model card."""
    return {"promoted": verdict.promoted, "reason": verdict.reason}
