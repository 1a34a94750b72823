"""Ticks: rows of one nanosecond are kept apart by their sequence, in order, and meet again by it."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rpsd.core.errors import BadRows
from rpsd.core.market import Samples, Upsert
from rpsd.store import series, ticks


def rows(*given: tuple[int, float | None, float]) -> Samples:
    """Rows (t, sequence, price)."""
    t, sequence, price = zip(*given, strict=True)
    columns = {"price": np.array(price, np.float64)}
    if any(one is not None for one in sequence):
        columns["sequence"] = np.array([np.nan if one is None else one for one in sequence])
    return Samples(np.array(t, np.int64), columns)


def stored(c, **how) -> list[tuple[int, float, float]]:
    found = series.read(c, series.require(c, "X", "tick"), **how)
    return list(zip(found.t.tolist(), found.columns["sequence"].tolist(), found.columns["price"].tolist(), strict=True))


def put(c, samples: Samples, now_ns: int = 1000) -> Upsert:
    return series.upsert(c, "X", "tick", samples, now_ns=now_ns)


def test_trades_of_one_nanosecond_stay_apart_and_in_order(c) -> None:
    assert put(c, rows((5, 7, 1.0), (5, 9, 2.0), (5, 12, 3.0), (6, 13, 4.0))).inserted == 4
    assert put(c, rows((4, 1, 0.5), (5, 8, 1.5), (5, 12, 3.3))) == Upsert(2, 1, 0, 6)
    expected = [(4, 1, 0.5), (5, 7, 1.0), (5, 8, 1.5), (5, 9, 2.0), (5, 12, 3.3), (6, 13, 4.0)]
    assert stored(c) == expected
    assert stored(c, limit=3) == expected[:3]
    assert stored(c, start_ns=5, end_ns=5, columns=["price"]) == expected[1:5]
    assert put(c, rows(*expected)) == Upsert(0, 0, 6, 6)


def test_the_layers_are_one_series_to_the_caller(c) -> None:
    put(c, rows((5, 0, 1.0), (5, 1, 2.0)))
    (listed,) = series.page(c, None, 10)
    assert (listed.symbol, series.whole(c, listed).rows) == ("X", 2)
    assert sum(part.n for part in series.stream(c, listed)) == 2
    series.delete(c, listed)
    assert c.execute("SELECT count(*) FROM series").fetchall() == [(0,)]


def test_a_revised_trade_is_read_as_it_was(c) -> None:
    put(c, rows((5, 0, 1.0), (5, 1, 2.0)), now_ns=10)
    put(c, rows((5, 1, 9.0)), now_ns=100)
    assert stored(c, as_of_ns=50) == [(5, 0, 1.0), (5, 1, 2.0)]
    assert stored(c, as_of_ns=100) == [(5, 0, 1.0), (5, 1, 9.0)]


def test_rows_without_a_sequence_meet_as_the_first(c) -> None:
    put(c, rows((5, None, 1.0), (6, None, 2.0)))
    assert "sequence" not in series.require(c, "X", "tick").columns
    put(c, rows((6, 0, 2.5), (6, 1, 3.0)))
    assert put(c, rows((5, None, 1.5))).updated == 1
    assert [(t, price) for t, _, price in stored(c)] == [(5, 1.5), (6, 2.5), (6, 3.0)]


def test_bars_take_no_two_rows_of_one_time_and_a_nanosecond_not_more_than_its_most(c) -> None:
    with pytest.raises(BadRows, match="tick alone"):
        series.upsert(c, "X", "1d", rows((5, 0, 1.0), (5, 1, 2.0)), now_ns=1)
    with pytest.raises(BadRows, match="more than 1000"):
        put(c, rows(*((5, i, 1.0) for i in range(ticks.MOST_LAYERS + 1))))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])  # fresh() makes a new one
@given(posts=st.lists(st.dictionaries(st.tuples(st.integers(0, 6), st.integers(0, 4)), st.floats(1, 9), min_size=1), max_size=6))
def test_posts_in_any_order_end_as_the_last_word_of_each_key(fresh, posts) -> None:
    c = fresh()
    expected: dict[tuple[int, int], float] = {}
    for number, post in enumerate(posts):
        done = put(c, rows(*((t, s, price) for (t, s), price in sorted(post.items()))), now_ns=1000 + number)
        assert done.inserted == len(set(post) - set(expected))
        expected |= post
    if posts:
        assert stored(c) == [(t, s, price) for (t, s), price in sorted(expected.items())]
    c.close()
