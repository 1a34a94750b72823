"""`rpsd bench`: load and latency of the installed box, as a client on the network meets them."""

import json
import os
import random
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rpsd.cli.load import Load, Route, figures, quantile
from rpsd.cli.output import AsJson, ConfigFile, Progress, answer, table
from rpsd.cli.reach import load, quiet
from rpsd.core.errors import InvalidRequest, RpsdError, Unauthenticated

if TYPE_CHECKING:
    from rpsd.client import Client
    from rpsd.config import Settings

_KEY = "RPSD_KEY"
_KEY_LIMIT = 1_000_000
_KEY_SECONDS = 3600
_POINTS = 256
_MINUTE_NS = 60_000_000_000
_START_NS = 1_704_067_200_000_000_000  # 2024-01-01
_HEADERS = ("route", "requests", "per_second", "p50_ms", "p99_ms", "worst_ms", "ratio_to_health", "refused")


def bench(
    url: Annotated[str | None, typer.Option("--url", help="Address of the server; else that of the settings.")] = None,
    rate: Annotated[float, typer.Option("--rate", min=1, max=1000, help="Requests a second, each route by itself.")] = 100,
    seconds: Annotated[float, typer.Option("--seconds", min=1, max=300, help="How long each route is asked.")] = 5,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Ask health, denoise, ingest and predict at a steady rate; times run from when a request was due.

    Uses a key of its own that ends with it, made through the admin socket; without one $RPSD_KEY. What it stores is removed.
    """
    quiet()
    settings = load(config_file)
    base = url or _address(settings)
    with _keyed(settings, base) as (client, key), Progress("bench") as progress:
        symbol = f"RPSD.BENCH.{secrets.token_hex(4).upper()}"
        try:
            ca = None if url or settings.server.tls_cert is None else str(settings.server.tls_cert)
            asked = Load(base, key, ca)
        except ValueError as error:
            raise InvalidRequest(str(error)) from error
        try:
            rows, skipped = measured(asked, client, symbol, rate, seconds, progress)
        finally:
            asked.stopped.set()
            with suppress(RpsdError):
                client.ask("DELETE", f"/api/v1/series/{symbol}/1m")
    data = {"url": base, "rate": rate, "seconds": seconds, "routes": rows, "skipped": skipped}
    lines = [f"{name}: {reason}" for name, reason in skipped.items()]
    cells = [[_told(row[name]) for name in _HEADERS] for row in rows]
    answer(data, as_json, lambda: "\n".join([table(_HEADERS, cells, cut=False), *lines]))
    raise typer.Exit(0 if not any(row["refused"] for row in rows) else 1)


def _told(value: Any) -> Any:
    return ", ".join(f"{count} × {why}" for why, count in value.items()) if isinstance(value, dict) else value


def measured(
    asked: Load, client: "Client", symbol: str, rate: float, seconds: float, progress: Progress
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """A row of each route, health first; and the routes that were left out with the reason."""
    found, skipped = routes(client, symbol)
    rows: list[dict[str, Any]] = []
    idle: float | None = None
    for at, route in enumerate(found):
        asked.run(route, rate, min(1.0, seconds / 4))  # connections, kernels and caches warm
        told = asked.run(route, rate, seconds, lambda share, at=at, name=route.name: progress((at + share) / len(found), name))  # type: ignore[misc]
        if idle is None:
            idle = quantile(told.waits, 0.99)
        rows.append(dict(figures(route, told, idle)))
    return rows, skipped


def routes(client: "Client", symbol: str) -> tuple[list[Route], dict[str, str]]:
    """What is asked of this server, and why something is not."""
    rng = random.Random(7)  # noqa: S311 - prices, no secrets
    values = [round(100.0 + rng.gauss(0.0, 1.0), 3) for _ in range(_POINTS)]

    def to_denoise(n: int) -> bytes:
        return json.dumps({"values": [*values[:-1], n / 7.0 % 1.0 + 100.0]}).encode()  # each another series: no answer from the cache

    def to_store(n: int) -> bytes:
        return json.dumps({"t": [_START_NS + n * _MINUTE_NS], "close": [values[n % _POINTS]]}).encode()

    found = [
        Route("health", "GET", "/health"),
        Route(f"denoise {_POINTS} points", "POST", "/api/v1/denoise", to_denoise),
        Route("ingest 1 row", "POST", f"/api/v1/series/{symbol}/1m/samples", to_store),
    ]
    for model in client.models():
        parts = str(model["name"]).split(":")
        if parts[0] == "book":
            path = f"/predict?symbol={parts[1]}"
            with suppress(RpsdError):
                client.ask("GET", path)
                return [*found, Route(f"predict {parts[1]}", "GET", path)], {}
    return found, {"predict": "no model in production has a live book to predict from"}


def _address(settings: "Settings") -> str:
    scheme = "http" if settings.server.tls_cert is None else "https"
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.server.host, settings.server.host)  # noqa: S104 - asked, not bound
    return f"{scheme}://{host}:{settings.server.port}"


@contextmanager
def _keyed(settings: "Settings", base: str) -> "Iterator[tuple[Client, str]]":
    """A client that may look after things, and a key: one of our own that ends with us, or the caller's."""
    from rpsd.client import Client

    if key := os.environ.get(_KEY):
        with Client(base, key=key) as client:
            yield client, key
        return
    if not settings.server.admin_socket.is_socket():
        raise Unauthenticated(
            f"no server answers at {settings.server.admin_socket}", hint=f"Run it on the box, or set {_KEY} to an admin key."
        )
    with Client(socket=settings.server.admin_socket) as client:
        import time

        from rpsd.core import instant

        ends = instant.text(time.time_ns() + _KEY_SECONDS * 1_000_000_000)
        made = client.create_key(f"rpsd bench {secrets.token_hex(3)}", ["read", "ingest", "predict"], ends, _KEY_LIMIT)
        try:
            yield client, str(made["key"])
        finally:
            client.revoke_key(made["id"])
