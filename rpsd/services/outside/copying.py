"""A backup on its way to another place: into a directory, or through a command; encrypted where there is a recipient."""

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, Final

from rpsd.config import Settings
from rpsd.core.errors import Cancelled, Unavailable, UnknownFile
from rpsd.core.market import DAY_NS
from rpsd.services.backup.naming import NAME, kept_since, ranked
from rpsd.services.backup.program import run
from rpsd.services.backup.sealing import command_of, seal_of

_PIECE: Final = 1 << 20

Progress = Callable[[float, str], None]


def copy_away(
    settings: Settings, name: str, *, progress: Progress = lambda *_: None, cancelled: Callable[[], bool] = lambda: False
) -> dict[str, Any]:
    """Copy that backup of backup.dir as backup.offsite says, and prove the copy in a directory by reading it back.

    Answer: {"name", "bytes", "seconds"} of what arrived. Copies in the directory that are older than backup.keep_days go, never the newest.
    Raises UnknownFile, InvalidRequest, Unavailable (the place or the command failed), MissingExtra (no program to encrypt), Cancelled.
    """
    began, source, offsite = time.monotonic(), settings.backup.dir / name, settings.backup.offsite
    if NAME.fullmatch(name) is None or not source.is_file():
        raise UnknownFile(f"there is no backup {name[:80]!r} in backup.dir")
    try:
        with ExitStack() as stack:
            sent = source
            if offsite.encrypt_to:
                work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rpsd-offsite-")))
                sent = work / f"{name}{seal_of(offsite.encrypt_to)}"
                _seal(source, sent, offsite.encrypt_to, cancelled)
            if offsite.dir is not None:
                _into(sent, offsite.dir, lambda share: progress(share, f"copying {name}"), cancelled)
                _prune(offsite.dir, settings.backup.keep_days)
            command = [word.replace("{file}", str(sent)) for word in offsite.command]
            if command and (failure := run(command, cancelled=cancelled)) is not None:
                raise Unavailable(failure)
            return {"name": sent.name, "bytes": sent.stat().st_size, "seconds": round(time.monotonic() - began, 3)}
    except OSError as error:
        raise Unavailable(f"the copy to elsewhere failed: {error.strerror or type(error).__name__}") from error


def _seal(source: Path, target: Path, recipient: str, cancelled: Callable[[], bool]) -> None:
    with source.open("rb") as plain, target.open("xb") as out:
        if (failure := run(command_of(recipient), source=plain, target=out, cancelled=cancelled)) is not None:
            raise Unavailable(failure, hint="Is the recipient's key right, and known here?")


def _into(source: Path, directory: Path, progress: Callable[[float], None], cancelled: Callable[[], bool]) -> None:
    """Under a name of its own until it is on disk and reads back as it was sent."""
    target, size = directory / source.name, max(1, source.stat().st_size)
    partial = target.with_name(f"{target.name}.partial")
    sent = hashlib.sha256()
    try:
        with source.open("rb") as reader, partial.open("wb") as writer:
            os.fchmod(writer.fileno(), 0o600)
            for piece in _pieces(reader, cancelled):
                writer.write(piece)
                sent.update(piece)
                progress(0.7 * writer.tell() / size)
            writer.flush()
            os.fsync(writer.fileno())
        read = hashlib.sha256()
        with partial.open("rb") as reader:
            for piece in _pieces(reader, cancelled):
                read.update(piece)
        if read.digest() != sent.digest():
            raise Unavailable(f"the copy in {directory} does not read back as it was written")
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _pieces(reader: BinaryIO, cancelled: Callable[[], bool]) -> Iterator[bytes]:
    while piece := reader.read(_PIECE):
        if cancelled():
            raise Cancelled("the copy was stopped")
        yield piece


def _prune(directory: Path, keep_days: int) -> None:
    """Remove the copies of backups that are older, by their file's time; the newest always stays, as in backup.dir."""
    now_ns = time.time_ns()
    for path in ranked((path for path in directory.glob("rpsd-*.rpsdbak*") if NAME.match(path.name)), now_ns)[1:]:
        kept_since(path, now_ns)  # a file's time that is still to come is set right
        if now_ns - path.stat().st_mtime_ns > keep_days * DAY_NS:
            path.unlink()
