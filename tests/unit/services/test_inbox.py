"""Files in the inbox: taken when they are whole, stored once, and put where an operator finds them with the reason."""

import json
import os

import pytest

from rpsd.core.errors import DiskFull

CSV = "t,close\n2024-01-02,1.5\n2024-01-03,1.6\n"


def rows(services, symbol="AAPL", interval="1d") -> int:
    return services.series.info(symbol, interval)["rows"]


@pytest.mark.parametrize(
    ("name", "symbol", "interval"),
    [
        ("AAPL_1d.csv", "AAPL", "1d"),
        ("aapl_1d_2024-05.csv", "AAPL", "1d"),
        ("BRK.B_1d.csv", "BRK.B", "1d"),
        ("EURUSD=X_15m.part2.csv", "EURUSD=X", "15m"),
        ("^GSPC_1w.csv", "^GSPC", "1w"),
    ],
)
def test_the_name_says_which_series(services, folder, name, symbol, interval) -> None:
    (folder / name).write_text(CSV)
    assert services.inbox.sweep() == {"imported": 1, "failed": 0, "waiting": 0, "rows": 2}
    assert rows(services, symbol, interval) == 2
    assert [file.name for file in (folder / "done").iterdir()] == [name]
    assert not (folder / name).exists()


def test_a_sidecar_says_what_the_name_does_not(services, folder) -> None:
    (folder / "export.csv.json").write_text(json.dumps({"symbol": "MSFT", "interval": "1h", "tz": "America/New_York"}))
    (folder / "export.csv").write_text("time,close\n2024-01-02T10:00:00,1\n")
    assert services.inbox.sweep()["imported"] == 1
    assert services.series.info("MSFT", "1h")["first"] == "2024-01-02T15:00:00Z"
    assert sorted(file.name for file in (folder / "done").iterdir()) == ["export.csv", "export.csv.json"]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("nameless.csv", CSV, "does not say which series"),
        ("AAPL_1d.csv", "t,close\n2024-01-02,abc\n", "/2/close"),
        ("AAPL_1d.csv", "no header at all\n", "bad_csv"),
        ("AA PL_1d.csv", CSV, "bad_symbol"),
    ],
)
def test_what_cannot_be_imported_goes_aside_whole_with_the_reason(services, folder, name, text, words) -> None:
    (folder / name).write_text(text)
    assert services.inbox.sweep()["failed"] == 1
    assert (folder / "failed" / name).read_text() == text
    reason = (folder / "failed" / f"{name}.reason.txt").read_text()
    assert words in reason
    assert "hint: " in reason
    assert services.series.page()[0] == []
    now = services.inbox.standing()
    assert (now.failed, now.part()) == (1, ("degraded", "files_failed"))


def test_a_file_that_is_still_being_written_waits(services, folder) -> None:
    file = folder / "AAPL_1d.csv"
    with file.open("w") as stream:
        stream.write(CSV)
        stream.flush()
        assert services.inbox.sweep() == {"imported": 0, "failed": 0, "waiting": 1, "rows": 0}
    file.write_text("t,close\n2024-01-02,1.5\n2024-01-03,1")  # closed, and yet in the middle of a line
    assert services.inbox.sweep()["waiting"] == 1
    os.utime(file, (1e9, 1e9))  # a while later nobody will end that line any more
    assert services.inbox.sweep()["imported"] == 1


def test_one_that_changes_between_two_looks_waits(services, folder, monkeypatch) -> None:
    file = folder / "AAPL_1d.csv"
    file.write_text(CSV)
    monkeypatch.setattr(services.inbox._stop, "wait", lambda _seconds: file.write_text(CSV + "2024-01-04,1.7\n"))
    assert services.inbox.sweep()["imported"] == 0
    assert file.exists()


def test_one_that_grows_while_it_is_read_is_imported_again_whole(services, folder, monkeypatch) -> None:
    file, plain = folder / "AAPL_1d.csv", services.inbox._import
    file.write_text(CSV)

    def slowly(*given):
        done = plain(*given)
        with file.open("a") as stream:
            stream.write("2024-01-04,1.7\n")
        return done

    monkeypatch.setattr(services.inbox, "_import", slowly)
    assert services.inbox.sweep()["waiting"] == 1
    monkeypatch.setattr(services.inbox, "_import", plain)
    assert services.inbox.sweep()["imported"] == 1
    assert rows(services) == 3


def test_a_crash_between_import_and_move_imports_again_and_changes_nothing(services, folder, monkeypatch) -> None:
    file, move = folder / "AAPL_1d.csv", services.inbox._move
    file.write_text(CSV)

    def crash(*_given):
        raise SystemExit

    monkeypatch.setattr(services.inbox, "_move", crash)
    with pytest.raises(SystemExit):
        services.inbox.sweep()
    monkeypatch.setattr(services.inbox, "_move", move)
    assert services.inbox.sweep()["imported"] == 1
    assert rows(services) == 2


def test_a_full_disk_leaves_the_file_where_it_is(services, folder, monkeypatch) -> None:
    (folder / "AAPL_1d.csv").write_text(CSV)

    def full(*_given, **_named):
        raise DiskFull("no space")

    monkeypatch.setattr(services.series, "append", full)
    with pytest.raises(DiskFull):
        services.inbox.sweep()
    assert (folder / "AAPL_1d.csv").exists()
    assert not (folder / "failed").exists()


def test_links_other_names_and_hidden_files_are_left_alone(services, folder, tmp_path) -> None:
    (tmp_path / "secret.csv").write_text(CSV)
    (folder / "LINK_1d.csv").symlink_to(tmp_path / "secret.csv")
    os.mkfifo(folder / "PIPE_1d.csv")
    for name in (".AAPL_1d.csv", "AAPL_1d.txt", "AAPL_1d.csv.part"):
        (folder / name).write_text(CSV)
    (folder / "DIR_1d.csv").mkdir()
    assert services.inbox.sweep() == {"imported": 0, "failed": 0, "waiting": 0, "rows": 0}
    assert len(list(folder.iterdir())) == 6


def test_a_second_file_of_a_name_does_not_hide_the_first(services, folder) -> None:
    for _ in range(3):
        (folder / "AAPL_1d.csv").write_text(CSV)
        services.inbox.sweep()
    assert len(list((folder / "done").iterdir())) == 3


def test_a_run_is_asked_for_once_while_files_wait(services, folder) -> None:
    services.job.offered = {"inbox": "x"}
    services.inbox._ask()
    assert services.job.page()[0] == []
    (folder / "AAPL_1d.csv").write_text(CSV)
    services.inbox._ask()
    services.inbox._ask()
    assert [run["name"] for run in services.job.page()[0]] == ["inbox"]
