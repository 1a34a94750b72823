"""The folders into which files of the inbox are moved, with what belongs to them; links that somebody put there are not followed."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from rpsd.services.intake.dropped import SIDECAR

DONE: Final = "done"
FAILED: Final = "failed"
REASON: Final = ".reason.txt"
"""What the file beside a failed one ends with."""
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_MOST_NAME_BYTES: Final = 255
_MOST_TRIES: Final = 10_000


def put(file: Path, where: str, stamp: str, reason: str = "") -> None:
    """Move the file and its sidecar into the folder `where` beside it, under a name that is free; `reason`, if any, is written there.

    `stamp` goes into the name where one like it has come before. Raises OSError when the file cannot be moved, and leaves it then.
    """
    with suppress(FileExistsError):
        (file.parent / where).mkdir(0o750)
    with _opened(file.parent) as inbox, _opened(file.parent / where) as folder:
        name = _free(folder, file, stamp)
        os.rename(file.name, name, src_dir_fd=inbox, dst_dir_fd=folder)
        with suppress(OSError):  # it has none, or one whose name would be too long
            if stat.S_ISREG(os.stat(file.name + SIDECAR, dir_fd=inbox, follow_symlinks=False).st_mode):
                os.rename(file.name + SIDECAR, name + SIDECAR, src_dir_fd=inbox, dst_dir_fd=folder)
        if reason:
            with suppress(OSError):
                _write(folder, name + REASON, reason)


def count(folder: Path) -> int:
    """How many files were put there. Raises OSError unless it is a folder or is not there."""
    try:
        names = os.listdir(folder)  # noqa: PTH208 - names are enough
    except FileNotFoundError:
        return 0
    return sum(not name.startswith(".") and not name.endswith((REASON, SIDECAR)) for name in names)


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    """A descriptor of the folder; what it names stays the same whatever somebody puts in its place."""
    descriptor = os.open(folder, _FOLDER)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _free(folder: int, file: Path, stamp: str) -> str:
    """A name in the folder that neither a file has nor what would lie beside it."""
    room = _MOST_NAME_BYTES - len(os.fsencode(f"..{stamp}-{_MOST_TRIES}{file.suffix}{REASON}"))
    stem = os.fsdecode(os.fsencode(file.stem)[: max(1, room)])
    for number in range(_MOST_TRIES):
        mark = "" if not number else f".{stamp}" if number == 1 else f".{stamp}-{number}"
        name = f"{stem}{mark}{file.suffix}"
        if not any(_is_there(folder, name + beside) for beside in ("", SIDECAR, REASON)):
            return name
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))


def _is_there(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _write(folder: int, name: str, text: str) -> None:
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o640, dir_fd=folder)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as stream:
        stream.write(text)
