"""The gate between a fitted model and production: what it must show before it may serve."""

from collections.abc import Mapping
from typing import Any, Final

from rpsd.config.settings import Promotion
from rpsd.core.model import Packet
from rpsd.core.regime import SEVERITIES
from rpsd.services.model.service import Verdict

_TOLERANCE_NATS: Final = 2.0
"""Two models that differ by less over all held-out bars cannot be told apart; warm fits are held to the same bound."""
_CHANCE: Final = 0.5


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


def judged_book(candidate: Packet, rules: Promotion) -> Verdict:
    """Whether a model of an order book may serve, by what it has shown on its test block, of which it had seen nothing.

    Enough distinct moves; probabilities that are calibrated; a direction that is foretold better than by chance, and no worse than by any
    baseline, as far as the test can tell; and not worse than the model in production by more than the standard error of the difference.
    """
    evaluation = candidate.head["evaluation"]
    mine, moves = evaluation["scores"]["model"]["auc"], int(evaluation["test_moves"])
    if moves < rules.min_moves:
        return Verdict(False, f"the test holds {moves} distinct moves; models.promotion.min_moves asks for {rules.min_moves}")
    if mine["low"] is None:
        return Verdict(False, f"the {moves} moves of the test went one way alone, so nothing shows that the model foretells any")
    shown = f"AUC {mine['value']:.3f} ({mine['low']:.3f} to {mine['high']:.3f}) on {moves} unseen moves"
    if fault := _book_fault(evaluation["scores"], rules) or _setback(evaluation["predecessor"]):
        return Verdict(False, f"{shown}, but {fault}")
    return Verdict(True, shown if evaluation["predecessor"] is None else f"{shown}; no worse than the model in production")


def _book_fault(scores: Mapping[str, Any], rules: Promotion) -> str | None:
    """What the scores of the model and the baselines say against it, if anything."""
    mine = scores["model"]
    if (error := mine["ece"]["value"]) > rules.max_calibration_error:
        asked = f"models.promotion.max_calibration_error allows {rules.max_calibration_error:g}"
        return f"its probabilities are off by {error:.3f} on average; {asked}"
    if mine["auc"]["low"] <= _CHANCE:
        return "this is no better than chance, as far as the test can tell"
    for name, theirs in scores.items():
        if name != "model" and (behind := _behind(mine, theirs)):
            return f"the baseline {name.replace('_', ' ')} does better: {behind}"
    return None


def _setback(rival: Mapping[str, Any] | None) -> str | None:
    """In what the candidate is worse than the model in production, None when in nothing or when they could not be compared."""
    if rival is None:
        return None
    for measure in ("auc", "log_loss"):
        gain = rival["gains"][measure]
        if gain["error"] is not None and gain["value"] < -gain["error"]:
            difference = f"worse by {-gain['value']:.4f}, and the standard error is {gain['error']:.4f}"
            return f"against the model in production its {measure.replace('_', ' ')} is {difference}"
    return None


def _behind(mine: Mapping[str, Any], baseline: Mapping[str, Any]) -> str:
    """In what the model lies beyond the interval of the baseline, on the wrong side; empty when in nothing."""
    if baseline["auc"]["low"] is not None and mine["auc"]["value"] < baseline["auc"]["low"]:
        return f"its AUC is at least {baseline['auc']['low']:.3f}"
    if mine["log_loss"]["value"] > baseline["log_loss"]["high"]:
        return f"its log loss is at most {baseline['log_loss']['high']:.4f} against {mine['log_loss']['value']:.4f}"
    return ""


def as_facts(verdict: Verdict) -> dict[str, Any]:
    """The verdict for the model card."""
    return {"promoted": verdict.promoted, "reason": verdict.reason}
