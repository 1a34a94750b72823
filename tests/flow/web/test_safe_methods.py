"""GET and HEAD change nothing that is stored, whatever they are asked."""

import hashlib
import time
from typing import Any, Final

import httpx

from rpsd.store.db import Connection
from rpsd.web.app import build_inner
from rpsd.web.auth import declared
from tests.flow.web.conftest import NOWHERE, Running

_OWN: Final = ("schedule", "setting", "known_peer", "sqlite_")
"""Tables in which the server notes by itself when it last did something, and from where keys have worked."""
_THERE: Final = NOWHERE | {"symbol": "SAFE", "interval": "1d", "view": "core_technical"}
_ASKING: Final = (
    "/api/v1/predict?symbol=SAFE",
    "/api/v1/regimes/SAFE?interval=1d&regime_type=2_state",
    "/api/v1/feature-views/core_technical/vector?entity=SAFE:1d",
    "/api/v1/feature-views/core_technical/frame?entity=SAFE:1d",
)
"""What answers only when it is asked for something."""


def _stored(c: Connection) -> dict[str, str]:
    """A digest of the rows of each table; of keys without the moment of their last use, of the audit log without the sums of denials."""
    found = {}
    for (name,) in c.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall():
        if not name.startswith(_OWN):
            columns = [row[1] for row in c.execute(f'PRAGMA table_info("{name}")') if (name, row[1]) != ("key", "last_used_ns")]
            where = " WHERE action NOT LIKE '%.denied' AND action NOT LIKE '%.refused'" if name == "audit" else ""
            where = " WHERE requested_by <> 'scheduler'" if name == "job" else where
            quoted = ", ".join(f'"{column}"' for column in columns)
            rows = c.execute(f'SELECT {quoted} FROM "{name}"{where} ORDER BY {quoted}').fetchall()
            found[name] = hashlib.sha256(repr(rows).encode()).hexdigest()
    return found


def _changed(running: Running, before: dict[str, str]) -> list[str]:
    after = running.services.database.read(_stored)
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def _settled(running: Running) -> dict[str, str]:
    """What is stored once the work of others is done."""
    for _ in range(50):
        before = running.services.database.read(_stored)
        time.sleep(0.2)
        if not _changed(running, before):
            return before
    raise AssertionError("something writes all the time")


def test_no_get_changes_what_is_stored(running: Running) -> None:
    rows = {"t": [f"2024-01-{day:02}" for day in range(1, 31)], "close": [100.0 + day for day in range(1, 31)]}
    asked = 0
    with running.client() as http:
        assert http.post("/api/v1/series/SAFE/1d/samples", json=rows).status_code == 200
        before = _settled(running)
        for path, method, operation in declared(build_inner(running.services)):
            if method != "GET" or operation is None or path == "/api/v1/events":  # a stream does not end
                continue
            for places in (NOWHERE, _THERE):
                _ask(http, path.format(**places))
                asked += 1
        for url in _ASKING:
            _ask(http, url)
        assert asked > 100
        assert _changed(running, before) == []
        assert http.post("/api/v1/series/SAFE/1d/samples", json=rows | {"close": [1.0] * 30}).status_code == 200
        assert "tail" in _changed(running, before)  # the control: a write shows


def _ask(http: httpx.Client, url: str) -> Any:
    for method in ("GET", "HEAD"):
        assert http.request(method, url).status_code != 500, url
