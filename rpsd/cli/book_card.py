"""How well a model of an order book foretells, for people: beside its baselines, block by block, and what its probabilities were worth."""

from collections.abc import Mapping
from typing import Any, Final

from rpsd.cli.output import pairs, table

_MEASURES: Final = {"auc": "AUC", "mcc": "MCC", "brier": "Brier", "log_loss": "log loss", "ece": "ECE"}
_BASELINES: Final = ("queue_imbalance", "last_direction", "majority")
_HARDEST: Final = _BASELINES[0]


def evaluated(found: Mapping[str, Any]) -> str:
    """The evaluation of a card: the test beside the baselines, with intervals of 95 %, the walk-forward, and the reliability."""
    fitted, tested = (f"{found[f'{part}_events']:,} events, {found[f'{part}_moves']:,} moves" for part in ("train", "test"))
    walked = found["walk_forward"]
    blocks = [(f"block {i}", one["events"], one["moves"], *(one[name] for name in _MEASURES)) for i, one in enumerate(walked["folds"], 1)]
    if scores := walked["scores"]:
        blocks.append(("all", None, None, *(scores[name]["value"] for name in _MEASURES)))
    relied = [
        (f"{row['low']:.0%} to {row['high']:.0%}", row["said"], row["came"], row["events"], row["moves"])
        for row in found["reliability"]
        if row["of"] == "prediction"
    ]
    return "\n\n".join(
        [
            pairs([("learnt from", fitted), ("tested on", f"{tested} after these")]),
            _beside(found["scores"], found["gains"][_HARDEST]),
            table(("walk-forward", "events", "moves", *_MEASURES.values()), blocks),
            table(("probability", "said", "came true", "events", "moves"), relied),
        ]
    )


def _beside(scores: Mapping[str, Any], gains: Mapping[str, Any]) -> str:
    """A row for each measure: the model, what it gains over queue imbalance, and the baselines."""
    rows = [
        (shown, _between(scores["model"][name]), _between(gains[name]), *(_short(scores[one][name]["value"]) for one in _BASELINES))
        for name, shown in _MEASURES.items()
    ]
    return table(("test", "model", "better than imbalance by", *(name.replace("_", " ") for name in _BASELINES)), rows)


def _between(score: Mapping[str, float]) -> str:
    return f"{_short(score['value'])} ({_short(score['low'])} to {_short(score['high'])})"


def _short(value: float) -> str:
    """Three decimals without the leading zero."""
    text = f"{value:.3f}"
    return text.replace("0.", ".", 1) if abs(value) < 1 else text
