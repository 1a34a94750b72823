"""Where backups are written and unpacked: a directory that nobody else reads and nothing is left in."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_PARTIAL: Final = ".partial"


@contextmanager
def workplace(directory: Path) -> Iterator[Path]:
    """A directory of our own (0700) that is gone afterwards; what a killed process left an hour ago or more goes first."""
    for left in directory.glob(f".rpsd-*{_PARTIAL}"):
        if left.stat().st_mtime < time.time() - 3600:
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=".rpsd-", suffix=_PARTIAL, dir=directory) as work:
        yield Path(work)
