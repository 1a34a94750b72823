"""Start-up validation: what would be unsafe to run with, however well it parses."""

import ipaddress
import os
import stat
from pathlib import Path

from rpsd.config.settings import Settings
from rpsd.core.errors import Fault

_NETWORK_DISKS = ("nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "fuse.glusterfs", "ceph")
_WIDEST = {4: 8, 6: 32}
"""Shortest prefix that still names a network."""


def _place(settings: Settings, name: str) -> str:
    return settings.origin.get(name, "default")


def is_loopback(host: str) -> bool:
    """Whether the address can be reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _exposure(settings: Settings) -> list[Fault]:
    """Faults of listening beyond loopback."""
    server = settings.server
    faults = []
    if (server.tls_cert is None) != (server.tls_key is None):
        faults.append(Fault(_place(settings, "server.tls_cert"), "server.tls_cert: give tls_cert and tls_key together"))
    for network in server.plain_http_from:
        if not network.is_private or network.prefixlen < _WIDEST[network.version]:
            reason = f"server.plain_http_from: {network} is not a private network; name one such as 192.168.1.0/24"
            faults.append(Fault(_place(settings, "server.plain_http_from"), reason))
    if is_loopback(server.host):
        return faults
    if server.tls_cert is None and not server.trusted_proxies and not server.plain_http_from:
        reason = f"server.host: {server.host} is beyond loopback; set tls_cert and tls_key, trusted_proxies, or plain_http_from"
        faults.append(Fault(_place(settings, "server.host"), reason))
    if not settings.auth.required:
        faults.append(Fault(_place(settings, "auth.required"), "auth.required: false is for loopback only; set server.host to 127.0.0.1"))
    return faults


def _secret_files(settings: Settings) -> list[Fault]:
    """Faults of files that strangers can read or change."""
    faults = []
    secrets = [("server.tls_key", settings.server.tls_key)]
    if settings.storage.secrets_dir.is_dir():
        secrets += [("storage.secrets_dir", file) for file in sorted(settings.storage.secrets_dir.iterdir()) if file.is_file()]
    for name, file in secrets:
        if file is None:
            continue
        if not file.is_file():
            faults.append(Fault(_place(settings, name), f"{name}: {file} does not exist"))
        elif file.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
            faults.append(Fault(_place(settings, name), f"{name}: {file} can be read by everybody; run chmod o-rwx {file}"))
    cert = settings.server.tls_cert
    if cert is not None and not cert.is_file():
        faults.append(Fault(_place(settings, "server.tls_cert"), f"server.tls_cert: {cert} does not exist"))
    if settings.path is not None and settings.path.is_file() and settings.path.stat().st_mode & stat.S_IWOTH:
        faults.append(Fault(str(settings.path), f"everybody can change this file; run chmod o-w {settings.path}"))
    return faults


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


def validate(settings: Settings) -> list[Fault]:
    """Every fault that should keep the server from starting; empty when it may start. Raise `refused(faults)` with them."""
    return [*_exposure(settings), *_secret_files(settings), *_directories(settings)]
