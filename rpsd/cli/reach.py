"""How a command reaches the data: through the running server's admin socket, else by opening the data directory itself."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from rpsd.core.errors import DirectoryLocked, RpsdError

if TYPE_CHECKING:
    from rpsd.cli.live import Live
    from rpsd.cli.local import Local
    from rpsd.config import Settings
    from rpsd.services.wiring import Services

_before_command: ContextVar[Path | None] = ContextVar("before_command", default=None)


def remember(config_file: Path | None) -> None:
    """Keep the settings file that stands before the command: `rpsd --config FILE health`."""
    _before_command.set(config_file)


def chosen(config_file: Path | None) -> Path | None:
    """The settings file named after the command, else the one named before it."""
    return config_file if config_file is not None else _before_command.get()


def load(config_file: Path | None, flags: Mapping[str, object] = MappingProxyType({})) -> "Settings":
    """The settings of this command; flags are values by dotted name, None where none was given."""
    from rpsd.config import read

    return read(chosen(config_file), os.environ, flags)


def refuse_faults(settings: "Settings", *, distant: bool = False) -> None:
    """Raise BadConfig with every fault that keeps the server from starting; `distant` as in config.validate()."""
    import time

    from rpsd.config import validate
    from rpsd.config.read import refused
    from rpsd.services.access.certificate import start_faults

    if faults := [*validate(settings, distant=distant), *start_faults(settings, time.time_ns())]:
        raise refused(faults)


def keep_kernels(settings: "Settings") -> None:
    """Let compiled kernels be kept below storage.cache_dir where this user can write there; call it before numerics are imported."""
    place = settings.storage.cache_dir / "kernels"
    nearest = next(parent for parent in (place, *place.parents) if parent.exists())
    if os.access(nearest, os.W_OK):
        os.environ.setdefault("NUMBA_CACHE_DIR", str(place))


def quiet() -> None:
    """Send log lines of a short command to stderr, errors only: stdout is its answer."""
    import sys

    from rpsd.telemetry import configure_logging

    configure_logging("ERROR", stream=sys.stderr.buffer)


@contextmanager
def opened(settings: "Settings", *, worker: bool = False) -> Iterator["Services"]:
    """The services over a data directory that nobody else owns. Raises DirectoryLocked."""
    quiet()
    keep_kernels(settings)
    from rpsd.services.wiring import open_services

    services = open_services(settings, worker=worker)
    try:
        yield services
    finally:
        services.close()


@contextmanager
def reached(settings: "Settings", *, worker: bool = False) -> Iterator["Live | Local"]:
    """The running server when it answers on its admin socket, else the data directory itself. Both have the same methods.

    Raises DirectoryLocked when a server owns the directory but does not answer.
    """
    from rpsd.cli.live import Live
    from rpsd.client import Client

    if settings.server.admin_socket.is_socket():
        client = Client(socket=settings.server.admin_socket, timeout=600.0)
        try:
            client.ask("GET", "/health/live")
        except RpsdError:
            client.close()
        else:
            with client:
                yield Live(client)
            return
    from rpsd.cli.local import Local

    try:
        with opened(settings, worker=worker) as services:
            yield Local(services)
    except DirectoryLocked as error:
        hint = f"A server owns {settings.storage.data_dir} but its admin socket {settings.server.admin_socket} does not answer."
        raise DirectoryLocked(error.detail, hint=hint) from error
