"""The byte parser says what Python says, bit by bit, or says that it is in doubt."""

import math
import struct

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rpsd.core import instant
from rpsd.kernels import csv


def parsed(data: bytes, roles: list[int], *, utc_dates: bool = True, room: int = 64):
    """times, cells, lines and the counts of one call."""
    times, cells = np.zeros((2, room), np.int64), np.zeros((max(1, max(roles) + 1), room))
    lines = np.zeros((room, 4), np.int64)
    counts = csv.parse(np.frombuffer(data, np.uint8), np.array(roles), utc_dates, (times, cells, lines))
    return times, cells, lines, counts


def bits(x: float) -> bytes:
    return struct.pack("<d", x)


def number(text: str) -> float | None:
    """What the kernel reads in the second field, or None when in doubt."""
    _, cells, lines, (rows, _, _) = parsed(f"2024-01-02,{text}\n".encode(), [csv.TIME, 0])
    assert rows == 1
    return float(cells[0, 0]) if lines[0, 0] else None


def assert_exact(texts: list[str]) -> int:
    """Each text is read bit by bit as float() reads it, or is in doubt; returns how many are in doubt."""
    data = "".join(f"2024-01-02,{text}\n" for text in texts).encode()
    _, cells, lines, (rows, _, _) = parsed(data, [csv.TIME, 0], room=len(texts))
    assert rows == len(texts)
    for text, seen, understood in zip(texts, cells[0].tolist(), lines[:, 0].tolist(), strict=True):
        assert not understood or bits(seen) == bits(float(text)), text
    return int((lines[:, 0] == 0).sum())


digits = st.text("0123456789", max_size=12)
decimals = st.builds(
    lambda sign, whole, rest, power: f"{sign}{whole}.{rest}{power}",
    st.sampled_from(["", "-", "+"]),
    digits.filter(bool),
    digits,
    st.one_of(st.just(""), st.integers(-330, 310).map(lambda e: f"e{e}"), st.integers(0, 30).map(lambda e: f"E+{e}")),
)
number_texts = st.one_of(st.floats(allow_nan=False, allow_infinity=False).map(repr), decimals, st.integers(0, 10**20).map(str))


@given(st.lists(number_texts, min_size=1, max_size=60))
@example(["9007199254740993", "9007199254740992.5", "0.1", "-0", "8.41e21", "1.7976931348623157e308", "1e-323", "9999999999999999999"])
@example(["0" * 30 + ".5", "1" + "0" * 18, "5e-324", "2.2250738585072011e-308", "123456789012345678e-22", "1e23", "9.5e-23"])
def test_a_number_is_pythons_number_or_in_doubt(texts: list[str]) -> None:
    assert_exact(texts)


@pytest.mark.parametrize("seed", range(4))
def test_long_significands_round_to_nearest_even(seed: int) -> None:
    rng = np.random.default_rng(seed)
    significands = rng.integers(2**53, 10**19, 20_000, dtype=np.uint64).tolist()
    doubtful = assert_exact([f"{m}e{e}" for m, e in zip(significands, rng.integers(-40, 20, 20_000).tolist(), strict=True)])
    assert doubtful < 200


def test_half_way_points_and_their_neighbours() -> None:
    """Decimals at most 19 digits long around the middle of two floats are where rounding goes wrong first."""
    rng = np.random.default_rng(0)
    floats = np.ldexp(rng.uniform(1, 2, 20_000), rng.integers(53, 63, 20_000))
    middles = [(int(x) + int(np.nextafter(x, np.inf))) // 2 for x in floats.tolist()]
    assert_exact([str(middle + step) for middle in middles for step in (-1, 0, 1) if middle < 10**19 - 1])


def test_everyday_numbers_are_not_left_to_the_slow_path() -> None:
    rng = np.random.default_rng(3)
    assert assert_exact([repr(x) for x in np.exp(rng.normal(0, 8, 20_000)).tolist()]) < 200
    assert [number(t) for t in ("1", "-1.5", "+2", ".5", "5.", "1e3", "1.5E-3")] == [1.0, -1.5, 2.0, 0.5, 5.0, 1000.0, 0.0015]


@pytest.mark.parametrize(
    "text",
    [
        "nan",
        "inf",
        "-",
        "+",
        ".",
        "e5",
        "1e",
        "1e+",
        "1_000",
        "0x10",
        " 1",
        "1 ",
        "1.2.3",
        '"1"',
        "1,2",
        "--1",
        "١",
        "1d5",
        "$1",
        "5%",
        "12345678901234567890",
    ],
)
def test_anything_else_is_in_doubt(text: str) -> None:
    assert number(text) is None


def moment(text: str, *, utc_dates: bool = True) -> int | None:
    times, _, lines, _ = parsed(f"{text},1\n".encode(), [csv.TIME, 0], utc_dates=utc_dates)
    return int(times[0, 0]) if lines[0, 0] else None


stamps = st.builds(
    lambda day, sep, clock, fraction, zone: f"{day}{sep}{clock}{fraction}{zone}",
    st.one_of(st.dates().map(str), st.sampled_from(["2023-02-29", "2024-02-29", "1900-02-29", "2000-02-29", "2024-13-01", "2024-00-10"])),
    st.sampled_from(["T", " ", "t", ""]),
    st.sampled_from(["", "00:00", "23:59:59", "12:30:15", "24:00:00", "12:60:00", "7:30", "12:30:"]),
    st.sampled_from(["", ".1", ".123456789", ".1234567890", "."]),
    st.sampled_from(["", "Z", "z", "+00:00", "-05:00", "+0530", "+14", "+24:00", "-5", " Z"]),
)


@settings(max_examples=300)
@given(stamps)
def test_a_moment_is_that_of_core_instant_or_in_doubt(text: str) -> None:
    seen = moment(text)
    if seen is not None:
        assert seen == instant.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-02",
        "2024-01-02T09:30Z",
        "2024-01-02T09:30:01Z",
        "2024-01-02 09:30:01.25-05:00",
        "1999-12-31T23:59:59.999999999+0530",
        "2000-02-29",
    ],
)
def test_the_common_forms_are_understood(text: str) -> None:
    assert moment(text) == instant.parse(text)


def test_integers_are_nanoseconds_within_1900_and_2200() -> None:
    assert moment("1755523800000000000") == 1755523800000000000
    assert moment("-86400000000000") == -86400000000000
    assert moment(str(instant.LAST_NS + 1)) is None
    assert moment("9999999999999999999") is None


def test_naive_times_and_local_dates_are_in_doubt() -> None:
    assert moment("2024-01-02T09:30:00") is None
    assert moment("2024-01-02", utc_dates=False) is None


def test_lines_blank_lines_carriage_returns_and_a_last_line_without_end() -> None:
    data = b"2024-01-02,1\r\n\r\n2024-01-03,2\n\n2024-01-04,3"
    times, cells, lines, (rows, read, counted) = parsed(data, [csv.TIME, 0])
    assert (rows, read, counted) == (2, data.rindex(b"2024-01-04"), 4)
    assert cells[0, :2].tolist() == [1.0, 2.0]
    assert lines[:2, 3].tolist() == [0, 2]
    assert times[0, 1] == instant.parse("2024-01-03")


def test_empty_cells_are_missing_but_a_row_needs_one() -> None:
    _, cells, lines, _ = parsed(b"2024-01-02,,2\n2024-01-03,,\n2024-01-04,1\n2024-01-05,1,2,3\n,1,2\n", [csv.TIME, 0, 1])
    assert lines[:5, 0].tolist() == [1, 0, 0, 0, 0]
    assert math.isnan(cells[0, 0])
    assert cells[1, 0] == 2.0


def test_it_stops_when_the_buffers_are_full() -> None:
    _, _, _, (rows, read, counted) = parsed(b"2024-01-02,1\n2024-01-03,2\n2024-01-04,3\n", [csv.TIME, 0], room=2)
    assert (rows, read, counted) == (2, 26, 2)


def test_known_at_and_exact_roles() -> None:
    times, _, lines, _ = parsed(b"2024-01-02,1,2024-01-03\n", [csv.TIME, 0, csv.KNOWN])
    assert times[1, 0] == instant.parse("2024-01-03")
    assert lines[0, 0] == 1
    assert parsed(b"2024-01-02,1\n", [csv.EXACT, 0])[2][0, 0] == 0


@given(st.lists(st.one_of(decimals, st.just(""), st.just("x"), st.floats(0.01, 1e6).map(repr)), min_size=1, max_size=4))
def test_a_row_understood_is_the_row_of_the_reference(values: list[str]) -> None:
    line = ",".join(["2024-01-02T10:00:00Z", *values]).encode()
    roles = [csv.TIME, *range(len(values))]
    times, cells, lines, _ = parsed(line + b"\n", roles)
    if lines[0, 0]:
        expected = csv.reference(line, roles)
        assert expected is not None
        assert expected[0][csv.TIME] == times[0, 0]
        assert [bits(x) for x in cells[:, 0]] == [bits(expected[1][i]) for i in range(len(values))]
