"""Tapes keep each event with its row, whatever the order; forecasts say the most probable word."""

from dataclasses import replace

import numpy as np
import pytest

from rpsd.core.book import NO_SEQUENCE, BookForecast, Event, Tape, Updates, fused, woven
from rpsd.core.errors import BadBook


def _books(t: list[int], price: float, levels: int = 2) -> Tape:
    n = len(t)
    bids, asks = np.zeros((n, levels, 2)), np.zeros((n, levels, 2))
    bids[:, 0], asks[:, 0] = (price, 1.0), (price + 1.0, 1.0)
    return Tape.of_books(np.array(t), bids, asks, np.ones((n, 2), np.int64))


def test_fused_tapes_are_in_order_of_arrival_and_each_event_keeps_its_row() -> None:
    quotes = Tape.of_quotes(np.array([5, 15, 25]), np.arange(12.0).reshape(3, 4))
    trades = Tape.of_trades(np.array([15, 16]), np.arange(6.0).reshape(2, 3))
    whole = fused([_books([10, 20], 100.0, levels=1), quotes, trades, _books([7], 50.0, levels=3)])
    assert whole.t.tolist() == [5, 7, 10, 15, 15, 16, 20, 25]
    kinds = [Event(kind).name for kind in whole.kind]
    assert kinds == ["QUOTE", "DEPTH", "DEPTH", "QUOTE", "TRADE", "TRADE", "DEPTH", "QUOTE"]
    assert [whole.quotes[whole.row[i], 0] for i in (0, 3, 7)] == [0.0, 4.0, 8.0]
    assert [whole.bids[whole.row[i], 0, 0] for i in (1, 2, 6)] == [50.0, 100.0, 100.0]
    assert [whole.trades[whole.row[i], 0] for i in (4, 5)] == [0.0, 3.0]
    assert whole.levels == 3


def test_events_that_are_taken_bring_their_rows() -> None:
    whole = fused([_books([10, 20, 30], 100.0), Tape.of_quotes(np.array([15]), np.full((1, 4), 7.0))])
    some = whole.taken(np.array([False, True, True, False]))
    assert (some.n, some.bids.shape[0], some.quotes.shape[0]) == (2, 1, 1)
    assert some.row.tolist() == [0, 0]


def test_arrival_goes_before_the_exchanges_time() -> None:
    early = Tape.of_quotes(np.array([50]), np.zeros((1, 4)), received=np.array([1]))
    late = Tape.of_quotes(np.array([40]), np.ones((1, 4)), received=np.array([2]))
    assert fused([late, early]).t.tolist() == [50, 40]


def test_columns_of_two_lengths_are_refused() -> None:
    with pytest.raises(BadBook):
        Tape.of_books(np.array([1, 2]), np.zeros((2, 3, 2)), np.zeros((2, 4, 2)), np.zeros((2, 2), np.int64))


@pytest.mark.parametrize(
    ("three", "word"), [((0.2, 0.0, 0.8), "up"), ((0.5, 0.0, 0.5), "flat"), ((0.3, 0.4, 0.3), "flat"), ((0.6, 0.2, 0.2), "down")]
)
def test_the_forecast_says_the_most_probable_word(three: tuple[float, float, float], word: str) -> None:
    assert BookForecast(*three).prediction == word


def test_books_of_updates_are_woven_with_what_came_between() -> None:
    beside = Tape.of_quotes(np.array([10, 25, 26, 40]), np.arange(16.0).reshape(4, 4))
    nothing = np.empty(0)
    ids = np.full(3, NO_SEQUENCE)
    t, none = np.array([20, 30, 35]), np.zeros(3, np.bool_)
    updates = Updates(
        t, t, ids, ids, ids, none, np.zeros(4, np.int64), nothing.astype(np.int8), nothing, nothing, beside, np.array([0, 1, 1, 3])
    )
    books = Tape.of_books(t[[0, 2]], np.ones((2, 1, 2)), np.ones((2, 1, 2)), np.ones((2, 2), np.int64))
    tape = woven(books, np.array([0, 2]), updates)
    assert tape.t.tolist() == [10, 20, 25, 26, 35, 40]
    assert tape.quotes.tolist() == beside.quotes.tolist()
    assert tape.row.tolist() == [0, 0, 1, 2, 1, 3]
    assert woven(books, np.array([0, 2]), replace(updates, beside=None)) is books
