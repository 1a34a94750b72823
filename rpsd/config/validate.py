"""Start-up validation: what would be unsafe to run with, however well it parses."""

import os
from pathlib import Path

from rpsd.config.confidential import secret_faults
from rpsd.config.exposure import exposure_faults
from rpsd.config.secret import webhook_faults
from rpsd.config.settings import Settings
from rpsd.core.errors import Fault

_NETWORK_DISKS = ("nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "fuse.glusterfs", "ceph")


def _place(settings: Settings, name: str) -> str:
    return settings.origin.get(name, "default")


def _nearest(path: Path) -> Path:
    """The path itself or its nearest parent that exists."""
    return next((place for place in (path, *path.parents) if place.exists()), Path("/"))


def _directories(settings: Settings) -> list[Fault]:
    """Faults of directories that cannot be written, or lie on a network disk."""
    faults = []
    places = {
        "storage.data_dir": settings.storage.data_dir,
        "storage.cache_dir": settings.storage.cache_dir,
        "backup.dir": settings.backup.dir,
    }
    if settings.monitoring.log_file is not None:
        places["monitoring.log_file"] = settings.monitoring.log_file.parent
    for name, place in places.items():
        nearest = _nearest(place)
        if not nearest.is_dir():
            faults.append(Fault(_place(settings, name), f"{name}: {nearest} is not a directory"))
        elif not os.access(nearest, os.W_OK | os.X_OK):
            faults.append(Fault(_place(settings, name), f"{name}: {nearest} cannot be written by this user; run `rpsd init` as its owner"))
    if (disk := _disk_kind(settings.storage.data_dir)) in _NETWORK_DISKS:
        reason = f"storage.data_dir: {settings.storage.data_dir} lies on {disk}; a database needs a local disk"
        faults.append(Fault(_place(settings, "storage.data_dir"), reason))
    return faults


def _disk_kind(path: Path) -> str:
    """Name of the file system below the path, empty where the system does not tell."""
    mounts = Path("/proc/self/mounts")
    if not mounts.is_file():
        return ""
    best, kind = "", ""
    for line in mounts.read_text(errors="replace").splitlines():
        _, point, found, *_ = line.split(" ")
        inside = point == "/" or str(path.absolute()) == point or str(path.absolute()).startswith(f"{point}/")
        if inside and len(point) >= len(best):
            best, kind = point, found
    return kind


def validate(settings: Settings, *, distant: bool = False) -> list[Fault]:
    """Every fault that should keep the server from starting; empty when it may start. Raise `refused(faults)` with them.

    `distant`: another process speaks with the outside, and it alone reads the secrets of receivers.
    """
    own = [] if distant else webhook_faults(settings)
    return [*exposure_faults(settings), *secret_faults(settings), *own, *_directories(settings)]
