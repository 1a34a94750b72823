"""The worker's end of the socket: however the server goes, the worker ends without a word on stderr."""

import os
import socket
import subprocess
import sys

import pytest

from rpsd.core.model import Packet
from rpsd.services import worker
from rpsd.services.frame import framed
from tests.unit.services import probes

REQUEST = framed(Packet({"task": "echo", "head": {}}, {}))


@pytest.mark.parametrize("sent", [b"", REQUEST[:9], REQUEST, REQUEST * 3])
@pytest.mark.parametrize("unread", [b"", b"progress that nobody reads"])
def test_a_server_that_is_gone_is_a_quiet_end(sent, unread):
    """Unread bytes make the kernel report a reset instead of an end of file; an answer to nobody breaks the pipe."""
    ours, theirs = socket.socketpair()
    with theirs:
        with ours:
            ours.sendall(sent)
            theirs.sendall(unread)
        worker.serve(theirs, dict(probes.TASKS))


def test_a_worker_whose_server_was_killed_prints_nothing():
    """The server's end is closed by the kernel with an answer unread; the parent-death signal may come later than that."""
    ours, theirs = socket.socketpair()
    with theirs:
        command = [sys.executable, "-m", "rpsd.services.worker", "--fd", str(theirs.fileno()), "--memory-bytes", "0"]
        command += ["--parent", str(os.getpid()), "--tasks", "tests.unit.services.probes"]
        process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stderr=subprocess.PIPE)
    with process, ours:
        ours.sendall(REQUEST)
        ours.recv(1)  # it is at work; the rest of its answer stays unread
        ours.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait(20) == 0
