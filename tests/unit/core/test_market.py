"""Symbols, intervals, columns and the invariants of samples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpsd.core import market
from rpsd.core.errors import BadRows, BadSymbol
from rpsd.core.market import Samples


@given(st.from_regex(r"\A[A-Z0-9^][A-Z0-9._=^-]{0,31}\Z"))
def test_symbols_of_the_grammar_are_themselves_in_any_case(text: str) -> None:
    assert market.symbol(text) == text
    assert market.symbol(text.lower()) == text


@given(st.text(max_size=40))
def test_other_texts_are_refused_or_equal_in_upper_case(text: str) -> None:
    try:
        accepted = market.symbol(text)
    except BadSymbol:
        return
    assert text.isascii()
    assert accepted == text.upper()
    assert 1 <= len(accepted) <= 32
    assert set(accepted) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._=^-")
    assert accepted[0] not in "._=-"


@pytest.mark.parametrize("text", ["", ".A", "-A", "A B", "A/B", "../A", "A\n", "A" * 33, "ß", "ﬁ", "ıx", "A%", "a\0"])
def test_traps_are_refused(text: str) -> None:
    with pytest.raises(BadSymbol):
        market.symbol(text)


def test_intervals_are_a_closed_set() -> None:
    assert [market.interval(name) for name in market.INTERVALS] == list(market.INTERVALS)
    for text in ("", "1D", "1 d", "7m", "1d\n"):
        with pytest.raises(BadSymbol):
            market.interval(text)


def test_columns_are_lowered_and_bounded() -> None:
    assert market.column(" Close ") == "close"
    for text in ("", "1a", "_a", "adj close", "x" * 33, "ö", "a;b"):
        with pytest.raises(BadRows):
            market.column(text)


@pytest.mark.parametrize("name", ["t", "Time", "known_at", "available_at", "symbol", "interval", "next"])
def test_what_an_answer_says_beside_the_columns_names_none(name: str) -> None:
    with pytest.raises(BadRows, match="cannot name a column"):
        market.column(name)


def test_a_letter_that_lowers_into_ascii_is_none() -> None:
    with pytest.raises(BadRows):
        market.column("\N{KELVIN SIGN}elvin")


def test_samples_are_sealed() -> None:
    samples = Samples(np.array([1, 2]), {"close": np.array([1.0, np.nan])}, np.array([3, 4]))
    assert samples.n == 2
    for array in (samples.t, samples.columns["close"], samples.known_at):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 9  # type: ignore[index]


@pytest.mark.parametrize(
    ("t", "close", "pointer"),
    [
        ([1, 1], [1.0, 2.0], "/t/1"),
        ([1, 3, 2], [1.0, 2.0, 3.0], "/t/2"),
        ([1, 2], [1.0], "/close"),
        ([1, 2], [1.0, np.inf], "/close/1"),
        ([1, 2], [-np.inf, 1.0], "/close/0"),
    ],
)
def test_broken_samples_are_refused_with_their_place(t: list[int], close: list[float], pointer: str) -> None:
    with pytest.raises(BadRows) as refused:
        Samples(np.array(t, np.int64), {"close": np.array(close)})
    assert [fault.pointer for fault in refused.value.errors] == [pointer]
