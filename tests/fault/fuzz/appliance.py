"""The server under fire: a data directory as `rpsd demo` makes it, so that every route has something to answer with."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from tests.fault.fuzz.routes import SCOPES, Route, routes_of
from tests.fault.fuzz.seed import Bindings
from tests.fault.fuzz.seeds import furnish
from tests.fault.victim import SERVE, Victim

SETTINGS = {
    "LIMITS__TRAIN": "100000000/min",  # of the others the keys have a limit of their own
    "SERVER__TRUSTED_PROXIES": '["127.0.0.1"]',  # the cases come from many clients, which the limits for strangers ask for
    "STORAGE__MIN_FREE_BYTES": "0",
    "PERFORMANCE__CACHE_SIZE": "100",  # full before the first look at the memory: what grows after it is no cache
    "BOOKS__STALENESS": "36500d",  # the demo's book is of the past
}


def make_data(directory: Path) -> None:
    """Let `rpsd demo` fill a data directory: some minutes of market data, their regimes, a trained order book."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RPSD_")}
    command = [sys.executable, "-m", "rpsd", "demo", "--no-serve", "--data-dir", str(directory)]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-3000:]


@contextmanager
def under_fire(
    directory: Path, data: Path | None = None, entry: tuple[str, ...] = SERVE
) -> Iterator[tuple[Victim, Bindings, dict[str, Route]]]:
    """A running server with what the seeds speak of. `data` is copied when given, else made; the server is killed at the end."""
    server = Victim(directory, entry, **SETTINGS)
    if data is None:
        make_data(server.data)
    else:
        shutil.copytree(data, server.data, dirs_exist_ok=True)
    made = server.command("keys", "create", "fuzz", *(word for scope in SCOPES for word in ("--scope", scope)), "--json")
    assert made.returncode == 0, made.stderr.decode()
    server.key = json.loads(made.stdout)["key"]
    server.start("/health/ready")
    try:
        yield server, furnish(server), declared(server)
    finally:
        server.kill()


def declared(server: Victim) -> dict[str, Route]:
    """The operations that the running server declares."""
    document: dict[str, Any] = server.json("GET", "/openapi.json")
    return routes_of(document)
