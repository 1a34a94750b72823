"""Backups through the front door: fetched whole or not at all, removed one by one, and no other file by any name."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.flow.web.conftest import Launch, Running

PIECE = 1 << 18
SIZES = (0, 1, PIECE - 1, PIECE, PIECE + 1, 5 * PIECE + 7)
LARGE = 64 << 20
ELSEWHERE = (
    "..", "../rpsd.db", "..%2frpsd.db", "%2e%2e%2frpsd.db", "%2fetc%2fpasswd", "rpsd.db", "notes.txt", "rpsd-20260101T000000Z.rpsdbak%00",
    "rpsd-20260101T000000Z.rpsdbak%2f..%2f..%2frpsd.db", "rpsd-20260101T000000Z.rpsdbak.partial", "rpsd-20260199T000000Z.rpsdbak",
    "once-..%2frpsd.db", "once-once-rpsd-20260101T000000Z.rpsdbak", "x" * 300,
)  # fmt: skip


@pytest.fixture(scope="module")
def running(launch: Launch) -> Running:
    return launch()


@pytest.fixture
def place(running: Running) -> Iterator[Path]:
    """backup.dir, empty before and after."""
    found = running.services.settings.backup.dir
    found.mkdir(parents=True, exist_ok=True)
    yield found
    for path in found.iterdir():
        path.unlink()


def put(place: Path, size: int, name: str = "rpsd-20260101T000000Z.rpsdbak") -> Path:
    path = place / name
    path.write_bytes((bytes(range(251)) * (size // 251 + 1))[:size])
    return path


def url(name: str, rest: str = "/content") -> str:
    return f"/api/v1/admin/backups/{name}{rest}"


def audited(running: Running) -> list[str]:
    return [row["subject"] for row in running.services.access.audit(None, 1000)[0] if row["action"] == "backup.delete"]


@pytest.mark.parametrize("size", SIZES)
def test_a_backup_arrives_whole(http: httpx.Client, place: Path, size: int) -> None:
    for name in ("rpsd-20260101T000000Z.rpsdbak", "rpsd-20260101T000000Z-2.rpsdbak.age", "once-rpsd-20260101T000000Z.rpsdbak"):
        path = put(place, size, name)
        found = http.get(url(name))
        assert (found.status_code, found.headers["content-type"]) == (200, "application/x-tar")
        assert int(found.headers["content-length"]) == size
        assert found.headers["content-disposition"] == f'attachment; filename="{name}"'
        assert found.content == path.read_bytes()


def test_only_an_admin_fetches_or_removes(running: Running, place: Path) -> None:
    path = put(place, 10)
    for scope, status in ((None, 401), ("read", 403), ("ingest", 403), ("predict", 403), ("train", 403)):
        with running.client(scope) as client:
            assert client.get(url(path.name)).status_code == status
            assert client.delete(url(path.name, "")).status_code == status
    assert path.exists()


@pytest.mark.parametrize("name", ELSEWHERE)
def test_no_other_file_is_fetched_or_removed(http: httpx.Client, place: Path, name: str) -> None:
    put(place, 10)
    put(place, 10, "rpsd-20260101T000000Z.rpsdbak.partial")
    (place / "notes.txt").write_text("mine")
    before = sorted(path.name for path in place.iterdir())
    for answer in (http.get(url(name)), http.delete(url(name, ""))):
        assert 400 <= answer.status_code < 500, (name, answer.status_code)
        assert "code" in answer.json()
    assert sorted(path.name for path in place.iterdir()) == before


def test_one_is_removed_and_the_newest_stays(running: Running, http: httpx.Client, place: Path) -> None:
    old, new = put(place, 10), put(place, 10, "rpsd-20260102T000000Z.rpsdbak")
    refused = http.delete(url(new.name, ""))
    assert (refused.status_code, refused.json()["code"]) == (409, "state_conflict")
    assert http.delete(url(old.name, "")).json() == {"deleted": old.name}
    assert audited(running)[:1] == [old.name]
    gone = http.delete(url(old.name, ""))
    assert (gone.status_code, gone.json()["code"]) == (404, "unknown_file")
    assert http.get(url(old.name)).status_code == 404
    assert [path.name for path in place.iterdir()] == [new.name]


def test_one_that_is_removed_while_it_is_fetched_still_arrives(http: httpx.Client, place: Path) -> None:
    old = put(place, LARGE)
    put(place, 10, "rpsd-20260102T000000Z.rpsdbak")
    wanted, found = old.read_bytes(), bytearray()
    with http.stream("GET", url(old.name)) as answer:
        for piece in answer.iter_bytes(1 << 20):
            if not found:
                old.unlink()
            found += piece
    assert bytes(found) == wanted


def test_a_client_that_leaves_midway_leaves_nothing_open(running: Running, http: httpx.Client, place: Path) -> None:
    path = put(place, LARGE)
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", running.server.port)) as peer:
            peer.sendall(f"GET {url(path.name)} HTTP/1.1\r\nhost: localhost\r\nx-api-key: {running.keys['admin']}\r\n\r\n".encode())
            assert peer.recv(1 << 12).startswith(b"HTTP/1.1 200")
            assert opened(path) > 0
    until = time.monotonic() + 20
    while opened(path) and time.monotonic() < until:
        time.sleep(0.02)
    assert opened(path) == 0
    assert len(http.get(url(path.name)).content) == LARGE


def opened(path: Path) -> int:
    """How many descriptors of this process, and so of its server, hold the file."""
    held: list[str] = []
    for one in Path("/proc/self/fd").iterdir():
        try:
            held.append(str(one.readlink()))
        except FileNotFoundError:
            continue
    return held.count(str(path))
