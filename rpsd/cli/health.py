"""`rpsd health`: ask the server how it is; the exit code is the answer."""

from typing import Annotated

import typer

from rpsd.cli.output import AsJson, ConfigFile, answer, pairs
from rpsd.cli.reach import load

UNHEALTHY = 2


def health(
    url: Annotated[str | None, typer.Option("--url", help="Address of the server; else its admin socket, then its port.")] = None,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Say how the server is. Exit 0: healthy, 1: degraded, 2: unhealthy or not reachable."""
    from rpsd.client import Client
    from rpsd.core.errors import RpsdError

    settings = load(config_file)
    scheme = "http" if settings.server.tls_cert is None else "https"
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.server.host, settings.server.host)  # noqa: S104 - asked, not bound
    base = url or f"{scheme}://{host}:{settings.server.port}"
    socket = settings.server.admin_socket if url is None and settings.server.admin_socket.is_socket() else None
    try:
        with Client(base, socket=socket, timeout=10.0, ca=settings.server.tls_cert if url is None and socket is None else None) as client:
            found = client.health()
    except (RpsdError, OSError) as error:
        found = {"status": "unreachable", "detail": str(error), "hint": getattr(error, "advice", "Is it running? `rpsd serve` starts it.")}
    rows = [(name, found[name]) for name in ("status", "version", "uptime_seconds", "detail", "hint") if name in found]
    answer(found, as_json, lambda: pairs(rows))
    raise typer.Exit({"healthy": 0, "degraded": 1}.get(str(found["status"]), UNHEALTHY))
