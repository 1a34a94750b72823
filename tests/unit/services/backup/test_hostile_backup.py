"""Backups that somebody has made to do harm: they are refused at once, by name, and nothing hangs."""

import hashlib
import json
import signal
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rpsd.core.errors import BadBackup
from rpsd.services.backup import archive
from rpsd.services.backup.service import understood


@pytest.fixture(autouse=True)
def alarm() -> Iterator[None]:
    """A walk in a circle ends the test instead of the machine."""

    def late(*_: object) -> None:
        raise AssertionError("it does not end")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def header(name: str, size: int) -> bytes:
    """A header whose size may be anything: base 256, as GNU tar writes what octal cannot."""
    info = tarfile.TarInfo(name)
    found = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    found[124:136] = (b"\xff" if size < 0 else b"\x80") + (size % 256**11).to_bytes(11)
    found[148:156] = b"%06o\0 " % (sum(found[:148]) + 8 * 32 + sum(found[156:]))
    return bytes(found)


def sealed(content: bytes, path: Path) -> Path:
    """The content with a right trailer."""
    path.write_bytes(content + archive._trailer(hashlib.sha256(content).hexdigest()))
    return path


@pytest.mark.parametrize("size", [-512, -1, -1024, 2**62, 2**80], ids=["one back", "minus one", "two back", "exabytes", "beyond 64 bits"])
@pytest.mark.parametrize("name", ["README", "rpsd.db", "manifest.json"])
def test_a_size_that_cannot_be_ends_the_reading(tmp_path: Path, name: str, size: int) -> None:
    before = b"".join(archive._member(other, b"{}") for other in ("README", "rpsd.db", "manifest.json") if other != name)
    path = sealed(before + header(name, size) + bytes(512), tmp_path / "a.rpsdbak")
    with pytest.raises(BadBackup):
        understood(path)
    with pytest.raises(BadBackup):
        archive.unpack(path, tmp_path / "out")


@pytest.mark.parametrize(
    "manifest",
    [b"[" * 100_000, b'{"format":' + b"[" * 100_000, b"\xff\xfe", b"", b"[]", b'{"format": 2}', b'{"format": 2, "schema": "x"}'],
    ids=["deep", "deep within", "bytes", "empty", "array", "bare", "schema"],
)
def test_a_strange_manifest_is_refused(tmp_path: Path, manifest: bytes) -> None:
    path = sealed(archive._member("rpsd.db", b"x") + archive._member("manifest.json", manifest), tmp_path / "a.rpsdbak")
    with pytest.raises(BadBackup):
        understood(path)


@pytest.mark.parametrize("size", ["many", None, [], {"a": 1}])
def test_a_size_that_is_no_number_is_refused(tmp_path: Path, size: object) -> None:
    told = {"format": 2, "schema": 1, "database": {"bytes": size}, "created": "", "version": "", "rows": 0, "tables": {}}
    path = sealed(archive._member("rpsd.db", b"x") + archive._member("manifest.json", json.dumps(told).encode()), tmp_path / "a.rpsdbak")
    with pytest.raises(BadBackup):
        understood(path)


def test_thousands_of_members_are_not_walked(tmp_path: Path) -> None:
    path = sealed(b"".join(archive._member(f"n{k}", b"") for k in range(5000)), tmp_path / "a.rpsdbak")
    with pytest.raises(BadBackup):
        understood(path)
