"""How backups are called: their names tell when they were taken, and sort by it."""

import os
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rpsd.core import instant
from rpsd.core.market import SECOND_NS

SUFFIX: Final = ".rpsdbak"
SEALS: Final = (".age", ".gpg")
"""What the name of an encrypted backup ends with."""
NAME: Final = re.compile(r"rpsd-(\d{8}T\d{6}Z)(?:-(\d+))?\.rpsdbak")
SEALED: Final = re.compile(rf"({NAME.pattern})\.(?:age|gpg)")
ONCE: Final = "once-"
"""What the name of a backup begins with that is made to be taken elsewhere at once."""

_SKEW_NS: Final = 3600 * SECOND_NS
"""So far ahead a clock may have been before it was set right."""


def order(path: Path) -> tuple[int, int]:
    """When a backup was taken (ns UTC) and its number within that second, by its name; zeros for a name of another kind."""
    match = NAME.fullmatch(path.name.removesuffix(path.suffix) if path.suffix in SEALS else path.name)
    if match is None:
        return 0, 0
    taken = datetime.strptime(match[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return int(taken.timestamp()) * SECOND_NS, int(match[2] or 1)


def is_ahead(path: Path, now_ns: int) -> bool:
    """Whether its name tells a time to come: it was taken while the clock was wrong, or the clock is wrong now."""
    return order(path)[0] > now_ns + _SKEW_NS


def ranked(paths: Iterable[Path], now_ns: int) -> list[Path]:
    """Newest first. Those dated ahead come last: nobody knows when they were taken, so none of them may be the newest for years."""
    return sorted(paths, key=lambda path: (not is_ahead(path, now_ns), order(path)), reverse=True)


def kept_since(path: Path, now_ns: int) -> int:
    """From when on its age counts towards retention, in ns: its date; of one dated ahead the file's time, which is set to now if need be.

    Raises FileNotFoundError.
    """
    if not is_ahead(path, now_ns):
        return order(path)[0]
    if path.stat().st_mtime_ns > now_ns:
        os.utime(path, ns=(now_ns, now_ns))
    return path.stat().st_mtime_ns


def stamp(ns: int) -> str:
    """A moment as it stands in file names: 20260102T030405Z."""
    return re.sub(r"[-:]", "", instant.text(ns // SECOND_NS * SECOND_NS))


def free_name(target: Path, now_ns: int, first: str = "") -> Path:
    """The target itself, or where it is a directory a name in it that nothing has yet."""
    if not target.is_dir():
        return target.absolute()
    stem, number = f"{first}rpsd-{stamp(now_ns)}", 1
    while (path := target / (f"{stem}{SUFFIX}" if number == 1 else f"{stem}-{number}{SUFFIX}")).exists():
        number += 1
    return path.absolute()
