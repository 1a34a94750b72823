"""Descriptors for connections: the limit is raised as far as it may be, and what does not fit is not promised."""

import subprocess
import sys

import pytest

_ASKING = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[2])))
if sys.argv[4] == "bound":
    kept = resource.setrlimit
    def refuse(what, limits):
        if limits[1] > int(sys.argv[2]):
            raise ValueError("not allowed to raise maximum limit")
        kept(what, limits)
    resource.setrlimit = refuse
if sys.argv[4] == "forbidden":
    def refuse(what, limits):
        raise PermissionError
    resource.setrlimit = refuse
from rpsd.web.process.descriptors import room_for
print(room_for(int(sys.argv[3])), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(
    ("soft", "hard", "connections", "how", "room", "after"),
    [
        (1024, 8192, 4000, "bound", 4000, 4512),
        (1024, 4096, 4000, "bound", 3584, 4096),
        (4096, 4096, 100, "bound", 100, 4096),
        (1024, 8192, 4000, "forbidden", 512, 1024),
    ],
)
def test_room(soft: int, hard: int, connections: int, how: str, room: int, after: int) -> None:
    told = subprocess.run(
        [sys.executable, "-c", _ASKING, str(soft), str(hard), str(connections), how], capture_output=True, text=True, timeout=60, check=True
    )
    assert told.stdout.split() == [str(room), str(after)], told.stderr
