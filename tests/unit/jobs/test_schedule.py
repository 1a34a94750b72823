"""Schedules: every local occasion exactly once, whatever the clocks of the world do."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpsd.core.errors import BadConfig
from rpsd.core.instant import parse as moment
from rpsd.core.instant import text
from rpsd.core.market import SECOND_NS
from rpsd.jobs.schedule import parse

ZONES = ("America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kolkata")
"""One-hour changes north and south of the equator, half-hour ones, changes at midnight, none."""
HARD = ("Pacific/Apia", "Africa/Casablanca", "Asia/Gaza", "America/Caracas", "Europe/London")
"""A day that was skipped altogether, changes around Ramadan, changes of the base offset."""

APIA_SKIP = moment("2011-12-30T10:00:00Z")
"""Where Samoa went from the end of the 29th to the 31st: what was due on the 30th runs here."""


def walk(schedule, begin, end):
    """All occasions after begin up to end."""
    found, at = [], begin
    while (at := schedule.after(at)) <= end:
        found.append(at)
    return found


def local(ns, zone):
    return datetime.fromtimestamp(ns // SECOND_NS, UTC).astimezone(ZoneInfo(zone))


def brute_force(hour, minute, zone, first, last):
    """Reference by another road: walk through UTC minute by minute around each date and look at the wall clock."""
    tz, found, day = ZoneInfo(zone), [], first
    while day <= last:
        wanted = datetime(day.year, day.month, day.day, hour, minute)  # noqa: DTZ001 - the wall clock's reading
        at = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=16)
        while at.astimezone(tz).replace(tzinfo=None) < wanted:
            ahead = wanted - at.astimezone(tz).replace(tzinfo=None)
            at += timedelta(hours=1) if ahead > timedelta(hours=30) else timedelta(minutes=1)
        found.append(int(at.timestamp()) * SECOND_NS)
        day += timedelta(days=1)
    return found


@pytest.mark.parametrize("zone", ZONES + HARD)
@pytest.mark.parametrize("clock", ["00:00", "01:30", "02:00", "02:30"])
def test_ten_years_run_each_day_exactly_once(zone, clock):
    begin, end = moment("2009-12-31T12:00:00Z"), moment("2020-01-01T12:00:00Z")
    found = walk(parse(clock, zone), begin, end)
    assert all(a < b for a, b in pairwise(found))
    hour, minute = map(int, clock.split(":"))
    first, last = local(begin, zone).date(), local(end, zone).date()
    wanted = timedelta(hours=hour, minutes=minute)
    days = {}
    for ns in found:
        seen = local(ns, zone)
        late = timedelta(hours=seen.hour, minutes=seen.minute, seconds=seen.second) - wanted
        if ns == APIA_SKIP and zone == "Pacific/Apia":
            days[date(2011, 12, 30)] = 1
            days.update({date(2011, 12, 31): 1} if clock == "00:00" else {})  # one instant is one occasion
            continue
        assert timedelta(0) <= late <= timedelta(hours=1)
        if late:  # it was skipped: this is the first instant after the gap
            assert local(ns - SECOND_NS, zone).utcoffset() != seen.utcoffset()
        days[seen.date()] = days.get(seen.date(), 0) + 1
    existing = {first + timedelta(days=n) for n in range((last - first).days + 1)}
    assert existing - set(days) <= {first, last}  # the ends are cut off at noon UTC
    assert set(days.values()) == {1}


@pytest.mark.parametrize(
    ("zone", "clock", "first"), [("Europe/Berlin", (2, 30), date(2025, 3, 28)), ("Europe/Berlin", (2, 30), date(2025, 10, 24))]
)
@pytest.mark.parametrize("minutes", [0, 30])
def test_it_agrees_with_a_walk_through_the_minutes(zone, clock, first, minutes):
    reference = brute_force(clock[0], minutes, zone, first, first + timedelta(days=4))
    begin = reference[0] - 1
    assert walk(parse(f"{clock[0]:02d}:{minutes:02d}", zone), begin, reference[-1]) == reference


@pytest.mark.parametrize(
    ("schedule", "zone", "after", "expected"),
    [
        ("02:30", "Europe/Berlin", "2025-03-29T12:00:00Z", "2025-03-30T01:00:00Z"),  # skipped: at the end of the gap
        ("02:30", "Europe/Berlin", "2025-03-30T01:00:00Z", "2025-03-31T00:30:00Z"),
        ("02:30", "Europe/Berlin", "2025-10-25T12:00:00Z", "2025-10-26T00:30:00Z"),  # doubled: the first pass
        ("02:30", "Europe/Berlin", "2025-10-26T00:30:00Z", "2025-10-27T01:30:00Z"),  # and not the second
        ("02:15", "Australia/Lord_Howe", "2025-10-04T12:00:00Z", "2025-10-04T15:30:00Z"),  # a gap of half an hour
        ("00:00", "America/Sao_Paulo", "2018-11-03T12:00:00Z", "2018-11-04T03:00:00Z"),  # midnight itself is skipped
        ("12:00", "Pacific/Apia", "2011-12-30T00:00:00Z", "2011-12-30T10:00:00Z"),  # the 30th does not exist: its run at the gap's end
        ("Sun 04:00", "UTC", "2025-01-04T00:00:00Z", "2025-01-05T04:00:00Z"),
        ("sun 04:00", "UTC", "2025-01-05T04:00:00Z", "2025-01-12T04:00:00Z"),
        ("*/15 9-17 * * MON-FRI", "America/New_York", "2025-01-03T22:59:00Z", "2025-01-06T14:00:00Z"),
        ("0 0 29 2 *", "UTC", "2025-01-01T00:00:00Z", "2028-02-29T00:00:00Z"),
        ("5m", "Europe/Berlin", "2025-03-30T00:59:59.999999999Z", "2025-03-30T01:00:00Z"),
        ("90s", "UTC", "1970-01-01T00:00:00Z", "1970-01-01T00:01:30Z"),
        ("1.5h", "UTC", "1970-01-01T00:00:00Z", "1970-01-01T01:30:00Z"),
    ],
)
def test_the_next_occasion(schedule, zone, after, expected):
    assert text(parse(schedule, zone).after(moment(after))) == expected


def test_a_quarter_hour_in_the_gap_is_one_occasion():
    found = walk(parse("*/15 * * * *", "Europe/Berlin"), moment("2025-03-30T00:30:00Z"), moment("2025-03-30T01:30:00Z"))
    assert [text(ns)[11:16] for ns in found] == ["00:45", "01:00", "01:15", "01:30"]


@settings(max_examples=300, deadline=None)
@given(
    st.integers(moment("2000-01-01"), moment("2035-01-01")),
    st.sampled_from(ZONES + HARD),
    st.sampled_from(["02:30", "00:00", "Sun 01:15", "7m", "*/20 1-3 * * *"]),
)
def test_the_next_is_later_and_nothing_lies_between(after, zone, written):
    schedule = parse(written, zone)
    following = schedule.after(after)
    assert following > after
    assert schedule.after(following - 1) == following
    assert schedule.after((after + following) // 2) == following or (after + following) // 2 == following


@pytest.mark.parametrize(
    "written", ["", "24:00", "2:60", "daily", "0s", "0.5s", "-5m", "5", "* * * *", "0 0 31 2 *", "61 * * * *", "* * * * * *", "Foo 04:00"]
)
def test_what_is_no_schedule_is_refused(written):
    with pytest.raises(BadConfig):
        parse(written, "UTC")


def test_an_unknown_zone_is_refused():
    with pytest.raises(BadConfig, match=r"jobs\.timezone"):
        parse("02:00", "Mars/Olympus")


@given(st.integers(0, 2**62), st.text(max_size=20))
def test_a_moved_interval_keeps_its_length_and_has_a_phase_of_its_own(at: int, seed: str) -> None:
    plain, moved = parse("3600.000s"), parse("3600.000s").moved(seed)
    assert 0 <= moved.offset_ns < 3600 * SECOND_NS
    assert moved == plain.moved(seed)
    first = moved.after(at)
    assert at < first <= at + 3600 * SECOND_NS
    assert (first - moved.offset_ns) % (3600 * SECOND_NS) == 0
    assert moved.after(first) == first + 3600 * SECOND_NS


def test_seeds_spread_over_the_interval_and_leave_local_times_alone() -> None:
    offsets = [parse("1h").moved(f"{n} drift_scan").offset_ns / (3600 * SECOND_NS) for n in range(200)]
    assert 0.4 < sum(offsets) / 200 < 0.6
    assert len(set(offsets)) == 200
    assert parse("02:00").moved("x") == parse("02:00")
