"""NDJSON as people send it: what is read, and what is refused with which line."""

import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpsd.core import instant
from rpsd.core.errors import BadRows, BadTime, MalformedBody, RpsdError
from rpsd.services.intake.ingest import CsvReader, NdjsonReader, Parsed, from_rows
from rpsd.services.intake.ndjson_text import ndjson_text


def read(text: str | bytes, interval: str = "1d", *, step: int = 0, **how: str) -> Parsed:
    data = text.encode() if isinstance(text, str) else text
    reader = NdjsonReader(interval, **how)
    for start in range(0, len(data), step or max(1, len(data))):
        reader.feed(data[start : start + (step or len(data))])
    return reader.finish()


PLAIN = '{"t":"2024-01-02","close":1.5,"volume":3}\n{"t":"2024-01-03T00:00:00Z","close":null}\n'.replace("null", "2") + (
    '{"t":1704326400000000000,"Close":5e-1,"volume":null}\n'
)


@pytest.mark.parametrize("text", [PLAIN, PLAIN.rstrip("\n"), "\ufeff" + PLAIN, PLAIN.replace("\n", "\r\n"), "\n" + PLAIN + "\n \n"])
def test_rows_in_several_clothes(text: str) -> None:
    samples = read(text).samples
    assert samples.t.tolist() == [instant.parse(f"2024-01-0{d}") for d in (2, 3, 4)]
    assert list(samples.columns) == ["close", "volume"]
    assert samples.columns["close"].tolist() == [1.5, 2.0, 0.5]
    assert samples.columns["volume"][0] == 3.0
    assert np.isnan(samples.columns["volume"][1:]).all()


@given(st.integers(1, 90))
def test_chunks_may_break_anywhere(step: int) -> None:
    whole, pieces = read(PLAIN).samples, read(PLAIN, step=step).samples
    assert pieces.t.tolist() == whole.t.tolist()
    assert all(np.array_equal(pieces.columns[name], whole.columns[name], equal_nan=True) for name in whole.columns)


FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(st.tuples(FLOATS, st.none() | FLOATS), min_size=1, max_size=40), st.booleans())
def test_every_bit_comes_back(rows: list[tuple[float, float | None]], ns: bool) -> None:
    t = np.arange(len(rows), dtype=np.int64) * 123_456_789 + 10**18
    close = np.array([row[0] for row in rows])
    volume = np.array([np.nan if row[1] is None else row[1] for row in rows])
    text = "".join(ndjson_text(t, {"close": close, "volume": volume}, ns=ns, piece=7))
    found = read(text, "tick").samples
    assert found.t.tobytes() == t.tobytes()
    assert found.columns["close"].tobytes() == close.tobytes()
    assert found.columns["volume"].tobytes() == volume.tobytes()


def outcome(reading: Callable[[], Parsed]) -> Parsed | None:
    try:
        return reading()
    except RpsdError:
        return None


CELLS = st.none() | FLOATS | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=5) | st.booleans()


@given(st.lists(st.dictionaries(st.sampled_from(["close", "volume", "x y"]), CELLS, max_size=3), min_size=1, max_size=20))
def test_the_rows_are_those_of_a_json_list(rows: list[dict[str, Any]]) -> None:
    """The two readers of the same rows agree on what is good, cell by cell; lines count from 1, rows from 0."""
    given = [{"t": int(n * 10**9 + 10**18), **row} for n, row in enumerate(rows)]
    text = "\n".join(map(json.dumps, given))
    listed, lines = outcome(lambda: from_rows(given, "1s", on_error="skip")), outcome(lambda: read(text, "1s", on_error="skip"))
    assert (listed is None) == (lines is None)
    if listed is None or lines is None:
        return
    assert lines.samples.t.tolist() == listed.samples.t.tolist()
    assert {row["row"] - 1 for row in lines.rejected} == {row["row"] for row in listed.rejected}
    for name, values in listed.samples.columns.items():
        assert np.array_equal(lines.samples.columns.get(name, np.full(values.size, np.nan)), values, equal_nan=True)


GOOD = '{"t":"2024-01-02","close":1}'

BAD_LINES = [
    ('{"t":"2024-01-03","close":1', "not JSON, column"),
    ('{"t":"2024-01-03","close":NaN}', "expected a finite number, got NaN"),
    ('{"t":"2024-01-03","close":-Infinity}', "expected a finite number, got -Infinity"),
    ('{"t":"2024-01-03","close":1e999}', "expected a finite number"),
    ('{"t":"2024-01-03","close":1,"close":2}', "'close' is given twice"),
    ('{"t":"2024-01-03","close":1,"Close":2}', "comes twice"),
    ('{"t":"2024-01-03","date":"2024-01-03","close":2}', "one time column"),
    ('{"close":2}', "found none"),
    ('{"t":"2024-01-03"}', "no column of numbers"),
    ('{"t":"2024-01-03","clo se!":2}', "not a column name"),
    ('{"t":"2024-01-03","\N{KELVIN SIGN}elvin":2}', "not a column name"),
    ('{"t":"2024-01-03","Next":2}', "next cannot name a column"),
    ('{"t":"2024-01-03","close":"2"}', "got text"),
    ('{"t":"2024-01-03","close":true}', "got true or false"),
    ('{"t":"2024-01-03","close":{"a":1}}', "got an object"),
    ('{"t":"2024-01-03","close":null}', "every cell is missing"),
    ('{"t":null,"close":1}', "expected a time"),
    ('{"t":1.5,"close":1}', "expected a time"),
    ('{"t":"2024-01-03T10:00:00","close":1}', "name ?tz="),
    ('{"t":99999999999999999999,"close":1}', "not between 1900"),
    ('{"t":"2024-01-03","close":1,"known_at":"2024-01-04"}', "known_at is given"),
    ("[1, 2]", "expected an object"),
    ("7", "expected an object"),
    ("t,close", "not JSON"),
    ('{"t":"2024-01-03","close":' + "[" * 5000 + "}", "nested too deep"),
    ('{"t":"2024-01-03","close":' + "9" * 5000 + "}", "thousands of digits"),
    ('{"t":"2024-01-01","close":1}', "earlier than"),
    ('{"t":"2024-01-02","close":1}', "duplicate time"),
]


@pytest.mark.parametrize(("line", "reason"), BAD_LINES)
def test_a_bad_line_is_named_or_skipped(line: str, reason: str) -> None:
    text = f"{GOOD}\n\n{line}\n"
    with pytest.raises(BadRows) as caught:
        read(text)
    assert reason in caught.value.detail
    assert caught.value.errors[0].pointer.startswith("/3")
    assert "line 3" in caught.value.errors[0].reason
    found = read(text, on_error="skip")
    assert (found.samples.n, [row["row"] for row in found.rejected]) == (1, [3])
    assert reason in found.rejected[0]["reason"]


@pytest.mark.parametrize(
    "body", [b"", b"\n \n", b"\xff\xfe{\x00", b'{"t":"2024-01-02","close":\xff}', b"{" * (1 << 17), GOOD.encode() + b" " * (1 << 17)]
)
def test_bodies_that_are_no_ndjson(body: bytes) -> None:
    with pytest.raises((MalformedBody, BadRows)) as caught:
        read(body)
    assert caught.value.detail


def test_the_hundredth_bad_line_ends_the_reading() -> None:
    reader = NdjsonReader("1d")
    with pytest.raises(BadRows) as caught:
        reader.feed(b"{}\n" * 5000)
    assert len(caught.value.errors) == 100


def test_all_lines_name_known_at_or_none() -> None:
    text = '{"t":"2024-01-02","close":1,"known_at":"2024-01-03"}\n{"t":"2024-01-03","close":1,"known_at":"2024-01-05"}\n'
    known = read(text).samples.known_at
    assert known is not None
    assert known.tolist() == [instant.parse("2024-01-03"), instant.parse("2024-01-05")]


def test_zones_and_formats() -> None:
    assert read('{"t":"2024-07-01T09:30:00","close":1}\n', tz="America/New_York").samples.t[0] == instant.parse("2024-07-01T13:30:00Z")
    assert read('{"t":"01/07/2024","close":1}\n', date_format="%d/%m/%Y").samples.t[0] == instant.parse("2024-07-01")
    with pytest.raises(BadTime):
        NdjsonReader("1d", tz="Mars/Olympus")


def test_names_that_differ_by_line_do_not_unfold() -> None:
    lines = [json.dumps({"t": n * 10**9 + 10**18, f"c{n % 900}": 1.0}) for n in range(40_000)]
    with pytest.raises(BadRows, match="of which 40000 were sent"):
        read("\n".join(lines), "1s")
    with pytest.raises(BadRows, match="at most 1000"):
        read("\n".join(json.dumps({"t": n * 10**9 + 10**18, f"c{n}": 1.0}) for n in range(1200)), "1s")


def test_memory_is_that_of_the_columns_and_a_window() -> None:
    piece = "".join(ndjson_text(np.arange(20_000) * 10**9 + 10**18, {"close": np.linspace(0, 1, 20_000)}))
    reader = NdjsonReader("1s", on_error="skip")
    reader.feed(piece.encode())
    tracemalloc.start()
    for _ in range(12):
        reader.feed(piece.encode())
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 12 * 20_000 * 32
    assert peak < 48 << 20


def test_csv_and_ndjson_read_the_same_table() -> None:
    csv = CsvReader("1d")
    csv.feed(b"t,close\n2024-01-02,0.1\n2024-01-03,1e-300\n")
    lines = read('{"t":"2024-01-02","close":0.1}\n{"t":"2024-01-03","close":1e-300}\n').samples
    assert lines.columns["close"].tobytes() == csv.finish().samples.columns["close"].tobytes()
