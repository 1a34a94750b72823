"""The start of a worker process. Nothing here takes time to import: the first worker of a server is on its way before the settings."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final, NamedTuple

MEMORY_BYTES: Final = 2 << 30
"""A worker with the numerics loaded holds about 200 MiB; a fit of years of minutes stays far below this."""
TASKS: Final = "rpsd.services.tasks"
_ROOT: Final = Path(__file__).resolve().parents[2]
_THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NUMBA_NUM_THREADS")


class Spawned(NamedTuple):
    """A worker process, and our end of the socket to it."""

    process: "subprocess.Popen[bytes]"
    link: socket.socket

    def end(self) -> None:
        """Kill a worker that nobody has taken."""
        self.link.close()
        self.process.kill()
        self.process.wait()


def spawn(memory_bytes: int = MEMORY_BYTES, tasks: str = TASKS) -> Spawned:
    """A worker for the tasks of that module. It dies with the *thread* that calls this: Linux sends the parent-death signal then."""
    ours, theirs = socket.socketpair()
    with theirs:
        fd = theirs.fileno()
        command = [sys.executable, "-m", "rpsd.services.worker", "--fd", str(fd), "--parent", str(os.getpid())]
        command += ["--memory-bytes", str(memory_bytes), "--tasks", tasks]
        environment = os.environ | dict.fromkeys(_THREADS, "1")  # one slot, one core
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command, pass_fds=[fd], env=environment, cwd=_ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
    return Spawned(process, ours)
