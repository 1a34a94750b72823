"""The log file: rotations lose no line and tear none, and neither does a disk that is full for a while."""

import itertools
import resource
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rpsd.telemetry import LogWriter
from rpsd.telemetry.log_file import LogFile

ROTATIONS = 20


def rename(file: Path, number: int) -> None:
    """As logrotate does it without copytruncate: somebody else's file bears the name, or none."""
    file.rename(file.with_name(f"rpsd.json.{number}"))
    if number % 2:
        file.touch()


def copy_and_cut(file: Path, number: int) -> None:
    shutil.copy(file, file.with_name(f"rpsd.json.{number}"))
    time.sleep(0.03)  # longer than the writer gathers: what it writes now is in nobody's copy
    with file.open("r+b") as stream:
        stream.truncate()


def written_under(rotate: Callable[[Path, int], None], directory: Path) -> tuple[list[str], list[str]]:
    """The lines that two threads wrote during twenty rotations, and those on file afterwards, of all files together."""
    file, put = directory / "rpsd.json", list[str]()
    writer = LogWriter(None, file, capacity=1_000_000)
    over = threading.Event()

    def write(name: str) -> None:
        for number in itertools.count():
            if over.is_set():
                return
            line = f'{{"thread": "{name}", "number": {number}, "filler": "{"x" * (number % 300)}"}}'
            put.append(line)
            writer.put(line)
            if number % 20 == 0:
                time.sleep(0.001)

    threads = [threading.Thread(target=write, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    patience = time.monotonic() + 30.0
    for number in range(ROTATIONS):
        while (not file.exists() or file.stat().st_size == 0) and time.monotonic() < patience:
            time.sleep(0.001)
        if file.exists():
            rotate(file, number)
    over.set()
    for thread in threads:
        thread.join()
    writer.close()
    assert writer.dropped == 0
    found = [line for part in directory.iterdir() for line in part.read_text().split("\n")[:-1]]
    return sorted(put), sorted(found)


def test_twenty_renames_lose_and_tear_no_line(tmp_path: Path) -> None:
    put, found = written_under(rename, tmp_path)
    assert len(put) > 10 * ROTATIONS
    assert len(list(tmp_path.iterdir())) >= ROTATIONS
    assert found == put


def test_a_copy_that_is_cut_afterwards_loses_lines(tmp_path: Path) -> None:
    """The control: the same load, rotated by copytruncate."""
    put, found = written_under(copy_and_cut, tmp_path)
    assert len(found) < len(put)


@pytest.fixture
def small_disk() -> Iterator[Callable[[int], None]]:
    """Sets the largest size of a file in bytes, as a disk that becomes full in the midst of a write."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda most: resource.setrlimit(resource.RLIMIT_FSIZE, (most if most >= 0 else before[0], before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_does_not_fit_is_counted_and_leaves_no_half_line(tmp_path: Path, small_disk: Callable[[int], None]) -> None:
    file = tmp_path / "rpsd.json"
    writer = LogWriter(None, file)
    small_disk(25)
    for line in ("0123456789", "abcdefghij", "ABCDEFGHIJ"):  # 33 bytes in one write, of which 25 fit
        writer.put(line)
    writer.flush()
    small_disk(-1)
    assert file.read_text() == "0123456789\nabcdefghij\n"
    assert writer.dropped == 1
    writer.put("later")
    writer.close()
    assert file.read_text().splitlines() == ["0123456789", "abcdefghij", "later"]


def test_half_a_line_of_a_process_that_was_killed_is_ended(tmp_path: Path) -> None:
    file = tmp_path / "rpsd.json"
    file.write_text('{"whole": 1}\n{"ha')
    log = LogFile(file)
    log.write(b'{"next": 1}\n')
    log.close()
    assert file.read_text() == '{"whole": 1}\n{"ha\n{"next": 1}\n'


def test_a_directory_that_is_not_there_costs_the_lines_and_says_so(tmp_path: Path) -> None:
    writer = LogWriter(None, tmp_path / "gone" / "rpsd.json")
    writer.put("one")
    writer.flush()
    assert writer.dropped == 1
    (tmp_path / "gone").mkdir()
    writer.put("two")
    writer.close()
    assert (tmp_path / "gone" / "rpsd.json").read_text() == "two\n"
