"""What a process in the place of the service can do: prints it as JSON. It runs inside the machine and knows only the standard library."""

import ctypes
import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

_ROOTS = ("/", "/etc", "/usr", "/opt", "/var", "/home", "/root", "/srv", "/boot", "/run", "/share", "/dev", "/sys", "/tmp")
_BELOW = (
    "/etc/rpsd",
    "/usr/bin",
    "/opt/rpsd",
    "/var/lib",
    "/var/log",
    "/var/tmp",
    "/run/systemd",
    "/dev/shm",
    "/sys/fs/cgroup",
    "/proc/sys/kernel",
)
_OF_RPSD = ("/var/lib/rpsd", "/var/cache/rpsd", "/var/log/rpsd", "/var/backups/rpsd")
WRITES = (*_ROOTS, *_BELOW, *_OF_RPSD)
_CLONE_NEWUSER, _MS_BIND = 0x10000000, 4096
_libc = ctypes.CDLL(None, use_errno=True)


def writable(directory: str) -> bool:
    """Whether a file can be made there."""
    path = Path(directory) / f"probe-{os.getpid()}"
    try:
        path.write_bytes(b"x")
        path.unlink()
    except OSError:
        return False
    return True


def possible(act: Callable[[], object]) -> bool:
    """Whether it can be done."""
    try:
        act()
    except OSError:
        return False
    return True


def call(name: str, *arguments: object) -> None:
    """A system call by its name in libc. Raises OSError."""
    if getattr(_libc, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)


def reached(host: str, port: int) -> bool:
    """Whether a connection can be begun to another address."""
    return possible(lambda: socket.create_connection((host, port), timeout=2.0).close())


def others() -> list[str]:
    """Processes that can be seen and are not of this unit's user."""
    seen = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and entry.stat().st_uid != os.getuid():
            seen.append(entry.name)
    return seen


def main() -> None:
    """Try all of it."""
    found = {
        "writable": [directory for directory in WRITES if writable(directory)],
        "internet_socket": possible(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()),
        "netlink_socket": possible(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close()),
        "reaches_the_api": reached("127.0.0.1", 8000),
        "others": others(),
        "new_namespace": possible(lambda: call("unshare", _CLONE_NEWUSER)),
        "mount": possible(lambda: call("mount", b"/tmp", b"/tmp", None, _MS_BIND, None)),
        "raw_memory": os.access("/dev/mem", os.R_OK),
        "uid": os.getuid(),
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
