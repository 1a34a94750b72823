"""A lockout outlives a process that is killed right after it; so does a token's end. The control forgets to write them, and must lose."""

import subprocess
import sys
from pathlib import Path

import pytest

from rpsd.config import read
from rpsd.core.errors import LockedOut, Unauthenticated
from rpsd.services.wiring import open_services

pytestmark = pytest.mark.fault
PEER = "192.0.2.7"
VICTIM = """
import os, signal, sys, time
from rpsd.config import read
from rpsd.core.errors import Unauthenticated
from rpsd.services.wiring import open_services
from rpsd.store import denied, lockout

if sys.argv[2] == "forgetful":
    lockout.lock = denied.deny = lambda *_: None
access = open_services(read(environ={"RPSD_DATA_DIR": sys.argv[1]}), worker=False).access
_, key = access.create("desk", ["read"], by="test", expires_ns=None)
token = access.token(key)["token"]
access.end_token(access.authenticate(token))
for number in range(10):
    try:
        access.authenticate(f"rpsd_deadbeef_{number:032x}", "192.0.2.7")
    except Unauthenticated:
        pass
print(token, flush=True)
time.sleep(0.5)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("kind", ["careful", "forgetful"])
def test_a_killed_process_forgets_no_lockout_and_no_ended_token(tmp_path: Path, kind: str) -> None:
    place = str(tmp_path / "data")
    done = subprocess.run([sys.executable, "-c", VICTIM, place, kind], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == -9, done.stderr
    with open_services(read(environ={"RPSD_DATA_DIR": place}), worker=False) as services:
        refused = []
        for token, peer in ((f"rpsd_deadbeef_{0:032x}", PEER), (done.stdout.strip(), "")):
            try:
                services.access.authenticate(token, peer)
            except (LockedOut, Unauthenticated) as error:
                refused.append(error.code)
    assert (refused == ["locked_out", "unauthenticated"]) == (kind == "careful")
