"""Parts of a file that are written out: what fails is raised, what the system lacks is made up for."""

import errno
import os

import pytest

from rpsd.store import written


def test_a_part_is_written_out_and_reads_back(tmp_path):
    with (tmp_path / "file").open("w+b", buffering=0) as file:
        file.write(bytes(1 << 20))
        written.write_out(file.fileno(), 4096, 1 << 19)
        assert os.fstat(file.fileno()).st_size == 1 << 20


def test_a_closed_file_is_an_error(tmp_path):
    with (tmp_path / "file").open("wb") as file:
        number = file.fileno()
    with pytest.raises(OSError, match="Bad file descriptor"):
        written.write_out(number, 0, 1)


@pytest.mark.parametrize("call", [None, lambda *_: errno.EINVAL, lambda *_: errno.ENOSYS])
def test_where_it_cannot_the_whole_file_is_synced(tmp_path, monkeypatch, call):
    monkeypatch.setattr(written, "_call", lambda: call)
    synced = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    written.write_out(7, 0, 1)
    assert synced == [7]


def test_a_disk_that_fails_is_told(monkeypatch):
    monkeypatch.setattr(written, "_call", lambda: lambda *_: errno.EIO)
    with pytest.raises(OSError, match="Input/output error"):
        written.write_out(7, 0, 1)
