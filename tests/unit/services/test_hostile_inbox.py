"""The inbox before people who mean it ill, or do not know what they drop: no file blocks the others, and nothing outside it is touched."""

import errno
import json
import os
from collections import Counter

import pytest

from rpsd.services import inbox as room

CSV = "t,close\n2024-01-02,1.5\n2024-01-03,1.6\n"


NAMES = {
    "bytes that are no UTF-8": b"BAD\xff_1d.csv",
    "a line feed": b"BAD_1d\n.csv",
    "a line feed in the symbol": b"B\nAD_1d.csv",
    "escapes of a terminal": b"BAD\x1b[2J_1d.csv",
    "as long as a name may be": b"B" * 248 + b"_1d.csv",
    "too long for its reason": b"B" * 240 + b"_1d.csv",
    "from right to left": "BAD\u202e_1d.csv".encode(),
    "no symbol": b"_1d.csv",
    "no name": b"-.csv",
    "a quoted mark": b"'; DROP TABLE series_1d.csv",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_a_strange_name_goes_aside_and_stops_nobody(services, folder, name) -> None:
    (folder / os.fsdecode(name)).write_text(CSV)
    (folder / "AAPL_1d.csv").write_text(CSV)
    (folder / "ZZZ_1d.csv").write_text(CSV)
    messages = []
    assert services.inbox.sweep(lambda _share, message: messages.append(message.encode())) == {
        "imported": 2, "failed": 1, "waiting": 0, "rows": 4,
    }  # fmt: skip
    assert not any(b"\n" in message or b"\x1b" in message for message in messages)
    assert [file.name for file in folder.glob("*.csv")] == []
    aside = [os.fsencode(file.name) for file in (folder / "failed").iterdir() if not file.name.endswith(room.REASON)]
    assert [(held[:200], held[-4:]) for held in aside] == [(name[:200], name[-4:])]  # a long one is cut to leave room for its reason
    assert len(list((folder / "failed").glob(f"*{room.REASON}"))) == 1
    assert services.inbox.standing().part() == ("degraded", "files_failed")


@pytest.mark.parametrize("kind", ["directory", "pipe", "link", "device"])
def test_a_sidecar_that_is_no_file_is_a_fault_of_its_own(services, folder, kind, tmp_path) -> None:
    (folder / "AAPL_1d.csv").write_text(CSV)
    sidecar = folder / "AAPL_1d.csv.json"
    if kind == "directory":
        sidecar.mkdir()
    elif kind == "pipe":
        os.mkfifo(sidecar)
    elif kind == "link":
        (tmp_path / "elsewhere").write_text(json.dumps({"symbol": "MSFT"}))
        sidecar.symlink_to(tmp_path / "elsewhere")
    else:
        sidecar.symlink_to("/dev/zero")
    assert services.inbox.sweep()["failed"] == 1
    assert "invalid_request" in (folder / "failed" / "AAPL_1d.csv.reason.txt").read_text()
    assert services.series.page()[0] == []


@pytest.mark.parametrize("where", ["done", "failed"])
def test_nothing_is_moved_or_written_where_a_link_leads(services, folder, tmp_path, where) -> None:
    (tmp_path / "elsewhere").mkdir()
    (folder / where).symlink_to(tmp_path / "elsewhere")
    (folder / "AAPL_1d.csv").write_text(CSV if where == "done" else "no header at all\n")
    services.inbox.sweep()
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert (folder / "AAPL_1d.csv").exists()
    assert services.inbox.standing().part() == ("degraded", "inbox_unwritable")


def test_a_planted_reason_overwrites_nothing(services, folder, tmp_path) -> None:
    (tmp_path / "precious").write_text("as it was")
    (folder / "failed").mkdir()
    (folder / "failed" / "AAPL_1d.csv.reason.txt").symlink_to(tmp_path / "precious")
    (folder / "AAPL_1d.csv").write_text("no header at all\n")
    assert services.inbox.sweep()["failed"] == 1
    assert (tmp_path / "precious").read_text() == "as it was"
    reasons = [file.read_text() for file in (folder / "failed").glob("*.reason.txt") if not file.is_symlink()]
    assert len(reasons) == 1
    assert "bad_csv" in reasons[0]


def test_one_that_grows_by_half_a_line_while_it_is_read_has_not_failed(services, folder, monkeypatch) -> None:
    file, plain = folder / "AAPL_1d.csv", services.inbox._import
    file.write_text(CSV)

    def slowly(*given):
        with file.open("a") as stream:
            stream.write("2024-01-0")
        return plain(*given)

    monkeypatch.setattr(services.inbox, "_import", slowly)
    assert services.inbox.sweep() == {"imported": 0, "failed": 0, "waiting": 1, "rows": 0}
    monkeypatch.setattr(services.inbox, "_import", plain)
    with file.open("a") as stream:
        stream.write("4,1.7\n")
    assert services.inbox.sweep()["imported"] == 1
    assert services.series.info("AAPL", "1d")["rows"] == 3


def test_one_that_never_stops_growing_is_not_read_for_ever(services, folder, monkeypatch) -> None:
    file = folder / "AAPL_1d.csv"
    file.write_text(CSV)

    class Endless:
        def __init__(self, stream) -> None:
            self.stream, self.read_bytes = stream, 0

        def fileno(self) -> int:
            return self.stream.fileno()

        def read(self, size: int) -> bytes:
            found = self.stream.read(min(size, 4096)) or b"2024-01-04,1.7\n" * 1000
            self.read_bytes += len(found)
            assert self.read_bytes < 1 << 20
            return found

    plain = services.inbox._import
    monkeypatch.setattr(services.inbox, "_import", lambda one, stream, size: plain(one, Endless(stream), size))
    assert services.inbox.sweep()["rows"] == 2


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.EIO, errno.ENOMEM])
def test_a_file_that_cannot_be_opened_for_a_while_waits(services, folder, monkeypatch, number) -> None:
    (folder / "AAPL_1d.csv").write_text(CSV)
    plain = os.open

    def scarce(path, *given, **named):
        if str(path).endswith("AAPL_1d.csv"):
            raise OSError(number, os.strerror(number))
        return plain(path, *given, **named)

    monkeypatch.setattr(room.os, "open", scarce)
    assert services.inbox.sweep() == {"imported": 0, "failed": 0, "waiting": 1, "rows": 0}
    monkeypatch.setattr(room.os, "open", plain)
    assert services.inbox.sweep()["imported"] == 1


def test_one_that_may_not_be_read_goes_aside(services, folder, monkeypatch) -> None:
    (folder / "AAPL_1d.csv").write_text(CSV)
    plain = os.open

    def refused(path, *given, **named):
        if str(path).endswith("AAPL_1d.csv"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return plain(path, *given, **named)

    monkeypatch.setattr(room.os, "open", refused)
    assert services.inbox.sweep()["failed"] == 1
    assert "Permission denied" in (folder / "failed" / "AAPL_1d.csv.reason.txt").read_text()


def test_the_same_rows_under_many_names_are_stored_once(services, folder) -> None:
    for part in range(20):
        (folder / f"AAPL_1d.part{part}.csv").write_text(CSV)
    assert services.inbox.sweep()["imported"] == 20
    assert services.series.info("AAPL", "1d")["rows"] == 2


def test_a_thousand_files_are_taken_in_one_run(services, folder) -> None:
    for number in range(1000):
        (folder / f"S{number}_1d.csv").write_text(CSV)
    assert services.inbox.standing().waiting == 1000
    assert services.inbox.sweep() == {"imported": 1000, "failed": 0, "waiting": 0, "rows": 2000}
    assert Counter(row["rows"] for row in services.series.page(limit=1000)[0]) == {2: 1000}
