"""The gate: enough bars, a gain over one state, and no step back."""

from dataclasses import replace

import pytest

from rpsd.config.settings import Promotion
from rpsd.core.model import Packet
from rpsd.services.model.gate import judged

RULES = replace(Promotion(), min_observations=250, min_heldout_gain_nats=0.0)


def candidate(
    n: int = 500,
    gain: float = 0.1,
    per_bar: float = -1.0,
    evaluated: bool = True,
    jumps: int = 0,
    theirs: float | None = None,
    drift: str = "NONE",
) -> Packet:
    evaluation = {"held_out_bars": 100, "log_likelihood_per_bar": per_bar, "gain": gain, "predecessor_per_bar": theirs}
    moved = {"severity": drift, "psi": 0.4, "bars": 250}
    return Packet({"n": n, "evaluation": evaluation if evaluated else None, "split_like": jumps, "data_drift": moved}, {})


@pytest.mark.parametrize(
    ("packet", "promoted", "words"),
    [
        (candidate(), True, "gain"),
        (candidate(n=249), False, "min_observations"),
        (candidate(evaluated=False), False, "too short"),
        (candidate(jumps=2), False, "2 moves of 40 % or more"),
        (candidate(drift="HIGH"), False, "block_on_data_drift stops at HIGH"),
        (candidate(drift="MEDIUM"), True, "gain"),
        (candidate(gain=-0.001), False, "min_heldout_gain_nats"),
        (candidate(gain=0.0), True, "gain"),
        (candidate(theirs=-1.5), True, "in production"),
        (candidate(theirs=-0.981), True, "in production"),
        (candidate(theirs=-0.979), False, "fewer"),
    ],
)
def test_verdicts(packet: Packet, promoted: bool, words: str) -> None:
    verdict = judged(packet, RULES, rival=True)
    assert verdict.promoted is promoted
    assert words in verdict.reason


def test_a_predecessor_past_its_age_does_not_hold_up_its_successor() -> None:
    assert judged(candidate(theirs=5.0), RULES, rival=False).promoted


@pytest.mark.parametrize(("bound", "promoted"), [("NONE", True), ("LOW", False), ("MEDIUM", True), ("HIGH", True)])
def test_the_drift_that_stops_a_promotion_is_a_setting(bound: str, promoted: bool) -> None:
    assert judged(candidate(drift="LOW"), replace(RULES, block_on_data_drift=bound), rival=True).promoted is promoted
