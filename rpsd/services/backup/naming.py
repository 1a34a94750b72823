"""How backups are called: their names tell when they were taken, and sort by it."""

import re
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


def order(path: Path) -> tuple[int, int]:
    """When a backup was taken (ns UTC) and its number within that second, by its name; zeros for a name of another kind."""
    match = NAME.fullmatch(path.name.removesuffix(path.suffix) if path.suffix in SEALS else path.name)
    if match is None:
        return 0, 0
    taken = datetime.strptime(match[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return int(taken.timestamp()) * SECOND_NS, int(match[2] or 1)


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
