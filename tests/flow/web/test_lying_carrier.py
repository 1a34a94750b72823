"""What speaks with the outside has read strangers' answers: were it taken over, it could lie. It gets no further than its own work."""

import os
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from rpsd.client import Client
from rpsd.outbound.carrier import Carrier
from tests.flow.web.test_outbound import Far, far, until
from tests.vendors import status

__all__ = ["far"]


@pytest.fixture
def liar(far: Far) -> Iterator[httpx.Client]:
    transport = httpx.HTTPTransport(uds=str(far.socket))
    with httpx.Client(transport=transport, base_url="http://localhost", timeout=30.0) as client:
        yield client


def poll(liar: httpx.Client, **more: Any) -> dict[str, Any]:
    answer = liar.post("/api/v1/outbound/poll", json=more)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


REPORTS: dict[str, dict[str, Any]] = {
    "a state that is none": {"breakers": {"webhook:1": {"state": "exploded"}}},
    "a moment beyond all time": {"closed_ns": {"shop": 10**30}},
    "a moment in words": {"closed_ns": {"shop": "now"}},
    "failures without end": {"breakers": {"webhook:1": {"state": "open", "failures": 10**40}}},
    "names without end": {"breakers": {f"webhook:{number}": {"state": "open"} for number in range(2000)}},
    "a name as long as a book": {"proven": ["x" * 100_000]},
}


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS.keys())
def test_nonsense_in_a_report_is_refused_and_harms_nothing(far: Far, liar: httpx.Client, report: dict[str, Any]) -> None:
    assert liar.post("/api/v1/outbound/poll", json={"report": report}).status_code == 422
    with httpx.Client(base_url=f"http://127.0.0.1:{far.server.port}") as watching:
        assert watching.get("/metrics").status_code == 200
        assert "exploded" not in watching.get("/health/detailed").text


def test_a_message_that_nobody_was_given_stays_in_the_box(far: Far, liar: httpx.Client) -> None:
    for subject in ("a", "b"):
        far.services.alert.raise_("drift", subject, "HIGH", "x")
    for row in range(1, 10):
        liar.post(f"/api/v1/outbound/messages/{row}/finish", json={"delivered": True})
    assert far.services.outside.outbox.waiting() == 2
    taken = [one["id"] for one in poll(liar)["messages"]]
    assert len(taken) == 2
    far.services.alert.raise_("drift", "c", "HIGH", "x")
    for row in (*taken, taken[-1] + 1):
        liar.post(f"/api/v1/outbound/messages/{row}/finish", json={"delivered": True})
    assert far.services.outside.outbox.waiting() == 1
    far.begin()  # an honest one delivers what is left
    until(lambda: far.services.outside.outbox.waiting() == 0)
    assert [one["body"]["alert"]["subject"] for one in far.vendors.posted] == ["c"]


ENDS: dict[str, Any] = {
    "a number": {"result": 7},
    "nothing": {"result": None},
    "a list of numbers": {"result": [1, 2]},
    "a receiver without an outcome": {"result": [{"receiver": "webhook:1"}]},
    "an error of no name": {"error": {"code": "nonsense", "detail": "x"}},
    "an error that waits for ever": {"error": {"code": "source_failed", "detail": "x", "retry_after": 1e300}},
    "an error from the past": {"error": {"code": "source_failed", "detail": "x", "retry_after": -5}},
    "an error with a list without end": {"error": {"code": "source_failed", "detail": "x", "errors": [{"pointer": "/"}] * 5000}},
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
def test_a_nonsensical_end_of_a_test_is_told_as_a_failure(far: Far, liar: httpx.Client, end: Any) -> None:
    key = far.services.access.create("admin", ["admin"], by="test")[1]
    answers: list[httpx.Response] = []

    def ask() -> None:
        with httpx.Client(base_url=f"http://127.0.0.1:{far.server.port}", headers={"x-api-key": key}, timeout=30.0) as admin:
            answers.append(admin.post("/api/v1/admin/alerts/test"))

    asking = threading.Thread(target=ask)
    asking.start()
    errand = None
    while errand is None:
        errand = next((one["id"] for one in poll(liar, wait=1.0)["errands"]), None)
    told = liar.post(f"/api/v1/outbound/errands/{errand}/finish", json=end)
    assert told.status_code in (200, 422)
    if told.status_code == 422:  # it may still tell the truth
        assert liar.post(f"/api/v1/outbound/errands/{errand}/finish", json={"error": {"code": "source_failed", "detail": "x"}}).is_success
    asking.join(30)
    assert [answer.json()["code"] for answer in answers] in (["source_failed"], ["outbound_missing"]), answers[0].text


def test_it_reads_and_writes_the_series_that_it_fetches_and_no_other(far: Far, liar: httpx.Client) -> None:
    rows = {"t": ["2024-01-02T00:00:00Z"], "close": [1.0]}
    assert liar.post("/api/v1/series/aapl/1d/samples", json=rows).status_code == 200
    assert liar.get("/api/v1/series/AAPL/1d/samples").status_code == 200
    key = far.services.access.create("all", ["read", "ingest"], by="test")[1]
    with httpx.Client(base_url=f"http://127.0.0.1:{far.server.port}", headers={"x-api-key": key}) as other:
        assert other.post("/api/v1/series/MSFT/1d/samples", json=rows).status_code == 200
    for method, path, body in (
        ("POST", "/api/v1/series/MSFT/1d/samples", rows), ("POST", "/api/v1/series/AAPL/1h/samples", rows),
        ("GET", "/api/v1/series/MSFT/1d/samples", None), ("GET", "/api/v1/series/MSFT/1d", None),
        ("POST", "/api/v1/books/AAPL/quotes", []), ("GET", "/api/v1/models", None), ("GET", "/api/v1/jobs", None),
        ("GET", "/api/v1/events?channels=alerts", None), ("POST", "/api/v1/auth/ws-ticket", None), ("GET", "/api/v1/ml/status", None),
    ):  # fmt: skip
        answer = liar.request(method, path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), path
    assert far.services.series.info("MSFT", "1d")["rows"] == 1


def test_no_stream_opens_over_its_socket(far: Far) -> None:
    asked = (
        b"GET /api/v1/ws HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-version: 13\r\n"
        b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(10.0)
        link.connect(str(far.socket))
        link.sendall(asked)
        assert link.recv(4096).split()[1] in (b"403", b"404")  # refused, or not even known there


def test_the_socket_is_closed_to_other_users(far: Far) -> None:
    found = far.socket.stat()
    assert stat.S_IMODE(found.st_mode) == 0o600
    assert found.st_uid == os.geteuid()
    if os.geteuid() != 0:
        return  # the mode is all that can be looked at
    for folder in (far.socket.parent, *far.socket.parent.parents):
        if stat.S_IMODE(folder.stat().st_mode) & 0o001 == 0:
            folder.chmod(folder.stat().st_mode | 0o011)
    tried = subprocess.run(
        ["/usr/bin/env", "python3", "-S", "-c", f"import socket; socket.socket(socket.AF_UNIX).connect({str(far.socket)!r})"],
        user=65534, group=65534, extra_groups=(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "PermissionError" in tried.stderr


def test_ten_thousand_messages_leave_the_newest_of_each_receiver(far: Far, liar: httpx.Client) -> None:
    outbox, alert = far.services.outside.outbox, far.services.alert.raise_("drift", "a", "HIGH", "x")

    def many(connection: Any) -> None:
        for number in range(10_000):
            outbox.add(connection, {"event": "raised", "alert": alert | {"subject": f"s{number}"}})

    far.services.database.write(many).result()
    assert outbox.waiting() == 256
    page = poll(liar)["messages"]
    assert [one["told"]["alert"]["subject"] for one in page] == [f"s{number}" for number in range(9744, 9744 + len(page))]
    assert 0 < len(page) <= 64
    far.begin()
    until(lambda: outbox.waiting() == 0, 60.0)
    names = [one["headers"]["rpsd-delivery"] for one in far.vendors.posted]
    assert len(names) == len(set(names)) == 256


def test_a_receiver_that_is_away_for_a_day_hears_of_the_next_day(far: Far) -> None:
    """By the clock of what carries out: what is older than a day is given up and counted, what comes then is delivered."""
    now = [time.time_ns()]
    far.vendors.instead = [status(503)] * 1000
    for subject in ("a", "b", "c"):
        far.services.alert.raise_("drift", subject, "HIGH", "x")
    client = Client(socket=far.socket)
    carrier = Carrier(far.services.settings, client, lambda: now[0])
    running = threading.Thread(target=carrier.run, daemon=True)
    running.start()
    try:
        until(lambda: len(far.vendors.instead) < 999)
        assert far.services.outside.outbox.waiting() == 3
        now[0] += 25 * 3600 * 10**9
        far.vendors.instead = []
        until(lambda: far.services.outside.outbox.waiting() == 0, 60.0)
        now[0] = time.time_ns()
        before = len(far.vendors.posted)
        far.services.alert.raise_("drift", "d", "HIGH", "x")
        until(lambda: len(far.vendors.posted) > before, 60.0)
        assert far.vendors.posted[-1]["body"]["alert"]["subject"] == "d"
        deliveries = {one.labels["outcome"]: one.value for one in far.services.metrics.readings("rpsd_alert_deliveries_total")}
        assert deliveries["dropped"] == 3
    finally:
        carrier.stop(0.0)
        client.close()
        running.join(10)
