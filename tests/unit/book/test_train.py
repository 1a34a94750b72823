"""A model of a real capture: what it foretells beside the baselines, what its packet carries, and what refuses a training."""

import json
from dataclasses import asdict, fields, replace

import numpy as np
import pytest

from rpsd.book.features import BookMemory, mirrored, run
from rpsd.book.forecast import opened, probabilities
from rpsd.book.table import gathered
from rpsd.book.train import train
from rpsd.core.book import Event, Tape
from rpsd.core.errors import DegenerateFit, RandomSplitRefused, TooShort
from rpsd.core.model import Packet
from rpsd.core.parameters import BookParameters, LabelParameters
from rpsd.samples import book_tape
from rpsd.services.tasks import TASKS

TICK = 0.1
QUICK = BookParameters(bootstrap=20, folds=2)


@pytest.fixture(scope="module")
def tape() -> Tape:
    """The quotes of the bundled capture; nothing is written to it."""
    whole = book_tape()
    return whole.taken(whole.kind == Event.QUOTE)


@pytest.fixture(scope="module")
def model(tape: Tape) -> Packet:
    """A model of the next mid move; packets are read-only."""
    return train([(tape, TICK)], LabelParameters(), QUICK, seed=0)


def test_the_next_move_is_foretold_better_than_by_the_last_direction(model: Packet) -> None:
    evaluation = model.head["evaluation"]
    auc = {name: scores["auc"]["value"] for name, scores in evaluation["scores"].items()}
    assert set(auc) == {"model", "majority", "last_direction", "queue_imbalance"}
    assert auc["model"] > 0.72
    assert auc["majority"] == 0.5
    assert evaluation["gains"]["last_direction"]["log_loss"]["low"] > 0
    assert evaluation["walk_forward"]["scores"]["auc"]["value"] > 0.72
    assert len(evaluation["walk_forward"]["folds"]) == QUICK.folds
    assert evaluation["test_moves"] < evaluation["test_events"] / 10


def test_the_packet_carries_what_serving_needs(model: Packet, tape: Tape) -> None:
    head = Packet.unpack(model.pack()).head
    assert head["kind"] == "book"
    assert head["predictor"] == "logistic"
    assert head["label"] == asdict(LabelParameters())
    assert (head["tick"], head["alpha"]) == (TICK, 0.0)
    assert head["trial_until_ns"] < head["evaluation"]["test_from_ns"] < head["trained_until_ns"] <= tape.t.max()
    json.dumps(dict(head), allow_nan=False)


def test_the_mirrored_market_gets_the_mirrored_answer(model: Packet, tape: Tape) -> None:
    few = tape.taken(np.arange(tape.n) < 4000)
    ours = opened(model)
    here = probabilities(run(few, TICK, BookMemory.fresh())[0], ours)
    there = probabilities(run(mirrored(few, TICK), TICK, BookMemory.fresh())[0], ours)
    np.testing.assert_array_equal(here, there[:, ::-1])
    np.testing.assert_array_equal(here[:, 2], 1.0 - here[:, 0])


def test_the_test_block_changes_no_choice_and_no_trial(model: Packet, tape: Tape) -> None:
    """Events after the training part may say what they like: the trial is the same to the last bit."""
    begin = model.head["evaluation"]["test_from_ns"]
    late = np.maximum.accumulate(tape.t) >= begin
    quotes = tape.quotes.copy()
    quotes[tape.row[late]] = quotes[tape.row[late]][:, [2, 3, 0, 1]] * np.array([-1, 1, -1, 1]) + np.array([2e5, 0, 2e5, 0])
    changed = train([(replace(tape, quotes=quotes), TICK)], LabelParameters(), QUICK, seed=0)
    assert changed.arrays["trial"].tobytes() == model.arrays["trial"].tobytes()
    assert changed.head["evaluation"]["scores"] != model.head["evaluation"]["scores"]


def test_the_same_seed_gives_the_same_model(model: Packet, tape: Tape) -> None:
    arrays = {f"tape/0/{field.name}": getattr(tape, field.name) for field in fields(Tape)}
    head = {"ticks": [TICK], "label": asdict(LabelParameters()), "params": asdict(QUICK), "seed": 0}
    asked = Packet.unpack(Packet(head, {**arrays, "previous": np.frombuffer(model.pack(), np.uint8)}).pack())
    told: list[float] = []
    again = dict(TASKS)["book_train"](asked, lambda share, _words: told.append(share))
    assert again.arrays["weights"].tobytes() == model.arrays["weights"].tobytes()
    assert told == sorted(told)
    rival = again.head["evaluation"]["predecessor"]
    assert rival["gains"]["log_loss"] == {"value": 0.0, "low": 0.0, "high": 0.0, "error": 0.0}
    assert rival["moves"] == again.head["evaluation"]["test_moves"]


@pytest.mark.parametrize(
    "label", [LabelParameters(label="horizon_ms", horizon=500), LabelParameters(label="smoothed", horizon=50, delay_ms=20.0)]
)
def test_labels_with_flat_have_three_probabilities(label: LabelParameters, tape: Tape) -> None:
    model = train([(tape, TICK)], label, QUICK, seed=0)
    assert model.head["alpha"] >= 0.5
    x = run(tape.taken(np.arange(tape.n) < 3000), TICK, BookMemory.fresh())[0]
    said = probabilities(x, opened(model))
    assert (said > 0).all()
    scores = model.head["evaluation"]["scores"]
    assert scores["model"]["log_loss"]["value"] < scores["majority"]["log_loss"]["value"]
    assert {row["of"] for row in model.head["evaluation"]["reliability"]} == {"prediction", "down", "flat", "up"}


def test_tapes_of_several_books_are_put_in_one_order_of_time(tape: Tape) -> None:
    half = tape.taken(np.arange(tape.n) < tape.n // 2)
    other = replace(half, t=half.t + 7)
    table, _ = gathered([(half, TICK), (other, TICK)], LabelParameters(), 0.4)
    alone, _ = gathered([(half, TICK)], LabelParameters(), 0.4)
    assert (np.diff(table.t) >= 0).all()
    assert table.moves == 2 * alone.moves
    assert train([(half, TICK), (other, 0.05)], LabelParameters(), QUICK, seed=0).head["tick"] is None


def test_prints_of_trades_are_no_occasions(tape: Tape) -> None:
    whole = book_tape()
    few = whole.taken(np.arange(whole.n) < 5000)
    table, _ = gathered([(few, TICK)], LabelParameters(), 0.4)
    assert 0 < table.t.size <= (few.kind != Event.TRADE).sum() < few.n


def test_what_refuses_a_training(tape: Tape) -> None:
    with pytest.raises(RandomSplitRefused):
        train([(tape, TICK)], LabelParameters(), replace(QUICK, split="random"), seed=0)
    with pytest.raises(TooShort, match="moves"):
        train([(tape.taken(np.arange(tape.n) < 500), TICK)], LabelParameters(), QUICK, seed=0)
    with pytest.raises(TooShort, match="trees need 5000"):
        train([(tape, TICK)], LabelParameters(), replace(QUICK, model="boosted"), seed=0)
    with pytest.raises(TooShort):
        train([], LabelParameters(), QUICK, seed=0)


def test_a_market_that_only_rises_is_refused() -> None:
    n = 5000
    bid = np.round(100 + TICK * (np.arange(n) // 10), 1)
    quotes = np.column_stack([bid, np.ones(n), bid + TICK, np.ones(n)])
    rising = Tape.of_quotes(np.arange(n) * 10_000_000 + 10**18, quotes)
    with pytest.raises(DegenerateFit):
        train([(rising, TICK)], LabelParameters(), QUICK, seed=0)


@pytest.mark.parametrize("label", [LabelParameters(), LabelParameters(label="horizon_events", horizon=50)])
def test_trees_where_there_are_moves_enough(label: LabelParameters, tape: Tape, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rpsd.book.boosted.LEAST_MOVES", 100)
    few = tape.taken(np.arange(tape.n) < 30_000)
    model = train([(few, TICK)], label, replace(QUICK, model="blend", trees=8), seed=0)
    assert model.head["predictor"] == "blend"
    assert 0 < model.head["logistic_share"] < 1
    assert len(model.head["choice"]) == 5
    x = run(few, TICK, BookMemory.fresh())[0]
    turned = run(mirrored(few, TICK), TICK, BookMemory.fresh())[0]
    np.testing.assert_array_equal(probabilities(x, opened(model)), probabilities(turned, opened(model))[:, ::-1])
    assert model.head["evaluation"]["scores"]["model"]["auc"]["value"] > 0.65
