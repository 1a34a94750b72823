"""The gate before models of order books: moves, calibration, chance, baselines, and the model in production."""

from typing import Any

import pytest

from rpsd.config.settings import Promotion
from rpsd.core.model import Packet
from rpsd.services.model.gate import judged_book


def interval(value: float | None, half: float = 0.02) -> dict[str, float | None]:
    if value is None:
        return {"value": None, "low": None, "high": None, "error": None}
    return {"value": value, "low": value - half, "high": value + half, "error": half / 2}


def scores(auc: float | None, log_loss: float = 0.6, ece: float = 0.02) -> dict[str, Any]:
    return {"auc": interval(auc), "log_loss": interval(log_loss, 0.01), "ece": interval(ece)}


def candidate(
    mine: dict[str, Any] | None = None, *, moves: int = 900, imbalance: float = 0.735, rival: dict[str, float] | None = None
) -> Packet:
    """Baselines: chance with the log loss of a coin, and queue imbalance; `rival`: gains over the model in production."""
    baselines = {"majority": {**scores(0.5, 0.693), "auc": interval(0.5, 0.0)}, "last_direction": scores(None, 0.69)}
    table = {"model": mine or scores(0.73), **baselines, "queue_imbalance": scores(imbalance, 0.61)}
    predecessor = None if rival is None else {"gains": {name: interval(value) for name, value in rival.items()}}
    return Packet({"evaluation": {"test_moves": moves, "scores": table, "predecessor": predecessor}}, {})


@pytest.mark.parametrize(
    ("packet", "promoted", "words"),
    [
        (candidate(), True, "AUC 0.730 (0.710 to 0.750) on 900 unseen moves"),
        (candidate(moves=199), False, "min_moves asks for 200"),
        (candidate(scores(None)), False, "one way alone"),
        (candidate(scores(0.73, ece=0.051)), False, "max_calibration_error allows 0.05"),
        (candidate(scores(0.73, ece=0.05)), True, "AUC"),
        (candidate(scores(0.519), imbalance=0.5), False, "no better than chance"),
        (candidate(imbalance=0.749), True, "AUC"),
        (candidate(imbalance=0.751), False, "the baseline queue imbalance does better: its AUC is at least 0.731"),
        (candidate(scores(0.73, log_loss=0.63)), False, "its log loss is at most 0.6200 against 0.6300"),
        (candidate(rival={"auc": -0.009, "log_loss": 0.001}), True, "no worse than the model in production"),
        (candidate(rival={"auc": -0.011, "log_loss": 0.001}), False, "its auc is worse by 0.0110, and the standard error is 0.0100"),
        (candidate(rival={"auc": 0.01, "log_loss": -0.02}), False, "its log loss is worse"),
    ],
)
def test_verdicts(packet: Packet, promoted: bool, words: str) -> None:
    verdict = judged_book(packet, Promotion())
    assert verdict.promoted is promoted
    assert words in verdict.reason
