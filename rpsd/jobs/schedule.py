"""When a job is due: the next occasion of a schedule after an instant, in a time zone with clock changes."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import dropwhile
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from rpsd.core.errors import BadConfig, BadTime
from rpsd.core.instant import zone
from rpsd.core.market import SECOND_NS

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}
_INTERVAL: Final = re.compile(r"(\d{1,8}(?:\.\d{1,3})?)\s?([smhdwy])", re.IGNORECASE)
_CLOCK: Final = re.compile(r"(?:(Mon|Tue|Wed|Thu|Fri|Sat|Sun) )?([01]\d|2[0-3]):([0-5]\d)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A recurring time: `text` as the operator wrote it, and the IANA `zone` its local times are meant in.

    Either every `every_ns` since 1970 and `offset_ns` (an interval: clock changes do not touch it), or the local times of the expression
    `cron`. Of those each occurs exactly once: a local time that a clock change skips falls on the first instant after the gap, one that
    it doubles falls on its first pass. Occasions that fall on the same instant are one.
    """

    text: str
    zone: ZoneInfo
    every_ns: int
    cron: str
    offset_ns: int = 0

    def after(self, instant_ns: int) -> int:
        """The first occasion later than the instant, in ns UTC.

        >>> from rpsd.core import instant
        >>> noon = instant.parse("2025-03-29T12:00:00Z")
        >>> instant.text(parse("02:30", "Europe/Berlin").after(noon))  # 02:30 does not exist on the 30th
        '2025-03-30T01:00:00Z'
        """
        if self.every_ns:
            return ((instant_ns - self.offset_ns) // self.every_ns + 1) * self.every_ns + self.offset_ns
        local = _moment(instant_ns).astimezone(self.zone).replace(tzinfo=None)
        return next(dropwhile(lambda occasion: occasion <= instant_ns, self._placed(CronSim(self.cron, local))))

    def moved(self, seed: str) -> "Schedule":
        """An interval with an offset that the seed alone decides, evenly anywhere within it; local times stay as they are."""
        number = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8])
        return replace(self, offset_ns=number % self.every_ns) if self.every_ns else self

    def _placed(self, naive: Iterator[datetime]) -> Iterator[int]:
        return (_instant(moment, self.zone) for moment in naive)


def parse(text: str, zone_name: str = "UTC") -> Schedule:
    """The schedule that a text means: "02:00" (daily), "Sun 04:00" (weekly), "5m" (an interval: s, m, h, d, w, y), or cron's five fields.

    Raises BadConfig for anything else, for a cron expression that never comes, and for an unknown zone.
    """
    try:
        tz = zone(zone_name)
    except BadTime as error:
        raise BadConfig(f"jobs.timezone: {error.detail}") from error
    if match := _INTERVAL.fullmatch(text):
        every_ns = int(float(match[1]) * _UNITS[match[2].lower()] * SECOND_NS)
        if every_ns < SECOND_NS:
            raise BadConfig(f"{text!r} is shorter than a second, the scheduler's beat")
        return Schedule(text, tz, every_ns, "")
    if match := _CLOCK.fullmatch(text):
        return Schedule(text, tz, 0, f"{int(match[3])} {int(match[2])} * * {match[1] or '*'}")
    if len(text.split()) != 5:
        raise BadConfig(f"{text[:40]!r} is not a schedule", hint='Write "02:00", "Sun 04:00", "5m" or a cron expression of five fields.')
    try:
        next(CronSim(text, datetime(2000, 1, 1)))  # noqa: DTZ001 - local times are naive until they are placed
    except (CronSimError, StopIteration) as error:
        raise BadConfig(f"{text[:40]!r} is not a cron expression that ever comes: {error}") from error
    return Schedule(text, tz, 0, text)


def _moment(ns: int) -> datetime:
    return _EPOCH + timedelta(microseconds=ns // 1000)


def _instant(naive: datetime, tz: ZoneInfo) -> int:
    """Nanoseconds UTC of a local time: the first pass of a doubled one, the end of the gap for a skipped one."""
    aware = naive.replace(tzinfo=tz, fold=0).astimezone(UTC)
    if aware.astimezone(tz).replace(tzinfo=None) != naive:
        aware = _end_of_gap(naive, tz)
    seconds, rest = divmod(aware - _EPOCH, timedelta(seconds=1))
    return seconds * SECOND_NS + rest.microseconds * 1000


def _end_of_gap(naive: datetime, tz: ZoneInfo) -> datetime:
    """The first whole second with the new offset. O(log gap): fold 0 reads the skipped time after the change, fold 1 before it."""
    late, early = (naive.replace(tzinfo=tz, fold=fold).astimezone(UTC) for fold in (0, 1))
    new = late.astimezone(tz).utcoffset()
    while late - early > timedelta(seconds=1):
        middle = early + (late - early) // 2
        middle = middle.replace(microsecond=0)
        if middle.astimezone(tz).utcoffset() == new:
            late = middle
        else:
            early = middle
    return late
