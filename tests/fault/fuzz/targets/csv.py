"""CSV of samples: the first byte says how it is read, the rest comes in two pieces."""

from contextlib import suppress
from typing import Final

from rpsd.core.errors import RpsdError
from rpsd.services.intake.csv import CsvReader

_FORMATS: Final = (None, "%d.%m.%Y", "%Y%m%d %H:%M", "%s")
_ZONES: Final = (None, "UTC", "America/New_York")


def one(data: bytes) -> None:
    """Parse it whole."""
    ways, text = (data[0], data[1:]) if data else (0, b"")
    half = len(text) // 2
    with suppress(RpsdError):
        reader = CsvReader(
            ("1d", "tick", "1m")[ways % 3],
            tz=_ZONES[ways // 3 % 3],
            date_format=_FORMATS[ways // 9 % 4],
            on_error=("reject", "skip")[ways // 36 % 2],
        )
        reader.feed(text[:half])
        reader.feed(text[half:])
        reader.finish()
