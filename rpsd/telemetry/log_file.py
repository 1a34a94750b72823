"""The file that receives the log: rotated by others with a rename, and then opened anew without losing or tearing a line."""

import contextlib
import os
from pathlib import Path

_MODE = 0o640  # the unit's UMask takes the group's part away unless the operator gives it back


class LogFile:
    """Appends whole lines to the file of a name, whichever file bears it at that moment.

    A rotation that renames needs no signal: the next batch finds the name gone or given to another file and opens that. What was written
    in the same instant is in the renamed file, whole. One thread may use it.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._open: int | None = None
        self._identity: tuple[int, int] | None = None

    def write(self, data: bytes) -> int:
        """Append the lines, each of which ends with a line feed, and tell how many of the bytes are on file: all, or those of whole lines.

        A line of which only a part fits on the disk is taken back where it can be. Raises OSError when the file cannot be opened.
        """
        self._follow()
        if self._open is None:
            return len(data)
        written = 0
        with contextlib.suppress(OSError):
            while written < len(data):
                written += os.write(self._open, data[written:])
        if written == len(data):
            return written
        whole = data.rfind(b"\n", 0, written) + 1
        with contextlib.suppress(OSError):  # what stays of a torn line is ended by a line feed when the file is opened again
            if written > whole:
                os.ftruncate(self._open, os.fstat(self._open).st_size - (written - whole))
        self.close()
        return whole

    def close(self) -> None:
        """Let the file go; the next write opens it again."""
        if self._open is not None:
            os.close(self._open)
            self._open = None

    def _follow(self) -> None:
        """Have the file open that bears the name now, or none when no name is set."""
        if self._open is not None and self._named() != self._identity:
            self.close()
        if self._open is None and self.path is not None:
            self._open = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)
            found = os.fstat(self._open)
            self._identity = (found.st_dev, found.st_ino)
            if found.st_size and os.pread(self._open, 1, found.st_size - 1) != b"\n":
                os.write(self._open, b"\n")  # a process that was killed, or a disk that was full, left half a line

    def _named(self) -> tuple[int, int] | None:
        """Device and number of the file that bears the name, None when there is none."""
        if self.path is None:
            return None
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino
