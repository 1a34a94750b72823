"""A refused request is gone from memory when it has been answered: nothing of it waits for the collector of rings."""

import gc
import time
from collections import Counter
from typing import Any

import httpx
import pytest

from rpsd.core.errors import RpsdError
from rpsd.web.exchange import Exchange

REFUSED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "at the door": ("GET", "/api/v1/jobs", {"headers": {"host": "elsewhere.example"}}),
    "without a key": ("GET", "/api/v1/jobs", {"headers": {"x-api-key": ""}}),
    "by the query": ("GET", "/api/v1/jobs?nonsense=1", {}),
    "by the body": ("POST", "/api/v1/denoise", {"json": {"values": "x"}}),
    "by the kind of body": ("POST", "/api/v1/denoise", {"content": b"x", "headers": {"content-type": "text/odd"}}),
    "by the route": ("GET", "/api/v1/nowhere", {}),
    "by the reader": ("GET", "/api/v1/series/NONE/1d", {}),
    "by the writer": ("DELETE", "/api/v1/series/NONE/1d", {}),
    "by the writer, of a run": ("POST", "/api/v1/runs/17/finish", {"json": {"status": "FINISHED"}}),
    "by the writer, of a key": ("DELETE", "/api/v1/admin/keys/00000000", {}),
}


def living() -> Counter[str]:
    """Exchanges and errors of rpsd that the collector knows, by class."""
    return Counter(type(one).__name__ for one in gc.get_objects() if isinstance(one, (Exchange, RpsdError)))


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_request_leaves_no_ring(running: Any, http: httpx.Client, name: str) -> None:
    method, path, given = REFUSED[name]

    def ask() -> None:
        assert http.request(method, path, **given).status_code >= 400

    for _ in range(5):
        ask()  # what is loaded and kept at the first of its kind
    gc.collect()
    gc.disable()
    try:
        before = living()
        for _ in range(20):
            ask()
        time.sleep(0.3)  # the engine lets go of the last
        assert {kind: more for kind, more in (living() - before).items() if more > 5} == {}
    finally:
        gc.enable()
