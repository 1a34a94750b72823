"""The file of a backup: a plain tar whose last member is the SHA-256 of every byte before it.

`tar xf` reads it anywhere. Members, in this order: manifest.json, rpsd.db, config.yaml, SHA256. Headers carry no owner and no time, so the
trailer of a given digest is one exact string of bytes: whatever bit flips, in data, headers or padding, the check sees it.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from rpsd.core.errors import BadBackup, UnknownFile

if TYPE_CHECKING:
    import tarfile

MANIFEST: Final = "manifest.json"
DATABASE: Final = "rpsd.db"
CONFIG: Final = "config.yaml"
DIGEST: Final = "SHA256"
FORMAT: Final = 1
_PIECE: Final = 1 << 20
_SECTOR: Final = 512
_TRAILER: Final = 4 * _SECTOR
"""Header and data of the last member, then tar's two empty sectors."""

Progress = Callable[[float], None]


class _Hashing:
    """A file being written, with the SHA-256 and the number of the bytes so far."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self.digest.update(data)
        self.size += len(data)


def write(target: Path, manifest: dict[str, Any], database: Path, config: str, progress: Progress = lambda _: None) -> tuple[str, int]:
    """Write the backup to target (mode 0600), durable on return. Returns SHA-256 (hex) and size of the whole file."""

    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file, database.open("rb") as source:
        out, size = _Hashing(file), database.stat().st_size
        _member(out, MANIFEST, json.dumps(manifest, indent=1, allow_nan=False).encode())
        out.write(_header(DATABASE, size))
        for piece in _pieces(source, size):
            out.write(piece)
            progress(out.size / (size + 1))
        out.write(_padding(size))
        _member(out, CONFIG, config.encode())
        out.write(_trailer(out.digest.hexdigest()))
        file.flush()
        os.fsync(descriptor)
    return out.digest.hexdigest(), out.size


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
    """The manifest at the head of the file; proves nothing about the rest. Raises UnknownFile, BadBackup."""
    import tarfile  # here and below: the start does not need it

    _size(path)
    try:
        with tarfile.open(path, "r:") as tar:
            found = json.loads(_named(tar, MANIFEST).read())
    except (tarfile.TarError, ValueError, KeyError, OSError, EOFError) as error:
        raise BadBackup(f"{path.name} is not a backup of rpsd") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise BadBackup(f"{path.name} is a backup of another format than {FORMAT}")
    return found


def unpack(path: Path, target: Path, progress: Progress = lambda _: None) -> str:
    """Write the database of the backup to target (mode 0600, durable on return), and return its SHA-256 (hex).

    No name in the file is ever used as a path. Raises BadBackup.
    """
    import tarfile

    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file, tarfile.open(path, "r:") as tar:
            source = _named(tar, DATABASE)
            out, size = _Hashing(file), tar.getmember(DATABASE).size
            for piece in _pieces(source, size):
                out.write(piece)
                progress(out.size / size)
            file.flush()
            os.fsync(descriptor)
    except (tarfile.TarError, KeyError, EOFError) as error:
        raise BadBackup(f"{path.name} does not hold a database") from error
    return out.digest.hexdigest()


def sha256(path: Path) -> str:
    """SHA-256 (hex) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size(path: Path) -> int:
    if not path.is_file():
        raise UnknownFile(f"there is no file {path}")
    return path.stat().st_size


def _named(tar: "tarfile.TarFile", name: str) -> Any:
    """The plain file of this name. Raises KeyError."""
    member = tar.getmember(name)
    source = tar.extractfile(member) if member.isreg() else None
    if source is None:
        raise KeyError(name)
    return source


def _header(name: str, size: int) -> bytes:
    import tarfile

    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    return info.tobuf(tarfile.GNU_FORMAT)  # GNU: sizes beyond 8 GiB


def _padding(size: int) -> bytes:
    return bytes(-size % _SECTOR)


def _member(out: _Hashing, name: str, data: bytes) -> None:
    out.write(_header(name, len(data)) + data + _padding(len(data)))


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
