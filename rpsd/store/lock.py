"""The data directory's lock: one process owns it, and a second one learns so at once."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from rpsd.core.errors import DirectoryLocked, UnsafeStorage

REMOTE = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "fuse.sshfs", "fuse.glusterfs", "lustre"})


class DirectoryLock:
    """An exclusive flock on `<directory>/lock`; the kernel drops it when the process ends, however it ends.

    Raises DirectoryLocked when another process (or another Database of this one) holds it, UnsafeStorage on a network disk.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if remote := file_system(directory) & REMOTE:
            raise UnsafeStorage(f"{directory} is on {', '.join(remote)}, where locks and fsync cannot be trusted")
        self._descriptor: int | None = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            self.release()
            raise DirectoryLocked(f"{directory} is in use by process {owner}") from error
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Give the directory free; harmless when done twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()


def file_system(directory: Path) -> frozenset[str]:
    """The type of the file system that holds the directory; empty where /proc does not tell."""
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    device = directory.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    return frozenset(line.split(" - ", 1)[1].split()[0] for line in lines if line.split()[2] == number)
