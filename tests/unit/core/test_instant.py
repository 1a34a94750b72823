"""Instants: read without guessing, written so that reading gives the same."""

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpsd.core import instant
from rpsd.core.errors import BadTime
from rpsd.core.market import SECOND_NS

MOMENTS = st.integers(instant.FIRST_NS, instant.LAST_NS)


@given(MOMENTS)
def test_parse_undoes_text(ns: int) -> None:
    assert instant.parse(instant.text(ns)) == ns


@given(st.lists(MOMENTS, max_size=5))
def test_texts_are_read_back(moments: list[int]) -> None:
    assert [instant.parse(text) for text in instant.texts(np.array(moments, np.int64))] == moments


@given(st.lists(MOMENTS, min_size=2, max_size=5))
def test_order_of_moments_is_order_of_their_texts_in_one_unit(moments: list[int]) -> None:
    stamps = instant.texts(np.array(sorted(moments), np.int64))
    assert stamps == sorted(stamps)


@given(st.integers(-2_208_900_000, 7_258_000_000), st.integers(-14 * 60, 14 * 60))
def test_an_offset_moves_the_text_and_not_the_moment(seconds: int, minutes: int) -> None:
    moment = datetime.fromtimestamp(seconds, UTC)
    assert instant.parse(moment.astimezone(timezone(timedelta(minutes=minutes))).isoformat()) == seconds * SECOND_NS


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1970-01-01", 0),
        ("1970-01-01T00:00Z", 0),
        ("1970-01-01 00:00:01z", SECOND_NS),
        ("1970-01-01T00:00:00.000000001Z", 1),
        ("1970-01-01T00:00:00,5 +00", SECOND_NS // 2),
        ("1970-01-01T01:00:00+0100", 0),
        ("1969-12-31T23:59:59.999999999Z", -1),
        (" 1970-01-01 ", 0),
    ],
)
def test_forms_that_are_read(text: str, wanted: int) -> None:
    assert instant.parse(text) == wanted


@pytest.mark.parametrize(
    "text",
    ["", "now", "08/18/2025", "18.08.2025", "2025-13-01", "2025-02-30", "2025-08-18T25:00Z", "2025-08-18T10:00",
     "2025-08-18T10:00:00.1234567891Z",
     "1899-12-31", "2200-01-02", "20250818", "1755523800", "2025-08-18T10:00:00+25:00", "２０２５-08-18"],
)  # fmt: skip
def test_forms_that_are_refused(text: str) -> None:
    with pytest.raises(BadTime):
        instant.parse(text)


def test_local_times_need_a_zone_and_a_unique_moment() -> None:
    berlin = instant.zone("Europe/Berlin")
    assert instant.parse("2025-08-18T10:00", berlin) == instant.parse("2025-08-18T08:00Z")
    assert instant.parse("2025-08-18", berlin) == instant.parse("2025-08-17T22:00Z")
    assert instant.parse("2025-08-18T10:00Z", berlin) == instant.parse("2025-08-18T10:00Z")
    for doubtful in ("2025-03-30T02:30", "2025-10-26T02:30"):
        with pytest.raises(BadTime, match="clock change"):
            instant.parse(doubtful, berlin)
    for name in ("Mars/Olympus", "../etc/passwd", "", "UTC\0"):
        with pytest.raises(BadTime):
            instant.zone(name)


def test_seconds_taken_for_nanoseconds_are_refused() -> None:
    assert instant.bounded(1_755_523_800 * SECOND_NS) == 1_755_523_800 * SECOND_NS
    for ns in (instant.FIRST_NS - 1, instant.LAST_NS + 1, 2**63):
        with pytest.raises(BadTime):
            instant.bounded(ns)


def test_texts_of_nothing() -> None:
    assert instant.texts(np.empty(0, np.int64)) == []
