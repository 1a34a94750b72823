"""CSV files as people send them: what is read, and what is refused with which line."""

import math
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpsd.core import instant
from rpsd.core.errors import BadCsv, BadRows, BadTime, InvalidRequest, MalformedBody
from rpsd.services.intake.ingest import CsvReader, Parsed


def read(text: str | bytes, interval: str = "1d", *, step: int = 0, **how: Any) -> Parsed:
    data = text.encode() if isinstance(text, str) else text
    reader = CsvReader(interval, **how)
    for start in range(0, len(data), step or max(1, len(data))):
        reader.feed(data[start : start + (step or len(data))])
    return reader.finish()


PLAIN = "date,Open,close\n2024-01-02,1.5,2\n2024-01-03,,3\n2024-01-04,4,5e-1\n"


def test_a_plain_file() -> None:
    samples = read(PLAIN).samples
    assert samples.t.tolist() == [instant.parse(f"2024-01-0{d}") for d in (2, 3, 4)]
    assert list(samples.columns) == ["open", "close"]
    assert math.isnan(samples.columns["open"][1])
    assert samples.columns["close"].tolist() == [2.0, 3.0, 0.5]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN.rstrip("\n"),
        PLAIN + "\n\n",
        PLAIN.replace("date", '"Date"').replace("1.5", '"1.5"').replace("2024-01-02", '"2024-01-02"'),
        PLAIN.replace("date", "Timestamp").replace("2024-01-04", "2024-01-04T00:00:00Z"),
        PLAIN.replace("1.5", " 1.5 "),
    ],
)
def test_the_same_file_in_other_clothes(text: str) -> None:
    plain, other = read(PLAIN).samples, read(text).samples
    assert other.t.tolist() == plain.t.tolist()
    for name, values in plain.columns.items():
        assert np.array_equal(values, other.columns[name], equal_nan=True)


@pytest.mark.parametrize("step", [0, 1, 7])
def test_without_machine_code_the_rows_are_the_same(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "date,open,close\r\n2024-01-02,1.5,2\r\n\r\n2024-01-03,,3\n2024-01-04,4,5e-1\n"
    compiled = read(text, step=step)
    monkeypatch.setitem(sys.modules, "rpsd.kernels.csv", None)  # what it must not need
    exact = read(text, step=step, compiled=False)
    assert exact.samples.t.tolist() == compiled.samples.t.tolist()
    for name, values in compiled.samples.columns.items():
        assert np.array_equal(values, exact.samples.columns[name], equal_nan=True)
    with pytest.raises(BadRows) as refused:
        read(text + "\n2024-01-05,x,1\n", step=step, compiled=False)
    assert [fault.pointer for fault in refused.value.errors] == ["/7/open"]


@given(st.integers(1, 60))
def test_chunks_may_break_anywhere(step: int) -> None:
    plain, other = read(PLAIN).samples, read("\ufeff" + PLAIN.replace("\n", "\r\n"), step=step).samples
    assert other.t.tolist() == plain.t.tolist()
    assert np.array_equal(other.columns["open"], plain.columns["open"], equal_nan=True)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=40))
def test_floats_survive_bit_by_bit(values: list[float]) -> None:
    text = "t,value\n" + "".join(f"{10**18 + i},{x!r}\n" for i, x in enumerate(values))
    seen = read(text, "tick").samples.columns["value"]
    assert seen.view(np.int64).tolist() == np.array(values).view(np.int64).tolist()


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ('"1,234.5"', "thousands"),
        ("nan", "finite"),
        ("inf", "finite"),
        ("1e999", "1.8e308"),
        ("abc", "expected a number"),
        ("1_000", "thousands"),
        ("$5", "expected a number"),
        ("0x1F", "expected a number"),
        ("12.5%", "expected a number"),
        ("1,234", "found 3"),
        ('"1', "quotes"),
    ],
)
def test_bad_numbers_are_named_with_their_line(cell: str, words: str) -> None:
    with pytest.raises(BadRows) as caught:
        read(f"date,close\n2024-01-02,1\n2024-01-03,{cell}\n2024-01-04,2\n")
    fault = caught.value.errors[0]
    assert fault.pointer.startswith("/3")
    assert fault.reason.startswith("line 3")
    assert words in fault.reason


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("01/02/2024", "date_format"),
        ("02.01.2024", "date_format"),
        ("2024-01-02T09:30", "no offset"),
        ("2024-02-30", "calendar"),
        ("Jan 2 2024", "ISO 8601"),
        ("", "nothing"),
        ("99999999999999999999", "ISO 8601"),
    ],
)
def test_bad_times_are_named_with_what_was_expected(cell: str, words: str) -> None:
    with pytest.raises(BadRows) as caught:
        read(f"date,close\n{cell},1\n")
    assert caught.value.errors[0].pointer == "/2/date"
    assert words in caught.value.errors[0].reason


def test_what_separates_records_elsewhere_is_space_around_a_time() -> None:
    given = read("t,close\n1704067200000000000\x1d,1\n\x1c1704067200000000001\x1f,2\n", "tick").samples
    assert given.t.tolist() == [1704067200000000000, 1704067200000000001]


def test_formats_and_zones() -> None:
    assert read("date,close\n02/03/2024,1\n", date_format="%m/%d/%Y").samples.t[0] == instant.parse("2024-02-03")
    assert read("date,close\n20240203,1\n", date_format="%Y%m%d").samples.t[0] == instant.parse("2024-02-03")
    local = read("t,close\n02/03/2024 09:30,1\n", date_format="%d/%m/%Y %H:%M", tz="America/New_York")
    assert local.samples.t[0] == instant.parse("2024-03-02T14:30Z")
    with pytest.raises(BadRows, match="no offset"):
        read("t,close\n02/03/2024 09:30,1\n", date_format="%d/%m/%Y %H:%M")
    with pytest.raises(BadTime, match="names no field"):
        CsvReader("1d", date_format="dd/mm/yyyy")
    mixed = read("t,close\n2024-01-02T09:30:00-05:00,1\n2024-01-02T16:00:00+01:00,2\n2024-01-02 16:00:00Z,3\n", "1m")
    assert mixed.samples.t.tolist() == [instant.parse(f"2024-01-02T{clock}Z") for clock in ("14:30", "15:00", "16:00")]
    day = read("date,close\n2024-01-02,1\n", tz="America/New_York").samples.t[0]
    assert day == instant.parse("2024-01-02T05:00Z")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2024-01-02,1\n2024-01-03,2\n", "not a header"),
        ("close,volume\n1,2\n", "time column"),
        ("date,time,close\n2024-01-02,10:00,1\n", "one time column"),
        ("date,close,Close\n2024-01-02,1,1\n", "twice"),
        ("date;close\n2024-01-02;1\n", "semicolons"),
        (",close\n2024-01-02,1\n", "has no name"),
        ("date\n2024-01-02\n", "no column of numbers"),
        ("date,close*\n2024-01-02,1\n", "column name"),
        ("\ndate,close\n", "empty"),
        ("date,close\n" + "x" * 70000, "longer than"),
    ],
)
def test_headers_that_are_refused(text: str, words: str) -> None:
    with pytest.raises(BadCsv, match=words):
        read(text)


def test_bodies_that_cannot_be_read_at_all() -> None:
    for body in (b"", b"\xff\xfed\x00", b"date,close\n2024-01-02,\xff\n"):
        with pytest.raises(MalformedBody):
            read(body)
    with pytest.raises(BadRows, match="no rows"):
        read("date,close\n")
    with pytest.raises(InvalidRequest):
        CsvReader("1d", on_error="maybe")


def test_spaces_in_names_become_underscores() -> None:
    assert list(read("Date,Adj Close\n2024-01-02,1\n").samples.columns) == ["adj_close"]


def test_skip_lists_the_lines_and_keeps_the_rest() -> None:
    parsed = read("date,close\n2024-01-02,1\n2024-01-03,x\n\n2024-01-02,5\n2024-01-04,2\n2024-01-05,\n", on_error="skip")
    assert parsed.samples.columns["close"].tolist() == [1.0, 2.0]
    assert [one["row"] for one in parsed.rejected] == [3, 5, 7]
    assert "duplicate" in parsed.rejected[1]["reason"]


def test_a_long_list_of_rejected_lines_ends_in_a_sum() -> None:
    parsed = read("date,close\n2024-01-02,1\n" + "x,1\n" * 1500, on_error="skip")
    assert parsed.rejected_count == 1500
    assert len(parsed.rejected) == 1001
    assert parsed.rejected[-1] == {"row": 1003, "reason": "this and 499 more are not listed"}


def test_unsorted_files_are_refused_with_the_line() -> None:
    with pytest.raises(BadRows, match="line 3: earlier") as caught:
        read("date,close\n2024-01-03,1\n2024-01-02,2\n")
    assert caught.value.errors[0].pointer == "/3"


def test_it_gives_up_at_the_hundredth_bad_line() -> None:
    reader = CsvReader("1d")
    with pytest.raises(BadRows) as caught:
        reader.feed(b"date,close\n" + b"2024-01-02,x\n" * 5000)
    assert len(caught.value.errors) == 100


def test_known_at_is_taken_as_such() -> None:
    samples = read("t,known_at,close\n2024-01-02,2024-01-05,1\n").samples
    assert samples.known_at is not None
    assert samples.known_at.tolist() == [instant.parse("2024-01-05")]
    assert list(samples.columns) == ["close"]


def test_a_file_beyond_one_buffer_keeps_every_row_and_line_number() -> None:
    n = 70_000
    lines = [f"{10**18 + i},{i}.25" for i in range(n)]
    lines[40_000] = f"{10**18 + 40_000},oops"
    parsed = read("t,value\n" + "\n".join(lines), "tick", step=65_536, on_error="skip")
    assert parsed.samples.n == n - 1
    assert parsed.rejected[0]["row"] == 40_002
    assert parsed.samples.columns["value"][-1] == n - 1 + 0.25
