"""A release tried on a copy of the data: it migrates the copy, serves it where nobody else looks, and answers three questions."""

import dataclasses
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rpsd.config import Settings
from rpsd.core.errors import DiskFull
from rpsd.core.operations_errors import ReleaseRefused
from rpsd.release.probe import asked, passes

if TYPE_CHECKING:
    from rpsd.client import Client

_READY_SECONDS: Final = 300.0
"""Kernels that nobody has compiled on this machine take most of a minute, more while the machine is busy."""
_BESIDE: Final = ("scheduler", "maintenance")
"""A rehearsal runs no jobs, and what an operator has said about the appliance is in the copy, too."""
_VALUES: Final = [100.0 + (i % 7) * 0.1 for i in range(64)]


def rehearse(settings: Settings, snapshot: Path) -> dict[str, Any]:
    """Serve a copy of the snapshot and ask: ready, a denoised series, a stored read.

    Kernels are compiled into the real cache, so that the start that follows finds them. Nothing goes out and no job runs. Answer: version,
    schema_before, schema_after, schema_changed, series (how many were found), seconds. Raises NewerSchema, DiskFull, ReleaseRefused.
    """
    began = time.monotonic()
    with _scratch(settings.storage.data_dir, snapshot) as scratch:
        shutil.copyfile(snapshot, scratch / "rpsd.db")
        before = _schema(scratch / "rpsd.db")
        told, after = _served(_apart(settings, scratch))
    return told | {
        "schema_before": before,
        "schema_after": after,
        "schema_changed": before != after,
        "seconds": round(time.monotonic() - began, 3),
    }


def _schema(file: Path) -> int:
    """The number of the schema in the header of a database at rest. Source: SQLite, "Database File Format" 1.3, bytes 60 to 63."""
    with file.open("rb") as stream:
        return int.from_bytes(stream.read(64)[60:64])


def _apart(settings: Settings, scratch: Path) -> Settings:
    """The settings with everything of its own but the kernels: another port, no receivers, no sources, no TLS, no other listener."""
    server = dataclasses.replace(
        settings.server, host="127.0.0.1", port=0, admin_socket=scratch / "admin.sock", tls_cert=None, tls_key=None
    )
    storage = dataclasses.replace(settings.storage, data_dir=scratch, secrets_dir=scratch / "secrets")
    return dataclasses.replace(
        settings,
        server=server,
        storage=storage,
        sources={},
        alerts=dataclasses.replace(settings.alerts, webhooks=()),
        backup=dataclasses.replace(settings.backup, dir=scratch / "backups"),
        monitoring=dataclasses.replace(settings.monitoring, metrics_port=0, metrics_enabled=False),
    )


def _served(settings: Settings) -> tuple[dict[str, Any], int]:
    """What the server said, and the schema that it works on."""
    from rpsd.client import Client
    from rpsd.services.wiring import open_services
    from rpsd.web.process.server import Server

    with open_services(settings, worker=False) as services:
        server = Server(services)
        serving = threading.Thread(target=server.run, name="rehearsal", daemon=True)
        serving.start()
        try:
            if not server.ready.wait(60.0):
                raise ReleaseRefused("the release does not begin to serve a copy of the data within 60 s")
            with Client(socket=settings.server.admin_socket, timeout=60.0) as client:
                told = _asked(client, settings.server.admin_socket)
        finally:
            server.stop()
            serving.join(30.0)
        return told, services.database.schema


def _asked(client: "Client", admin_socket: Path) -> dict[str, Any]:
    until = time.monotonic() + _READY_SECONDS
    while not passes(asked(admin_socket, "/health/ready"), _BESIDE):
        if time.monotonic() > until:
            raise ReleaseRefused(f"the release is not ready on a copy of the data within {_READY_SECONDS:.0f} s")
        time.sleep(0.05)
    if len(client.denoise(_VALUES)["values"]) != len(_VALUES):
        raise ReleaseRefused("the release denoises a series to another length")
    series = client.series()
    for first in series[:1]:
        client.ask("GET", f"/api/v1/series/{first['symbol']}/{first['interval']}/samples", params={"limit": 10})
    return {"version": client.health()["version"], "series": len(series)}


@contextmanager
def _scratch(data_dir: Path, snapshot: Path) -> Iterator[Path]:
    """A directory on the disk of the data, gone afterwards; what a killed rehearsal left goes first."""
    for left in data_dir.glob(".rehearsal-*"):
        shutil.rmtree(left, ignore_errors=True)
    need, free = snapshot.stat().st_size * 2 + (16 << 20), shutil.disk_usage(data_dir).free
    if free < need:
        raise DiskFull(f"{data_dir} has {free:,} bytes free; trying the release on a copy of the data needs {need:,}")
    scratch = data_dir / f".rehearsal-{time.time_ns()}"
    scratch.mkdir(mode=0o700)
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
