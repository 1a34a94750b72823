"""The card of a book model for people."""

from copy import deepcopy
from typing import Any

from rpsd.cli.book_card import evaluated

MEASURES = ("auc", "mcc", "brier", "log_loss", "ece", "ece_classes")


def _scores(value: float) -> dict[str, dict[str, float]]:
    return {name: {"value": value, "low": value - 0.1, "high": value + 0.1, "error": 0.05} for name in MEASURES}


CARD: dict[str, Any] = {
    **{"train_events": 12_000, "train_moves": 900, "test_events": 8000, "test_moves": 700},
    "scores": {
        name: _scores(value) for name, value in (("model", 0.75), ("queue_imbalance", 0.77), ("last_direction", 0.6), ("majority", 0.5))
    },
    "gains": {"queue_imbalance": _scores(-0.02)},
    "walk_forward": {"folds": [{"events": 4000, "moves": 350, **dict.fromkeys(MEASURES, 0.7)}], "scores": _scores(0.71)},
    "reliability": [
        {"of": "prediction", "low": 0.5, "high": 0.6, "events": 30, "moves": 9, "said": 0.55, "came": 0.54},
        {"of": "up", "low": 0.0, "high": 0.1, "events": 31, "moves": 9, "said": 0.05, "came": 0.04},
    ],
}


def test_the_model_stands_beside_its_baselines() -> None:
    text = evaluated(CARD)
    (auc,) = [line for line in text.splitlines() if line.startswith("AUC")]
    assert auc.split() == ["AUC", ".750", "(.650", "to", ".850)", "-.020", "(-.120", "to", ".080)", ".770", ".600", ".500"]
    assert "8,000 events, 700 moves after these" in text
    assert [line.split()[0] for line in text.splitlines() if "0.7" in line] == ["block", "all"]
    assert "50% to 60%" in text
    assert "0% to 10%" not in text  # of one direction alone: --json has it
    assert max(map(len, text.splitlines())) <= 100


def test_a_walk_forward_in_which_nothing_could_be_fitted() -> None:
    card = deepcopy(CARD)
    card["walk_forward"] = {"folds": [], "scores": None}
    assert "Nothing to show." in evaluated(card)
