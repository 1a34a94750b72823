"""What goes out of a server that has no network: over the outbound socket, by another process, and the same as by itself."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from rpsd.client import Client
from rpsd.config import read
from rpsd.outbound.carrier import Carrier
from rpsd.services.outside import delivery, relay
from rpsd.services.wiring import open_services
from rpsd.web.process.server import Server
from tests.flow.web.conftest import serve
from tests.vendors import DAY, Vendors, daily, serving, status

LAST = 19_800 * DAY


@dataclass
class Far:
    """A served appliance that sends nothing itself, and who carries for it."""

    services: Any
    server: Server
    vendors: Vendors
    begin: Callable[[], Carrier]

    @property
    def socket(self) -> Path:
        return self.services.settings.server.outbound_socket


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
    monkeypatch.setattr(delivery, "_FIRST_WAIT", 0.05)
    environ = {"RPSD_DATA_DIR": str(tmp_path), "RPSD_SERVER__PORT": "0", "RPSD_STORAGE__MIN_FREE_BYTES": "0"}
    with serving() as vendors:
        file = tmp_path / "c.yaml"
        file.write_text(
            f"sources:\n  shop:\n    kind: stooq\n    url: {vendors.base}/stooq/q\n    private: true\n    symbols: {{aapl.us: AAPL}}\n"
            "    retries: 0\n    history: 20000d\n"
            f"alerts:\n  webhooks:\n    - url: {vendors.base}/hook\n      private: [127.0.0.0/8]\n"
        )
        settings = read(file, environ)
        services = open_services(settings, worker=False, distant=True)
        server, thread = serve(services)
        begun: list[tuple[Carrier, Client]] = []

        def begin() -> Carrier:
            client = Client(socket=settings.server.outbound_socket)
            carrier = Carrier(settings, client)
            begun.append((carrier, client))
            threading.Thread(target=carrier.run, daemon=True).start()
            return carrier

        yield Far(services, server, vendors, begin)
        for carrier, client in begun:
            carrier.stop(0.0)
            client.close()
        server.stop()
        thread.join(30)
        services.close()
        assert not thread.is_alive()


def until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


def test_an_alert_arrives_through_the_carrier_in_order_and_once(far: Far) -> None:
    far.services.alert.raise_("drift", "a", "HIGH", "x")
    far.services.alert.resolve("drift", "a")
    time.sleep(0.2)
    assert far.vendors.posted == []  # the serving process itself tells nobody
    far.vendors.instead = [status(500)]
    far.begin()
    until(lambda: len(far.vendors.posted) == 3)
    names = [one["headers"]["rpsd-delivery"] for one in far.vendors.posted]
    assert names[0] == names[1] != names[2]
    assert [one["body"]["event"] for one in far.vendors.posted] == ["raised", "raised", "resolved"]
    until(lambda: far.services.outside.outbox.waiting() == 0)
    assert far.services.metrics.registry.get_sample_value("rpsd_alert_deliveries_total", {"outcome": "delivered"}) == 2


def test_a_carrier_that_dies_before_it_has_told_leaves_the_message_to_the_next(far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    monkeypatch.setattr(Carrier, "_finished", lambda _self, row, _delivered: told.append(row))  # killed between the two
    far.services.alert.raise_("drift", "a", "HIGH", "x")
    first = far.begin()
    until(lambda: len(told) == 1)
    first.stop(0.0)
    assert far.services.outside.outbox.waiting() == 1
    monkeypatch.undo()
    far.begin()
    until(lambda: far.services.outside.outbox.waiting() == 0)
    assert len({one["headers"]["rpsd-delivery"] for one in far.vendors.posted}) == 1
    assert len(far.vendors.posted) == 2


def test_a_source_is_fetched_by_the_carrier_and_stored_here(far: Far) -> None:
    far.vendors.bars["aapl.us"] = daily(LAST - 9 * DAY, 10)
    far.begin()
    found = far.services.outside.source.fetch(eager=True)
    assert found["sources"]["shop"] | {"fetched": 1, "inserted": 10, "failed": 0} == found["sources"]["shop"]
    assert far.services.series.require("AAPL", "1d").rows == 10
    again = far.services.outside.source.fetch(eager=True)  # overlapping bars are read back through the socket
    assert again["sources"]["shop"]["inserted"] == 0
    part = far.services.health.detailed()["services"]
    assert (part["sources"]["status"], part["outbound"]["status"]) == ("healthy", "healthy")
    assert far.services.metrics.registry.get_sample_value("rpsd_source_freshness_seconds", {"source": "shop"}) > 0


def test_a_failing_source_shows_in_health_metrics_and_alerts_as_if_it_were_fetched_here(far: Far) -> None:
    far.begin()
    far.vendors.instead = [status(500)] * 100
    for _ in range(5):
        found = far.services.outside.source.fetch(eager=True)
        assert found["failed"][0]["code"] == "source_failed"
    assert far.services.outside.breakers.unhealthy() == ["source:shop"]
    assert far.services.health.full()["services"]["sources"] == {"status": "degraded", "code": "source_failed"}
    assert far.services.outside.source.standing()["failing"] == ["shop"]
    assert [one["subject"] for one in far.services.alert.active()] == ["source:shop"]
    assert far.services.metrics.registry.get_sample_value("rpsd_circuit_breaker_state", {"name": "source:shop"}) == 2
    assert "500" in far.services.outside.breakers.snapshot()["source:shop"]["reason"]


def test_what_the_settings_do_not_have_is_refused_as_here(far: Far) -> None:
    from rpsd.core.errors import InvalidRequest

    far.begin()
    with pytest.raises(InvalidRequest, match="have no source 'x'") as raised:
        far.services.outside.source.fetch("x")
    assert raised.value.errors[0].pointer == "/source"


def test_receivers_are_tested_by_the_carrier(far: Far) -> None:
    far.begin()
    [outcome] = far.services.outside.test("cli")
    assert (outcome["receiver"], outcome["delivered"]) == ("webhook:1", True)
    assert far.vendors.posted[0]["body"]["event"] == "test"


def test_without_a_carrier_health_says_so_and_errands_end(far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    from rpsd.core.errors import Cancelled, OutboundMissing

    assert far.services.health.full()["services"]["outbound"] == {"status": "healthy"}  # it may still be starting
    monkeypatch.setattr(relay, "PATIENCE_SECONDS", 0.3)
    time.sleep(0.4)
    assert far.services.health.full()["services"]["outbound"] == {"status": "degraded", "code": "outbound_missing"}
    with pytest.raises(OutboundMissing, match="nobody has come for the fetch"):
        far.services.outside.source.fetch()
    with pytest.raises(Cancelled):
        far.services.outside.source.fetch(cancelled=lambda: True)


def test_the_carrier_may_do_its_work_and_nothing_else(far: Far) -> None:
    transport = httpx.HTTPTransport(uds=str(far.socket))
    with httpx.Client(transport=transport, base_url="http://localhost") as carrier:
        assert carrier.post("/api/v1/outbound/poll", json={}).json()["messages"] == []
        assert carrier.get("/api/v1/series").status_code == 200
        for method, path in (
            ("GET", "/api/v1/admin/config"), ("GET", "/api/v1/admin/audit"), ("GET", "/api/v1/admin/backups"),
            ("GET", "/api/v1/admin/keys"),
            ("POST", "/api/v1/jobs/backup/run"), ("DELETE", "/api/v1/series/AAPL/1d"), ("POST", "/api/v1/admin/alerts/test"),
        ):  # fmt: skip
            assert carrier.request(method, path).status_code == 403, path
    key = far.services.access.create("all", ["read", "ingest", "predict", "train"], by="test")[1]
    with httpx.Client(base_url=f"http://127.0.0.1:{far.server.port}", headers={"x-api-key": key}) as other:
        assert other.post("/api/v1/outbound/poll", json={}).status_code == 403


def test_a_server_that_sends_itself_hands_nothing_out(running: Any, http: httpx.Client) -> None:
    answer = http.post("/api/v1/outbound/poll", json={})
    assert (answer.status_code, answer.json()["code"]) == (409, "state_conflict")
    assert not running.services.settings.server.outbound_socket.exists()
    assert running.services.health.full()["services"]["outbound"] == {"status": "disabled"}


def test_the_end_of_the_server_does_not_wait_for_a_carrier_that_waits(far: Far) -> None:
    far.begin()
    time.sleep(0.3)
    began = time.monotonic()
    far.server.stop()
    until(lambda: not far.socket.exists() and not far.services.settings.server.admin_socket.exists())
    assert time.monotonic() - began < 4.0


def test_a_carrier_that_knew_another_server_begins_anew(far: Far) -> None:
    far.services.alert.raise_("drift", "a", "HIGH", "x")
    carrier = far.begin()
    until(lambda: far.services.outside.outbox.waiting() == 0)
    far.services.outside.relay.epoch = "another"  # as after a restart with an older database
    carrier._messages_after = 10**6
    far.services.alert.raise_("drift", "b", "HIGH", "x")
    until(lambda: far.services.outside.outbox.waiting() == 0)
    assert [one["body"]["alert"]["subject"] for one in far.vendors.posted] == ["a", "b"]
