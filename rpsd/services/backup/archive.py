"""The file of a backup: a plain tar whose last member is the SHA-256 of every byte before it.

`tar xf` reads it anywhere. Members, in this order: README, rpsd.db, manifest.json, config.yaml, SHA256; the database begins at a whole page
of the disk, so that a file system that can share blocks does. Headers carry no owner and no time, so the trailer of a given digest is one
exact string of bytes: whatever bit flips, in data, headers or padding, the check sees it. Backups of format 1, where the manifest came
first, are read as well.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from rpsd.core.errors import BadBackup, UnknownFile
from rpsd.services.backup.program import be_nice
from rpsd.store.copying import piecewise, sync

if TYPE_CHECKING:
    import tarfile

MANIFEST: Final = "manifest.json"
DATABASE: Final = "rpsd.db"
CONFIG: Final = "config.yaml"
DIGEST: Final = "SHA256"
FORMAT: Final = 2
_READABLE: Final = (1, 2)
_PIECE: Final = 1 << 20
_SECTOR: Final = 512
_HEAD: Final = 4096
"""Where the database begins."""
_TRAILER: Final = 4 * _SECTOR
"""Header and data of the last member, then tar's two empty sectors."""
_MOST_MEMBERS: Final = 64
_MOST_MANIFEST: Final = 256 << 20
"""Bytes; a hundred thousand series and models stay far below."""
_README: Final = """A backup of rpsd. `rpsd restore FILE` puts it in the place of the data, `rpsd backup verify FILE` proves it.

rpsd.db        the database, as of one moment
manifest.json  what is in it: release, schema, counts, digests of the models, the end of the audit log
config.yaml    the settings that were in force, without secrets
SHA256         of every byte before the header of this last member
"""

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the members lie in the file: offset and size in bytes."""

    database: tuple[int, int]
    manifest: tuple[int, int]


class Draft:
    """A backup that is being written: copy() the database, then finish(). `target` is created with mode 0600."""

    def __init__(self, target: Path, size: int) -> None:
        """`size` is the database's in bytes."""
        self._size = size
        self.file = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        readme = _README.encode().ljust(_HEAD - 2 * _SECTOR, b"\n")
        os.write(self.file, _header("README", len(readme)) + readme + _header(DATABASE, size))

    def copy(self, source: int, progress: Progress) -> Any:
        """Copy the database from the descriptor; each piece is read back from the disk and compared. Returns its running SHA-256.

        Durable on return. Raises BadBackup, DiskFull, Unavailable.
        """
        whole = hashlib.sha256(os.pread(self.file, _HEAD, 0))
        hashed: Future[None] = Future()
        hashed.set_result(None)

        def prove(at: int, n: int) -> None:
            nonlocal hashed
            piece = os.pread(self.file, n, _HEAD + at)
            if len(piece) != n or piece != os.pread(source, n, at):
                raise BadBackup("the backup does not read back as it was written")
            hashed.result()
            hashed = hashing.submit(whole.update, piece)
            progress((at + n) / self._size)

        with ThreadPoolExecutor(1, "backup-digest", be_nice) as hashing:
            piecewise(source, self.file, self._size, _HEAD, prove)
        return whole

    def finish(self, whole: Any, manifest: dict[str, Any], config: str) -> tuple[str, int]:
        """Write the rest, durable on return. Returns SHA-256 (hex) and size of the whole file. Raises BadBackup."""
        rest = _padding(self._size) + _member(MANIFEST, json.dumps(manifest, indent=1, allow_nan=False).encode())
        rest += _member(CONFIG, config.encode())
        whole.update(rest)
        trailer = _trailer(whole.hexdigest())
        whole.update(trailer)
        end = _HEAD + self._size
        os.lseek(self.file, end, os.SEEK_SET)
        with os.fdopen(os.dup(self.file), "wb") as file:
            file.write(rest + trailer)
        os.fsync(self.file)
        if os.pread(self.file, len(rest) + _TRAILER + 1, end) != rest + trailer:
            raise BadBackup("the backup does not read back as it was written")
        return whole.hexdigest(), end + len(rest) + _TRAILER

    def close(self) -> None:
        """Close the file."""
        os.close(self.file)


def check(path: Path) -> str:
    """SHA-256 (hex) of the whole file, after proving its own trailer. O(size). Raises UnknownFile, BadBackup."""
    size = _size(path)
    if size % _SECTOR or size <= _TRAILER:
        raise BadBackup(f"{path.name} is not a backup of rpsd, or was cut short")
    whole = hashlib.sha256()
    with path.open("rb") as file:
        for piece in _pieces(file, size - _TRAILER):
            whole.update(piece)
        trailer = file.read(_TRAILER)
    if trailer != _trailer(whole.hexdigest()):
        raise BadBackup(f"{path.name} is damaged: its content does not match its SHA-256")
    whole.update(trailer)
    return whole.hexdigest()


def manifest(path: Path) -> dict[str, Any]:
    """The manifest of the file; proves nothing about the rest. Raises UnknownFile, BadBackup."""
    offset, size = layout(path).manifest
    if size > _MOST_MANIFEST:
        raise BadBackup(f"{path.name} is not a backup of rpsd")
    try:
        with path.open("rb") as file:
            file.seek(offset)
            found = json.loads(file.read(size))
    except (ValueError, RecursionError) as error:
        raise BadBackup(f"{path.name} is not a backup of rpsd") from error
    if not isinstance(found, dict) or found.get("format") not in _READABLE:
        raise BadBackup(f"{path.name} is a backup of another format than {FORMAT}")
    return found


def ends_well(path: Path) -> None:
    """Prove that the file has its last member, which one that was cut short lacks. Raises UnknownFile, BadBackup."""
    size = _size(path)
    with path.open("rb") as file:
        file.seek(max(0, size - _TRAILER))
        found = file.read()
    line = found[_SECTOR : _SECTOR + 64].decode("ascii", "replace")
    if size % _SECTOR or found != _trailer(line):
        raise BadBackup(f"{path.name} was cut short")


def layout(path: Path) -> Layout:
    """Where database and manifest lie. Raises UnknownFile, BadBackup."""
    import tarfile  # here and below: the start does not need it

    _size(path)
    try:
        with tarfile.open(path, "r:") as tar:
            _walk(tar)
            return Layout(_named(tar, DATABASE), _named(tar, MANIFEST))
    except (tarfile.TarError, ValueError, KeyError, OSError, EOFError, OverflowError, RecursionError) as error:
        raise BadBackup(f"{path.name} is not a backup of rpsd") from error


def unpack(path: Path, target: Path, progress: Progress = lambda _: None) -> str:
    """Write the database of the backup to target (mode 0600, durable on return), and return the SHA-256 (hex) of the whole backup.

    Reads the file once and proves its trailer on the way: after BadBackup target may hold anything. No name in the file is ever used as a
    path.
    """
    first, size = layout(path).database
    whole, at, end = hashlib.sha256(), 0, path.stat().st_size - _TRAILER
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with path.open("rb") as source:
            for piece in _pieces(source, end):
                whole.update(piece)
                low, high = max(first - at, 0), min(first + size - at, len(piece))
                if low < high:
                    os.pwrite(descriptor, memoryview(piece)[low:high], at + low - first)
                at += len(piece)
                progress(at / end)
            trailer = source.read(_TRAILER)
        os.fsync(descriptor)
    except EOFError as error:
        raise BadBackup(f"{path.name} was cut short") from error
    finally:
        os.close(descriptor)
    if trailer != _trailer(whole.hexdigest()):
        raise BadBackup(f"{path.name} is damaged: its content does not match its SHA-256")
    whole.update(trailer)
    return whole.hexdigest()


def sha256(path: Path) -> str:
    """SHA-256 (hex) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size(path: Path) -> int:
    if not path.is_file():
        raise UnknownFile(f"there is no file {path}")
    return path.stat().st_size


def _walk(tar: "tarfile.TarFile") -> None:
    """Raise ValueError unless each member lies behind the one before: a size below zero would lead around in a circle, for ever."""
    end, count = -1, 0
    while (member := tar.next()) is not None:
        count += 1
        if member.size < 0 or member.offset <= end or count > _MOST_MEMBERS:
            raise ValueError(member.name)
        end = member.offset


def _named(tar: "tarfile.TarFile", name: str) -> tuple[int, int]:
    """Offset and size of the plain file of this name. Raises KeyError."""
    member = tar.getmember(name)
    if not member.isreg() or member.sparse is not None:
        raise KeyError(name)
    return member.offset_data, member.size


def _header(name: str, size: int) -> bytes:
    import tarfile

    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    return info.tobuf(tarfile.GNU_FORMAT)  # GNU: sizes beyond 8 GiB


def _padding(size: int) -> bytes:
    return bytes(-size % _SECTOR)


def _member(name: str, data: bytes) -> bytes:
    return _header(name, len(data)) + data + _padding(len(data))


def _trailer(digest: str) -> bytes:
    line = f"{digest}\n".encode()
    return _header(DIGEST, len(line)) + line + _padding(len(line)) + bytes(2 * _SECTOR)


def _pieces(file: BinaryIO, size: int) -> Iterator[bytes]:
    """Exactly size bytes. Raises EOFError when there are fewer."""
    while size > 0:
        piece = file.read(min(_PIECE, size))
        if not piece:
            raise EOFError("the file ended early")
        size -= len(piece)
        yield piece


def settle(path: Path) -> None:
    """Return once the file or the directory is on the disk."""
    sync(path)
