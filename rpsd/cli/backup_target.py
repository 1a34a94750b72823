"""Where `rpsd backup create --to` writes: a file, a directory or standard output, in clear or encrypted."""

import hashlib
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from rpsd.core.errors import BadBackup, Unavailable

STDOUT = "-"


def deliver(pieces: Iterable[bytes], facts: dict[str, Any], target: str, recipient: str | None) -> dict[str, Any]:
    """Write the backup to the target, durable on return; its facts with the new path, and `encrypted` where it is.

    Nobody finds half of it under its final name. bytes and sha256 are those of the backup in clear. Raises BadBackup when other bytes have
    come than the facts say, Unavailable when the target cannot be written.
    """
    from rpsd.services.backup.archive import settle
    from rpsd.services.backup.sealing import seal_of

    suffix = "" if recipient is None else seal_of(recipient)
    name = Path(facts["path"]).name.removeprefix("once-")
    told = facts | ({"encrypted": suffix[1:]} if suffix else {})
    checked = _Checked(pieces)
    try:
        if target == STDOUT:
            _write(checked, sys.stdout.buffer, recipient)
            checked.require(facts)
            return told | {"path": STDOUT}
        final = Path(target) / f"{name}{suffix}" if Path(target).is_dir() else Path(target)
        # a name of its own: another backup to the same place must not write into this one, nor a link lead elsewhere
        descriptor, place = tempfile.mkstemp(prefix=f".{final.name}.", suffix=".partial", dir=final.absolute().parent)
        partial = Path(place)
        try:
            with os.fdopen(descriptor, "wb") as out:
                _write(checked, out, recipient)
                os.fsync(out.fileno())
            checked.require(facts)
            partial.replace(final)
            settle(final.absolute().parent)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise Unavailable(f"{target} cannot be written: {error.strerror}", hint="Is there room, and may this user write there?") from error
    return told | {"path": str(final)}


class _Checked:
    """The pieces as they pass, with their SHA-256."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces, self._digest = pieces, hashlib.sha256()

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self._digest.update(piece)
            yield piece

    def require(self, facts: dict[str, Any]) -> None:
        """Raise BadBackup unless all of it has passed."""
        if self._digest.hexdigest() != facts["sha256"]:
            raise BadBackup("the backup did not arrive whole")


def _write(pieces: Iterable[bytes], out: BinaryIO, recipient: str | None) -> None:
    from rpsd.services.backup.sealing import seal

    if recipient is not None:
        seal(pieces, recipient, out)
        return
    for piece in pieces:
        out.write(piece)
    out.flush()


def refuse_early(recipient: str | None, target: str | None) -> None:
    """Raise what would go wrong only after a long backup. Raises InvalidRequest, MissingExtra, Unavailable."""
    from rpsd.services.backup.sealing import command_of

    if recipient is not None:
        command_of(recipient)
    if target is not None and target != STDOUT and not Path(target).absolute().parent.is_dir():
        raise Unavailable(f"there is no directory {Path(target).absolute().parent}", hint="Make it first.")
