"""The gate: enough bars, a gain over one state, and no step back."""

from dataclasses import replace

import pytest

from rpsd.config.settings import Promotion
from rpsd.core.model import Packet
from rpsd.services.gate import judged

RULES = replace(Promotion(), min_observations=250, min_heldout_gain_nats=0.0)


def candidate(n: int = 500, gain: float = 0.1, per_bar: float = -1.0, evaluated: bool = True) -> Packet:
    evaluation = {"held_out_bars": 100, "log_likelihood_per_bar": per_bar, "one_state_per_bar": per_bar - gain, "gain": gain}
    return Packet({"n": n, "evaluation": evaluation if evaluated else None}, {})


@pytest.mark.parametrize(
    ("packet", "predecessor", "promoted", "words"),
    [
        (candidate(), None, True, "gain"),
        (candidate(n=249), None, False, "min_observations"),
        (candidate(evaluated=False), None, False, "too short"),
        (candidate(gain=-0.001), None, False, "min_heldout_gain_nats"),
        (candidate(gain=0.0), None, True, "gain"),
        (candidate(), -1.5, True, "in production"),
        (candidate(), -0.981, True, "in production"),
        (candidate(), -0.979, False, "fewer"),
    ],
)
def test_verdicts(packet: Packet, predecessor: float | None, promoted: bool, words: str) -> None:
    verdict = judged(packet, predecessor, RULES)
    assert verdict.promoted is promoted
    assert words in verdict.reason
