"""Files made from what an earlier system left: new ones only, all of them or none."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from rpsd.core.errors import StateConflict, UnsafeStorage


def written_new(files: Mapping[Path, tuple[str, int]]) -> None:
    """Write each file with its text and mode, in directories (0700) that are made if need be; nothing is overwritten.

    Raises StateConflict when one exists, UnsafeStorage when one cannot be written; then none of them is left.
    """
    made: list[Path] = []
    try:
        for path, (text, mode) in files.items():
            path.parent.mkdir(0o700, parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            made.append(path)
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                os.fchmod(descriptor, mode)
                stream.write(text)
                stream.flush()
                os.fsync(descriptor)
    except OSError as error:
        for path in made:
            with suppress(OSError):
                path.unlink()
        named = error.filename or next(iter(files))
        if isinstance(error, FileExistsError):
            raise StateConflict(f"{named} exists already", hint="Choose another --output, or move that file away.") from error
        raise UnsafeStorage(f"{named}: {error.strerror}", hint="Run it as a user who may write there.") from error
