"""What both ends of the box agree on: the names of receivers, and what a message says."""

from collections.abc import Mapping
from typing import Any, Final

from rpsd import __version__
from rpsd.core import instant
from rpsd.core.market import SECOND_NS

OLDEST_NS: Final = 24 * 3600 * SECOND_NS
"""A message that could not be delivered for a day is given up: by then it is history, and the list of alerts has it."""
_MS: Final = 1_000_000


def named(number: int) -> str:
    """What the number-th receiver of the settings is called, from 1."""
    return f"webhook:{number}"


def worded(told: Mapping[str, Any], now_ns: int) -> dict[str, Any]:
    """What happened, and who says so when."""
    return {**told, "service": "rpsd", "version": __version__, "sent": instant.text(now_ns // _MS * _MS)}
