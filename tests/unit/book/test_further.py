"""Features beside the 27 on rows: fits that a model keeps, and volatilities that know nothing but closed bars."""

import numpy as np
import pytest

from rpsd import samples
from rpsd.book import further, integrated, microprice, ranges
from rpsd.book.features import BookMemory, run
from rpsd.core.book import Tape

TICK = 0.1
SECOND = 1_000_000_000


@pytest.fixture(scope="module")
def tape() -> Tape:
    whole = samples.book_tape()
    return whole.taken(np.arange(whole.n) < 20_000)


def test_a_fit_is_that_of_its_own_files(tape: Tape) -> None:
    features, tops, _ = run(tape, TICK, BookMemory.fresh())
    kept = further.fitted([(tape, TICK)])
    np.testing.assert_array_equal(kept[further.WEIGHTS], integrated.fit(features))
    np.testing.assert_array_equal(kept[further.TABLE], microprice.fit(tops, TICK).table)
    for name in further.FITTED:
        column = further.by_fit(name, features, tops, TICK, kept)
        assert column is not None
        assert np.isfinite(column).all()
        assert column.std() > 0


def test_two_ticks_have_no_table_in_common_and_a_short_tape_nothing(tape: Tape) -> None:
    assert set(further.fitted([(tape, TICK), (tape, 0.2)])) == {further.WEIGHTS}
    assert further.fitted([(tape.taken(np.arange(tape.n) < 50), TICK)]) == {}
    assert further.by_fit("stoikov_t", np.zeros((2, 27)), np.zeros((2, 4)), TICK, {}) is None


@pytest.mark.parametrize("estimator", list(ranges.ESTIMATORS))
def test_a_volatility_knows_only_bars_that_had_closed(tape: Tape, estimator: str) -> None:
    _, tops, _ = run(tape, TICK, BookMemory.fresh())
    clock = np.maximum.accumulate(tape.t)
    whole = further.volatility(estimator, clock, tops, clock, bar_ns=SECOND, window=5)
    assert np.isnan(whole[0])
    assert np.isfinite(whole[-1])
    for cut in (3_000, 11_000, 19_999):
        part = further.volatility(estimator, clock[:cut], tops[:cut], clock[:cut], bar_ns=SECOND, window=5)
        np.testing.assert_array_equal(part, whole[:cut])


def test_a_volatility_by_hand() -> None:
    t = np.arange(1, 8) * SECOND  # each quote ends a bar: it is its only event
    prices = np.array([100.0, 101.0, 100.0, 103.0, 102.0, 102.5, 101.0])
    tops = np.column_stack([prices - 0.5, np.ones(7), prices + 0.5, np.ones(7)])
    found = further.volatility("close_to_close", t, tops, t, bar_ns=SECOND, window=3)
    returns = np.diff(np.log(prices))
    assert np.isnan(found[:4]).all()  # the fourth bar ends with the fourth event, and is closed at the fifth
    expected = [returns[i : i + 3].std(ddof=1) for i in range(3)]
    np.testing.assert_allclose(found[4:], expected, rtol=1e-12)
