"""A walk-forward speaks of events by fits to what came before them alone."""

import numpy as np
import pytest

from rpsd import samples
from rpsd.book import forward
from rpsd.core.book import Tape
from rpsd.core.errors import TooShort
from rpsd.core.parameters import BookParameters, LabelParameters

TICK = 0.1
PARAMS = BookParameters(model="logistic", folds=3, bootstrap=20)


def _first(n: int) -> Tape:
    whole = samples.book_tape()
    return whole.taken(np.arange(whole.n) < n)


def _walked(tapes: list[tuple[Tape, float]]) -> tuple[list[forward.Stretch], list[dict[str, object]], list[float]]:
    shares: list[float] = []
    stretches, fits = forward.walk_forward(tapes, LabelParameters(), PARAMS, seed=0, report=lambda share, _words: shares.append(share))
    return stretches, fits, shares


def test_what_comes_later_changes_nothing_said_before_it() -> None:
    n = 40_000
    tape = _first(n)
    [stretch], fits, shares = _walked([(tape, TICK)])
    assert (
        stretch.tape.n == stretch.probabilities.shape[0] == sum(int(fit["tested_events"]) for fit in fits) == round(PARAMS.test_share * n)
    )
    assert [fit["trained_events"] for fit in fits] == [24_000, 29_333, 34_666]
    assert np.isfinite(stretch.probabilities).all()
    assert shares == sorted(shares)
    quotes = tape.quotes.copy()
    changed = tape.row[(tape.kind == 1) & (np.arange(n) >= 36_000)]
    quotes[changed, 1] = 50.0  # the last events, all of them inside the last part
    other = Tape(tape.kind, tape.t, tape.received, tape.sequence, tape.row, tape.bids, tape.asks, tape.counts, quotes, tape.trades)
    [again], _, _ = _walked([(other, TICK)])
    np.testing.assert_array_equal(again.probabilities[:12_000], stretch.probabilities[:12_000])
    assert (again.probabilities[12_000:] != stretch.probabilities[12_000:]).any()


def test_tapes_follow_one_another_and_nothing_is_carried_over_a_gap() -> None:
    whole = _first(40_000)
    place = np.arange(whole.n)
    tapes = [(whole.taken(place < 30_000), TICK), (whole.taken(place >= 30_000), TICK)]
    stretches, _, _ = _walked(tapes)
    assert [stretch.tape.n for stretch in stretches] == [6_000, 10_000]
    assert stretches[1].tops[0].tolist() != stretches[0].tops[-1].tolist()


def test_a_tape_without_moves_enough_is_refused() -> None:
    with pytest.raises(TooShort):
        _walked([(_first(1_000), TICK)])
