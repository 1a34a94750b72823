"""Backups of a live database and their way back, killed in the middle included."""

import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from rpsd.config import read
from rpsd.core.errors import BadBackup, Cancelled, CorruptData, DirectoryLocked, DiskFull, NewerSchema, Unavailable, UnknownFile
from rpsd.services.backup import archive, naming, restore, taking
from rpsd.services.backup.service import BackupService
from rpsd.store import audit, denied, lockout, series
from rpsd.store import key as keys
from rpsd.store.db import Database
from rpsd.telemetry import Metrics
from tests.unit.services.backup.conftest import DAY, NOW, Clock, put


def with_bad_sample(file):
    """The database file with one bit wrong in a sample: wherever tables and indexes lie, samples are what it must not lose."""
    at = file.index(np.arange(2000.0, 2004.0).tobytes())
    return file[:at] + bytes([file[at] ^ 1]) + file[at + 1 :]


def rows_of(database):
    return {info.symbol: info.rows for info in database.read(lambda c: series.page(c, None, 100))}


def live(settings):
    with Database.open(settings.storage.data_dir, clock=Clock()) as opened:
        return rows_of(opened)


def test_a_backup_says_what_it_is_and_verifies(backups, settings, database):
    told = []
    made = backups.create(by="key1", progress=lambda share, words: told.append((share, words)))
    path = Path(made["path"])
    assert path == settings.backup.dir / "rpsd-20260301T020304Z.rpsdbak"
    assert (made["bytes"], made["sha256"]) == (path.stat().st_size, archive.check(path))
    assert (made["rows"], made["schema"], made["created"]) == (5000, database.schema, "2026-03-01T02:03:04Z")
    assert [share for share, _ in told] == sorted(share for share, _ in told)
    assert told[-1] == (1.0, "done")
    checked = backups.verify(path)
    assert {name: checked[name] for name in ("path", "bytes", "sha256", "rows")} == {
        name: made[name] for name in ("path", "bytes", "sha256", "rows")
    }
    assert backups.list() == [{name: made[name] for name in ("path", "bytes", "created", "schema", "version", "rows")}]
    assert [found.name for found in settings.backup.dir.iterdir()] == [path.name]
    found = database.read(lambda c: audit.page(c, None, 10))
    assert [(row.actor, row.action) for row in found] == [("", "backup.verify"), ("key1", "backup.create")]
    assert b"rpsd_backup_last_success_timestamp_seconds 1.7723" in exposition(backups)


def exposition(backups):
    from prometheus_client import generate_latest

    return generate_latest(backups._metrics.registry)


def test_a_backup_holds_no_secrets(backups, settings):
    settings.storage.secrets_dir.mkdir(mode=0o700, parents=True)
    (settings.storage.secrets_dir / "pepper").write_bytes(b"PEPPER-PEPPER-PEPPER")
    made = backups.create()
    assert b"PEPPER" not in Path(made["path"]).read_bytes()


def test_a_backup_under_writes_is_one_moment(backups, database):
    stop = threading.Event()

    def write():
        at = 0
        while not stop.is_set():
            put(database, "BBB", at, 100)
            put(database, "CCC", at, 100)
            at += 100

    thread = threading.Thread(target=write)
    thread.start()
    try:
        made = [backups.create() for _ in range(3)]
    finally:
        stop.set()
        thread.join()
    for each in made:
        assert backups.verify(Path(each["path"]))["rows"] == each["rows"]


def test_a_long_read_beside_it_makes_it_a_stepped_copy(backups, database):
    with database.reading() as c:
        c.execute("SELECT count(*) FROM series").fetchall()
        put(database, "BBB", 0, 10)
        made = backups.create()
    assert backups.verify(Path(made["path"]))["rows"] == 5010


def test_a_file_that_does_not_stand_still_makes_no_backup(backups, database, settings, monkeypatch):
    def touching(*arguments):
        os.utime(database.path)
        return effective(*arguments)

    effective = taking.effective
    monkeypatch.setattr(taking, "effective", touching)
    with pytest.raises(Unavailable):
        backups.create()
    assert list(settings.backup.dir.iterdir()) == []


def test_two_backups_in_one_second_do_not_meet(backups):
    first, second = backups.create(), backups.create()
    assert second["path"].endswith("rpsd-20260301T020304Z-2.rpsdbak")
    assert [row["path"] for row in backups.list()] == [second["path"], first["path"]]


def test_a_target_is_a_file_or_a_directory(backups, tmp_path):
    (tmp_path / "there").mkdir()
    assert Path(backups.create(tmp_path / "there")["path"]).parent == tmp_path / "there"
    assert backups.create(tmp_path / "mine.bak")["path"] == str(tmp_path / "mine.bak")


def test_cancelling_leaves_nothing(backups, settings):
    with pytest.raises(Cancelled):
        backups.create(cancelled=lambda: True)
    assert list(settings.backup.dir.iterdir()) == []


def test_too_little_space_is_refused_beforehand(database, clock, tmp_path):
    wide = read(None, {}, {"storage.data_dir": str(tmp_path / "data"), "storage.min_free_bytes": str(1 << 60)})
    with pytest.raises(DiskFull):
        BackupService(wide, database, Metrics(), clock).create()


def test_flips_anywhere_are_found(backups):
    path = Path(backups.create()["path"])
    good, dice = path.read_bytes(), random.Random(5)
    for _ in range(40):
        bad = bytearray(good)
        bad[dice.randrange(len(bad))] ^= 1 << dice.randrange(8)
        path.write_bytes(bad)
        with pytest.raises(BadBackup):
            backups.verify(path)


def test_an_unreadable_file_is_listed_as_such(backups, settings):
    settings.backup.dir.mkdir(parents=True, exist_ok=True)
    (settings.backup.dir / "rpsd-20260101T000000Z.rpsdbak").write_bytes(b"junk")
    assert [row["error_code"] for row in backups.list()] == ["bad_backup"]


def forged(source, target, change):
    """The backup anew, with a changed manifest or database, and every digest right."""
    work = target.with_suffix(".db")
    archive.unpack(source, work)
    manifest = archive.manifest(source)
    change(manifest, work)
    manifest["database"] = {"bytes": work.stat().st_size}
    target.unlink(missing_ok=True)
    draft = archive.Draft(target, work.stat().st_size)
    with work.open("rb") as file:
        draft.finish(draft.copy(file.fileno(), lambda _: None), manifest, "")
    draft.close()
    return target


def test_a_newer_schema_is_refused_before_anything_is_touched(backups, database, settings, tmp_path):
    made = Path(backups.create()["path"])
    newer = forged(made, tmp_path / "newer.rpsdbak", lambda manifest, _: manifest.update(schema=database.schema + 1))
    database.close()
    before = sorted(settings.storage.data_dir.iterdir())
    with pytest.raises(NewerSchema):
        restore.restore(settings, newer)
    assert sorted(settings.storage.data_dir.iterdir()) == before


def _damage(_manifest, work):
    work.write_bytes(with_bad_sample(work.read_bytes()))


@pytest.mark.parametrize("change", [_damage, lambda manifest, _: manifest.update(rows=4999), lambda manifest, _: manifest.pop("created")])
def test_a_backup_whose_content_is_wrong_is_refused_although_its_digests_are_right(backups, database, settings, tmp_path, change):
    bad = forged(Path(backups.create()["path"]), tmp_path / "bad.rpsdbak", change)
    with pytest.raises(BadBackup):
        backups.verify(bad)
    database.close()
    with pytest.raises(BadBackup):
        restore.restore(settings, bad)
    assert live(settings) == {"AAA": 5000}


def test_restore_brings_back_what_was_and_keeps_what_is(backups, database, settings, clock):
    made = backups.create()
    put(database, "LATER", 0, 7)
    database.close()
    told = []
    answer = restore.restore(settings, Path(made["path"]), progress=lambda *step: told.append(step), clock=clock)
    assert answer["restored"]
    assert (answer["rows"], answer["sha256"]) == (5000, made["sha256"])
    assert live(settings) == {"AAA": 5000}
    previous = Path(answer["previous"])
    assert previous == settings.storage.data_dir / "previous-20260301T020304Z"
    with Database.open(previous, clock=clock) as kept:
        assert rows_of(kept) == {"AAA": 5000, "LATER": 7}
    with Database.open(settings.storage.data_dir, clock=clock) as opened:
        assert opened.read(lambda c: audit.page(c, None, 1))[0].action == "backup.restore"
        assert opened.read(audit.verify) is None
    assert told[-1] == (1.0, "done")


def test_who_was_shut_out_does_not_come_back_with_old_data(backups, database, settings, clock):
    for number, name in enumerate(("stays", "revoked", "rotated")):
        row = keys.KeyRow(f"{number:08x}", name, bytes([number]) * 32, ("read",), NOW)
        database.write(lambda c, row=row: keys.add(c, row)).result()
    made = backups.create()
    later = keys.KeyRow("0000000f", "later", b"f" * 32, ("admin",), NOW)
    database.write(lambda c: keys.add(c, later)).result()
    database.write(lambda c: keys.revoke(c, "00000001", NOW)).result()
    database.write(lambda c: keys.replace(c, "00000002", "0000000f", NOW + DAY)).result()
    database.write(lambda c: denied.deny(c, "a-token", "00000000", NOW + DAY)).result()
    database.write(lambda c: lockout.lock(c, lockout.Locked("192.0.2.7", 3, NOW + DAY), None)).result()
    database.close()
    assert restore.restore(settings, Path(made["path"]), clock=clock)["keys_ended"] == ["00000001"]
    with Database.open(settings.storage.data_dir, clock=clock) as opened:
        alive = {row.name: (row.is_alive(NOW), row.is_alive(NOW + 2 * DAY)) for row in opened.read(keys.list_keys)}
        assert alive == {"stays": (True, True), "revoked": (False, False), "rotated": (True, False)}
        assert set(opened.read(lambda c: denied.denied(c, NOW))) == {"a-token"}
        assert [row.peer for row in opened.read(lambda c: lockout.locked(c, NOW))] == ["192.0.2.7"]
        assert opened.read(lambda c: audit.page(c, None, 1))[0].detail["keys_ended"] == ["00000001"]


def test_restore_into_an_empty_directory(backups, settings, tmp_path):
    made = backups.create()
    fresh = read(None, {}, {"storage.data_dir": str(tmp_path / "new" / "data")})
    assert restore.restore(fresh, Path(made["path"]))["previous"] is None
    assert live(fresh) == {"AAA": 5000}


def test_a_dry_run_changes_nothing_even_beside_a_live_server(backups, database, settings):
    made = backups.create()
    put(database, "LATER", 0, 7)
    assert restore.restore(settings, Path(made["path"]), dry_run=True)["restored"] is False
    assert rows_of(database) == {"AAA": 5000, "LATER": 7}
    assert not list(settings.storage.data_dir.glob(".rpsd-*"))


def test_a_running_server_is_not_overwritten(backups, database, settings):
    made = backups.create()
    with pytest.raises(DirectoryLocked):
        restore.restore(settings, Path(made["path"]))
    assert rows_of(database) == {"AAA": 5000}


def test_restore_over_a_database_that_no_longer_opens(backups, database, settings):
    made = backups.create()
    database.close()
    (settings.storage.data_dir / "rpsd.db").write_bytes(b"rubbish" * 1000)
    (settings.storage.data_dir / "rpsd.db-wal").write_bytes(b"old log" * 1000)
    answer = restore.restore(settings, Path(made["path"]))
    assert answer["keys_ended"] is None  # nobody can tell
    assert live(settings) == {"AAA": 5000}
    assert (Path(answer["previous"]) / "rpsd.db").read_bytes() == b"rubbish" * 1000


def crash_writing(settings):
    """Another process commits the series LOGGED and dies at once: its rows are in the log beside the file."""
    program = (
        "import os, sys; from pathlib import Path; import numpy as np; from rpsd.store.db import Database; from rpsd.store import series\n"
        "from rpsd.core.market import Samples\n"
        "d = Database.open(Path(sys.argv[1]), clock=lambda: 1)\n"
        "s = Samples(np.arange(9, dtype=np.int64) * 60 * 10**9, {'close': np.ones(9)})\n"
        "d.write(lambda c: series.upsert(c, 'LOGGED', '1m', s, now_ns=1)).result()\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(settings.storage.data_dir)], check=False)
    assert (settings.storage.data_dir / "rpsd.db-wal").stat().st_size > 0


@pytest.mark.parametrize("settles", [True, False])
def test_a_log_that_a_crash_left_is_not_lost_and_not_applied_to_the_restored(backups, database, settings, clock, monkeypatch, settles):
    made = backups.create()
    database.close()
    crash_writing(settings)
    if not settles:  # as if SQLite could not open the live file
        monkeypatch.setattr(restore, "settle", lambda path: False)
    answer = restore.restore(settings, Path(made["path"]), clock=clock)
    assert live(settings) == {"AAA": 5000}
    with Database.open(Path(answer["previous"]), clock=clock) as kept:
        assert rows_of(kept) == {"AAA": 5000, "LOGGED": 9}


STAGES = ("reading the manifest", "unpacking", "migrating the copy", "keeping the present data", "switching", "switched")


@pytest.mark.parametrize("stage", STAGES)
def test_killed_at_any_moment_the_live_data_are_the_old_or_the_new(backups, database, settings, stage):
    made = backups.create()
    database.close()
    crash_writing(settings)
    program = (
        "import os, sys; from pathlib import Path; from rpsd.config import read; from rpsd.services.backup.restore import restore\n"
        "settings = read(None, {}, {'storage.data_dir': sys.argv[1]})\n"
        "restore(settings, Path(sys.argv[2]), progress=lambda _, words: words == sys.argv[3] and os.kill(os.getpid(), 9))\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(settings.storage.data_dir), made["path"], stage], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert live(settings) == ({"AAA": 5000} if stage == "switched" else {"AAA": 5000, "LOGGED": 9})
    again = restore.restore(settings, Path(made["path"]))
    assert again["restored"]
    assert live(settings) == {"AAA": 5000}
    kept = sorted(path.name for path in settings.storage.data_dir.glob("previous-*"))
    assert len(kept) == (2 if stage == "switched" else 1)  # no second name of the live file is left


def test_what_is_not_there_cannot_be_restored(settings):
    with pytest.raises(UnknownFile):
        restore.restore(settings, Path("/nonexistent/rpsd-x.rpsdbak"))


def test_damaged_live_data_make_no_backup(backups, database, settings):
    page = settings.storage.data_dir / "rpsd.db"
    database.checkpoint()
    page.write_bytes(with_bad_sample(page.read_bytes()))
    with pytest.raises(CorruptData):
        backups.create()
    assert list(settings.backup.dir.iterdir()) == []


def test_left_overs_of_a_killed_backup_go_after_an_hour(backups, settings):
    old, young = (settings.backup.dir / f".rpsd-{name}.partial" for name in ("old", "young"))
    for path in (old, young):
        path.mkdir(parents=True)
    os.utime(old, (1, 1))
    backups.create()
    assert (old.exists(), young.exists()) == (False, True)


def test_the_stamp_is_utc_to_the_second():
    assert naming.stamp(NOW + 5) == "20260301T020304Z"
