"""Rows in JSON: what is taken, and what is refused with which pointer."""

import math

import pytest

from rpsd.core import instant
from rpsd.core.errors import BadRows, BadTime, InvalidRequest
from rpsd.services.intake.ingest import from_columns, from_json, from_rows

DAYS = ["2024-01-02", "2024-01-03", "2024-01-04"]


def pointers(caught) -> list[str]:
    return [fault.pointer for fault in caught.value.errors]


def test_columns_and_rows_give_the_same_samples() -> None:
    columns = from_json({"t": DAYS, "Close": [1, 2.5, None], "volume": [3, 4, 5]}, "1d").samples
    rows = from_json(
        {"rows": [{"t": t, "close": c, "volume": v} for t, c, v in zip(DAYS, [1, 2.5, None], [3, 4, 5], strict=True)]}, "1d"
    ).samples
    assert columns.t.tolist() == rows.t.tolist() == [instant.parse(day) for day in DAYS]
    assert list(columns.columns) == list(rows.columns) == ["close", "volume"]
    assert columns.columns["close"][:2].tolist() == [1.0, 2.5]
    assert math.isnan(columns.columns["close"][2])
    assert columns.known_at is None


def test_nanoseconds_iso_and_known_at() -> None:
    first = instant.parse(DAYS[0])
    parsed = from_columns(
        {"timestamp": [first, "2024-01-03T00:00:00-05:00"], "value": [1.0, 1.0], "known_at": [first + 5, DAYS[2]]}, "1d"
    ).samples
    assert parsed.t[1] == instant.parse("2024-01-03T05:00:00Z")
    assert parsed.known_at is not None
    assert parsed.known_at.tolist() == [first + 5, instant.parse(DAYS[2])]


def test_a_row_may_lack_a_key_and_one_row_and_constants_are_welcome() -> None:
    parsed = from_rows([{"t": DAYS[0], "close": 1.0}, {"t": DAYS[1], "open": 2.0}], "1d").samples
    assert math.isnan(parsed.columns["close"][1])
    assert from_rows([{"t": DAYS[0], "close": 5}], "1d").samples.n == 1
    assert from_columns({"t": DAYS, "close": [7, 7, 7]}, "1d").samples.n == 3


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (float("nan"), "finite"),
        (float("inf"), "finite"),
        ("12", "text"),
        (True, "true or false"),
        ([1], "a list"),
        ({}, "an object"),
        (2**63, "2^63"),
        (-(2**63), "2^63"),
        (10**400, "2^63"),
    ],
)
def test_what_is_no_number_is_named(value: object, words: str) -> None:
    with pytest.raises(BadRows, match="row 1") as caught:
        from_columns({"t": DAYS, "close": [1.0, value, 2.0]}, "1d")
    assert pointers(caught) == ["/close/1"]
    assert words in caught.value.errors[0].reason


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("2024-01-03T10:00:00", "no offset"),
        ("01/02/2024", "date_format"),
        ("yesterday", "ISO 8601"),
        ("", "nothing"),
        (None, "nothing"),
        (1.7e18, "number with a point"),
        (True, "true or false"),
        (2**63, "between 1900 and 2200"),
        ("2024-02-30", "calendar"),
    ],
)
def test_what_is_no_time_is_named(cell: object, words: str) -> None:
    with pytest.raises(BadRows) as caught:
        from_columns({"t": [DAYS[0], cell, DAYS[2]], "close": [1.0, 2.0, 3.0]}, "1d")
    assert pointers(caught) == ["/t/1"]
    assert words in caught.value.errors[0].reason


def test_many_texts_go_through_the_byte_parser_with_the_same_result() -> None:
    stamps = instant.texts(1_600_000_000_000_000_000 + 60_000_000_000 * __import__("numpy").arange(3000))
    stamps[7], stamps[9] = "2020-09-13T12:33:40,5Z", "rubbish"
    parsed = from_columns({"t": stamps, "value": [1.0] * 3000}, "1m", on_error="skip")
    assert [one["row"] for one in parsed.rejected] == [9]
    assert parsed.samples.t[7] == instant.parse(stamps[7])
    assert parsed.samples.t[2000] == instant.parse(stamps[2001])


def test_a_zone_reads_naive_times() -> None:
    parsed = from_columns({"t": ["2024-01-02T09:30"], "close": [1.0]}, "1m", tz="America/New_York")
    assert parsed.samples.t[0] == instant.parse("2024-01-02T14:30Z")
    with pytest.raises(BadTime, match="IANA"):
        from_columns({"t": DAYS, "close": [1, 2, 3]}, "1d", tz="Mars/Olympus")


@pytest.mark.parametrize(("order", "words"), [([0, 2, 1], "earlier"), ([0, 1, 1], "duplicate")])
def test_order_and_duplicates(order: list[int], words: str) -> None:
    body = {"t": [DAYS[i] for i in order], "close": [1.0, 2.0, 3.0]}
    with pytest.raises(BadRows, match=words) as caught:
        from_columns(body, "1d")
    assert pointers(caught) == ["/t/2"]
    parsed = from_columns(body, "1d", on_error="skip")
    assert parsed.samples.n == 2
    assert [one["row"] for one in parsed.rejected] == [2]


def test_skip_keeps_the_good_rows_and_says_why_the_others_went() -> None:
    parsed = from_columns({"t": [*DAYS, "x"], "close": [1.0, "a", None, 4.0]}, "1d", on_error="skip")
    assert parsed.samples.n == 1
    assert [one["row"] for one in parsed.rejected] == [1, 2, 3]
    assert parsed.rejected_count == 3
    with pytest.raises(BadRows, match="no row can be stored"):
        from_columns({"t": ["x"], "close": [1.0]}, "1d", on_error="skip")


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"close": [1.0]},
        {"t": DAYS},
        {"t": DAYS, "date": DAYS, "close": [1, 2, 3]},
        {"t": DAYS, "close": [1, 2, 3], "Close": [1, 2, 3]},
        {"t": DAYS, "1close": [1, 2, 3]},
        {"t": DAYS, "close": 5},
        {"t": "2024", "close": "1234"},
        {"rows": 5},
        {"rows": [5]},
    ],
)
def test_layouts_that_are_refused(body: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        from_json(body, "1d")
    assert caught.value.errors


def test_lengths_and_emptiness() -> None:
    with pytest.raises(BadRows, match="2 values for 3 times") as caught:
        from_columns({"t": DAYS, "close": [1, 2]}, "1d")
    assert pointers(caught) == ["/close"]
    for empty in ({"t": [], "close": []}, {"rows": []}):
        with pytest.raises(BadRows, match="no rows"):
            from_json(empty, "1d")


def test_the_first_hundred_bad_rows_are_named() -> None:
    with pytest.raises(BadRows) as caught:
        from_columns({"t": list(range(10**18, 10**18 + 500)), "close": ["x"] * 500}, "tick")
    assert len(caught.value.errors) == 100


def test_seconds_and_milliseconds_are_not_taken_for_nanoseconds() -> None:
    for epoch in (1_700_000_000, 1_700_000_000_123):
        with pytest.raises(BadTime, match="early 1970"):
            from_columns({"t": [epoch, epoch + 60], "close": [1.0, 2.0]}, "1m")
    assert from_columns({"t": ["1970-01-02", "1970-01-05"], "close": [1.0, 2.0]}, "1d").samples.n == 2


def test_on_error_is_one_of_two_words() -> None:
    with pytest.raises(InvalidRequest, match="on_error"):
        from_columns({"t": DAYS, "close": [1, 2, 3]}, "1d", on_error="ignore")


def test_a_date_format_reads_json_times_too():
    assert from_json({"t": ["31/01/2024"], "close": [1]}, "1d", date_format="%d/%m/%Y").samples.t.tolist() == [instant.parse("2024-01-31")]


def test_rows_that_differ_in_their_names_do_not_unfold_without_bound():
    rows = [{"t": n, f"c{n % 900}": 1.0} for n in range(20_000)]
    with pytest.raises(BadRows, match="too many cells"):
        from_json({"rows": rows}, "1d")


def test_a_table_full_of_bad_cells_is_looked_at_no_further_than_it_is_told():
    with pytest.raises(BadRows) as caught:
        from_json({"t": ["x"] * 5000, "close": [1] * 5000}, "1d")
    assert len(caught.value.errors) == 100
    skipped = from_json({"t": ["2024-01-01"] + ["x"] * 5000, "close": [1] * 5001}, "1d", on_error="skip")
    assert (skipped.samples.n, skipped.rejected_count) == (1, 5000)
    assert "ISO 8601" in skipped.rejected[999]["reason"]


def test_pointers_follow_the_layout_and_the_names_of_the_request() -> None:
    def pointers(body: object) -> list[str]:
        with pytest.raises(BadRows) as caught:
            from_json(body, "1d")
        return [fault.pointer for fault in caught.value.errors]

    twice = ["2024-01-02", "2024-01-02"]
    assert pointers({"rows": [{"date": day, "close": 1.0} for day in twice]}) == ["/rows/1/date"]
    assert pointers({"date": twice, "close": [1.0, 2.0]}) == ["/date/1"]
    assert pointers({"rows": [{"t": "2024-01-02", "close": "x"}]}) == ["/rows/0/close"]
