"""Requests that come before the kernels are compiled."""

import threading
import time
from typing import Any

import httpx
import pytest

from rpsd.services.wiring import Services
from tests.flow.web.book_model import serve
from tests.flow.web.conftest import Launch


def book() -> dict[str, Any]:
    return {"timestamp": time.time_ns(), "bids": [[99.9, 5.0]], "asks": [[100.1, 3.0]]}


ASKED = {
    "post": lambda http: http.post("/api/v1/books/COLD/snapshots?tick=0.1", json=[book()]),
    "predict": lambda http: http.post("/predict", json={"symbol": "COLD", "snapshots": [book()]}),
    "live": lambda http: http.get("/predict?symbol=COLD"),
}


@pytest.fixture
def cold(launch: Launch) -> Any:
    running = launch(SERVER__REQUEST_TIMEOUT="1s")
    serve(running.services, "book:COLD:next_mid_move")
    with running.client() as http:
        ASKED["post"](http)
        running.services.health.kernels_warm = False
        yield running.services, http
        running.services.health.kernels_warm = True


@pytest.mark.parametrize("name", ASKED)
def test_they_are_told_to_come_again(cold: tuple[Services, httpx.Client], name: str) -> None:
    answer = ASKED[name](cold[1])
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert "compiled" in answer.json()["detail"]
    assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.parametrize("name", ASKED)
def test_they_are_answered_once_all_is_compiled(cold: tuple[Services, httpx.Client], name: str) -> None:
    services, http = cold
    threading.Timer(0.3, lambda: setattr(services.health, "kernels_warm", True)).start()
    assert ASKED[name](http).status_code == 200
