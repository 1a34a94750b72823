"""A backup on its way to another place: into a directory, or through a command; encrypted where there is a recipient."""

import hashlib
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, Final

from rpsd.config import Settings
from rpsd.core.errors import Cancelled, InvalidRequest, MissingExtra, Unavailable, UnknownFile

_NAME: Final = re.compile(r"rpsd-\d{8}T\d{6}Z(?:-\d+)?\.rpsdbak")
_PIECE: Final = 1 << 20
_LONGEST_SECONDS: Final = 6 * 3600.0
_DAY_SECONDS: Final = 86_400.0
_WORDS: Final = 300

Progress = Callable[[float, str], None]


def copy_away(
    settings: Settings, name: str, *, progress: Progress = lambda *_: None, cancelled: Callable[[], bool] = lambda: False
) -> dict[str, Any]:
    """Copy that backup of backup.dir as backup.offsite says, and prove the copy in a directory by reading it back.

    Answer: {"name", "bytes", "seconds"} of what arrived. Copies in the directory that are older than backup.keep_days go, never the newest.
    Raises UnknownFile, InvalidRequest, Unavailable (the place or the command failed), MissingExtra (no program to encrypt), Cancelled.
    """
    began, source, offsite = time.monotonic(), settings.backup.dir / name, settings.backup.offsite
    if _NAME.fullmatch(name) is None or not source.is_file():
        raise UnknownFile(f"there is no backup {name[:80]!r} in backup.dir")
    try:
        with ExitStack() as stack:
            sent = source
            if offsite.encrypt_to:
                work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rpsd-offsite-")))
                sent = work / f"{name}{sealed_suffix(offsite.encrypt_to)}"
                _seal(source, sent, offsite.encrypt_to, cancelled)
            if offsite.dir is not None:
                _into(sent, offsite.dir, lambda share: progress(share, f"copying {name}"), cancelled)
                _prune(offsite.dir, settings.backup.keep_days)
            if offsite.command:
                _through([word.replace("{file}", str(sent)) for word in offsite.command], cancelled)
            return {"name": sent.name, "bytes": sent.stat().st_size, "seconds": round(time.monotonic() - began, 3)}
    except OSError as error:
        raise Unavailable(f"the copy to elsewhere failed: {error.strerror or type(error).__name__}") from error


def sealed_suffix(recipient: str) -> str:
    """.age for an age or SSH public key, else .gpg. Raises InvalidRequest for what no program may be given."""
    if recipient.startswith("-") or not recipient.isprintable():
        raise InvalidRequest("backup.offsite.encrypt_to: expected an age or SSH public key, or the name of a gpg key")
    return ".age" if recipient.startswith(("age1", "ssh-ed25519 ", "ssh-rsa ")) else ".gpg"


def _seal(source: Path, target: Path, recipient: str, cancelled: Callable[[], bool]) -> None:
    age = ["age", "--encrypt", "--recipient", recipient, "--output", str(target), str(source)]
    gpg = [
        "gpg",
        "--batch",
        "--quiet",
        "--trust-model",
        "always",
        "--recipient",
        recipient,
        "--output",
        str(target),
        "--encrypt",
        str(source),
    ]
    _through(age if target.suffix == ".age" else gpg, cancelled)


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
    """Remove the copies of backups that are older, by their file's time; the newest always stays."""
    held = sorted(path for path in directory.glob("rpsd-*.rpsdbak*") if _NAME.match(path.name))
    for path in held[:-1]:
        if time.time() - path.stat().st_mtime > keep_days * _DAY_SECONDS:
            path.unlink()


def _through(command: list[str], cancelled: Callable[[], bool]) -> None:
    """Run it without a shell. Raises MissingExtra when it does not exist, Unavailable with its last words when it fails, Cancelled."""
    with tempfile.TemporaryFile() as words:
        try:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=words)  # noqa: S603 - the operator's
        except FileNotFoundError as error:
            raise MissingExtra(f"the program {command[0]} is not there", hint="Install it, or correct backup.offsite.") from error
        with child:
            until = time.monotonic() + _LONGEST_SECONDS
            while child.poll() is None:
                if cancelled() or time.monotonic() > until:
                    child.kill()
                    raise Cancelled("the copy was stopped")
                time.sleep(0.05)
        if child.returncode:
            words.seek(0)
            said = " ".join(words.read(_WORDS).decode("utf-8", "replace").split()) or "it said nothing"
            raise Unavailable(f"{Path(command[0]).name} ended with status {child.returncode}: {said}")
