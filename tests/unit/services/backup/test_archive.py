"""The backup's file: whatever bit flips, the check sees it."""

import hashlib
import io
import os
import random
import subprocess
import tarfile

import pytest

from rpsd.core.errors import BadBackup, UnknownFile
from rpsd.services.backup import archive
from rpsd.store import copying
from rpsd.store.written import write_out


def written(path, manifest, database, config):
    """A backup of that content, whatever it is; SHA-256 and size."""
    draft = archive.Draft(path, database.stat().st_size)
    with database.open("rb") as source:
        whole = draft.copy(source.fileno(), lambda _: None)
    made = draft.finish(whole, manifest, config)
    draft.close()
    return made


@pytest.fixture
def backup(tmp_path):
    database = tmp_path / "source"
    database.write_bytes(random.Random(7).randbytes(3000))
    path = tmp_path / "a.rpsdbak"
    digest, size = written(path, {"format": 2, "schema": 1}, database, "config: 1\n")
    assert (digest, size) == (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size)
    return path


def test_what_goes_in_comes_out(backup, tmp_path):
    assert archive.manifest(backup) == {"format": 2, "schema": 1}
    digest = archive.unpack(backup, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == (tmp_path / "source").read_bytes()
    assert digest == archive.check(backup) == hashlib.sha256(backup.read_bytes()).hexdigest()


def test_a_backup_of_the_first_format_is_read(tmp_path):
    content = b"x" * 5000
    path = tmp_path / "old.rpsdbak"
    before = archive._member("manifest.json", b'{"format": 1, "schema": 3}') + archive._member("rpsd.db", content)
    before += archive._member("config.yaml", b"")
    path.write_bytes(before + archive._trailer(hashlib.sha256(before).hexdigest()))
    assert archive.manifest(path) == {"format": 1, "schema": 3}
    assert archive.unpack(path, tmp_path / "out") == archive.check(path)
    assert (tmp_path / "out").read_bytes() == content


@pytest.mark.parametrize("at", [0, 1 << 20, (3 << 20) + 4999])
def test_what_does_not_read_back_is_noticed(tmp_path, monkeypatch, at):
    source, size = tmp_path / "source", (3 << 20) + 5000
    source.write_bytes(b"x" * size)
    draft = archive.Draft(tmp_path / "a", size)

    def spoilt(file, to, n):
        if to <= 4096 + at < to + n:
            os.pwrite(file, b"y", 4096 + at)
        write_out(file, to, n)

    monkeypatch.setattr(copying, "write_out", spoilt)
    with source.open("rb") as file, pytest.raises(BadBackup, match="does not read back"):
        draft.copy(file.fileno(), lambda _: None)
    draft.close()


def test_it_is_private_and_a_plain_tar(backup):
    assert backup.stat().st_mode & 0o777 == 0o600
    listed = subprocess.run(["tar", "tf", str(backup)], capture_output=True, text=True, check=True)
    assert listed.stdout.split() == ["README", "rpsd.db", "manifest.json", "config.yaml", "SHA256"]
    assert listed.stderr == ""


def test_every_flipped_byte_is_detected(backup, tmp_path):
    good = backup.read_bytes()
    bits = random.Random(11)
    for at in range(len(good)):
        bad = bytearray(good)
        bad[at] ^= 1 << bits.randrange(8)
        backup.write_bytes(bad)
        with pytest.raises(BadBackup):
            archive.check(backup)
        if at % 37 == 0:
            with pytest.raises(BadBackup):
                archive.unpack(backup, tmp_path / f"out{at}")
    backup.write_bytes(good)
    archive.check(backup)


@pytest.mark.parametrize("cut", [0, 1, 512, 2048, 2560, 6144, -512, -1])
def test_a_cut_or_grown_file_is_detected(backup, cut):
    good = backup.read_bytes()
    backup.write_bytes(good[:cut] if cut >= 0 else good + bytes(-cut))
    with pytest.raises(BadBackup):
        archive.check(backup)


def test_what_is_no_backup_is_refused(tmp_path):
    with pytest.raises(UnknownFile):
        archive.check(tmp_path / "none")
    with pytest.raises(UnknownFile):
        archive.manifest(tmp_path)
    other = tmp_path / "other"
    other.write_bytes(b"x" * 4096)
    for read in (archive.check, archive.manifest, lambda path: archive.unpack(path, tmp_path / "out")):
        with pytest.raises(BadBackup):
            read(other)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_links_and_strange_members_are_refused(tmp_path, kind):
    path = tmp_path / "evil.rpsdbak"
    with tarfile.open(path, "w") as tar:
        info = tarfile.TarInfo("rpsd.db")
        info.type, info.linkname = kind, "/etc/passwd"
        tar.addfile(info)
    with pytest.raises(BadBackup):
        archive.unpack(path, tmp_path / "out")


def test_names_in_the_file_never_become_paths(tmp_path):
    path, inside = tmp_path / "evil.rpsdbak", tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    with tarfile.open(path, "w") as tar:
        for name in ("../escaped", "/tmp/escaped", "rpsd.db", "manifest.json"):
            info = tarfile.TarInfo(name)
            info.size = 4
            tar.addfile(info, io.BytesIO(b"evil"))
    with pytest.raises(BadBackup):
        archive.unpack(path, inside / "out")
    assert sorted(found.name for found in tmp_path.rglob("*")) == ["a", "b", "evil.rpsdbak", "out"]
