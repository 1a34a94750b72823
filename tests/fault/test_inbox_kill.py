"""A process that is killed while it empties the inbox loses no file and stores no half of one; a kind that moves first must lose."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rpsd.config import read
from rpsd.services.wiring import open_services
from tests.fault.conftest import Record

pytestmark = pytest.mark.fault
KILLS, FILES, ROWS = 8, 6, 3000
VICTIM = """
import sys
from rpsd.config import read
from rpsd.services import inbox as room
from rpsd.services.wiring import open_services
from rpsd.telemetry import configure_logging

configure_logging("CRITICAL", stream=sys.stderr.buffer)
room._SETTLE_SECONDS = 0.01
if sys.argv[2] == "hasty":  # moves the file before its rows are stored
    plain, move = room.Inbox._import, room.Inbox._move
    def hasty(self, file, stream, size):
        move(self, file, room.DONE)
        return plain(self, file, stream, size)
    room.Inbox._import, room.Inbox._move = hasty, lambda self, file, where, reason="": None
with open_services(read(environ={"RPSD_DATA_DIR": sys.argv[1]}), worker=False) as services:
    services.inbox.sweep()
    print("ready", flush=True)
    while True:
        services.inbox.sweep()
"""


def text(number: int) -> str:
    start = 1_700_000_000 + number
    return "t,close\n" + "".join(f"{(start + 60 * row) * 10**9},{number + row}\n" for row in range(ROWS))


def drop(folder: Path, number: int) -> None:
    """As somebody does who knows how: written elsewhere, then renamed."""
    partial = folder / f".{number}"
    partial.write_text(text(number))
    partial.rename(folder / f"S{number}_1m.csv")


def lives(place: Path, kind: str, rng: random.Random) -> int:
    """Kill it KILLS times, with files coming in; how many were dropped."""
    folder, dropped = place / "inbox", 0
    folder.mkdir(parents=True, exist_ok=True)
    for _ in range(KILLS):
        with subprocess.Popen([sys.executable, "-c", VICTIM, str(place), kind], stdout=subprocess.PIPE, text=True) as victim:
            assert victim.stdout is not None
            assert victim.stdout.readline() == "ready\n"
            for _ in range(FILES):
                drop(folder, dropped)
                dropped += 1
            time.sleep(rng.uniform(0.0, 0.15))
            victim.kill()
    return dropped


def missing(place: Path, dropped: int) -> list[str]:
    """Series that are not there whole after the inbox has been emptied once more."""
    lost = []
    with open_services(read(environ={"RPSD_DATA_DIR": str(place)}), worker=False) as services:
        services.inbox.sweep()
        stored = {(row["symbol"], row["rows"]) for row in services.series.page(limit=1000)[0]}
        lost = [f"S{number}" for number in range(dropped) if (f"S{number}", ROWS) not in stored]
        assert {rows for _, rows in stored} <= {ROWS}, "a file was stored by half"
        assert services.inbox.standing().part() == ("healthy", "")
    return lost


@pytest.mark.parametrize("kind", ["careful", "hasty"])
def test_no_file_is_lost_or_stored_by_half(tmp_path: Path, kind: str, record: Record) -> None:
    dropped = lives(tmp_path / "data", kind, random.Random(8))
    lost = missing(tmp_path / "data", dropped)
    name = "inbox, process killed" if kind == "careful" else "control, inbox that moves a file before its rows are stored"
    record(name, f"{KILLS} kills; {dropped} files of {ROWS} rows dropped, {len(lost)} not stored whole")
    assert (lost == []) == (kind == "careful"), lost
