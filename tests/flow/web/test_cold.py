"""Requests that come before the kernels are compiled."""

import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from rpsd.services.denoise.deputy import Deputy
from rpsd.services.inline import InlineCompute
from rpsd.services.wiring import Services
from rpsd.web.app import build_inner
from rpsd.web.auth import declared
from tests.flow.web.book_model import serve
from tests.flow.web.conftest import Launch, Running, open_appliance


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


def test_who_computes_waits_while_the_kernels_are_loaded_and_nobody_else_does(http: httpx.Client, running: Running) -> None:
    loading, answers = running.services.loading, []
    asked = {"values": [1.0, 2.0] * 32, "method": "wavelet"}
    asking = threading.Thread(target=lambda: answers.append(http.post("/api/v1/denoise", json=asked)))
    loading.add("denoise")
    try:
        asking.start()
        assert http.get("/api/v1/series").status_code == 200
        asking.join(0.3)
        assert not answers
    finally:
        loading.clear()
        asking.join()
    assert answers[0].status_code == 200


def test_the_worker_stands_in_for_one_series_and_for_nothing_else(http: httpx.Client, running: Running) -> None:
    services, answers = running.services, []
    values, body = [1.0, 2.0] * 32, {"series": [{"values": [1.0, 2.0] * 32}]}
    alone = http.post("/api/v1/denoise", json={"values": values}).json()
    services.loading.add("denoise")
    services.denoise.deputy = deputy = Deputy(InlineCompute())
    asking = threading.Thread(target=lambda: answers.append(http.post("/api/v1/denoise/batch", json=body)))
    try:
        deputy.begin()
        assert deputy.await_duty(10.0)
        asking.start()
        told = http.post("/api/v1/denoise", json={"values": values}).json()
        assert told | {"processing_time": 0} == alone | {"processing_time": 0}
        asking.join(0.3)
        assert not answers
    finally:
        deputy.relieve()
        services.loading.clear()
        asking.join()
    assert answers[0].status_code == 200


def test_every_operation_that_computes_is_of_a_family_that_is_waited_for(tmp_path: Path) -> None:
    with open_appliance(tmp_path, {}) as services:
        every = [operation for _, _, operation in declared(build_inner(services)) if operation is not None]
        assert {operation.tag for operation in every if operation.scope == "predict"} == services.loading
