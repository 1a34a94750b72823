"""Maintenance: on, off, over by itself, kept over a restart."""

import pytest

from rpsd.core.errors import InvalidRequest
from rpsd.services.wiring import Services, open_services
from tests.conftest import Clock


def actions(services: Services) -> list[tuple[str, str]]:
    rows, _ = services.access.audit(None, 10, action="maintenance")
    return [(row["action"], row["actor"]) for row in rows]


def test_it_drops_readiness_and_shows_why(services: Services) -> None:
    assert services.maintenance.status() == {"on": False, "since": None, "until": None, "reason": None, "by": None}
    found = services.maintenance.begin("new disk", 3600, by="op")
    assert found["on"]
    assert (found["since"], found["until"]) == ("2024-06-03T12:00:00Z", "2024-06-03T13:00:00Z")
    assert services.health.maintenance
    part = services.health.detailed()["services"]["maintenance"]
    assert (part["code"], part["reason"], part["by"]) == ("maintenance", "new disk", "op")
    assert not services.maintenance.end(by="op2")["on"]
    assert not services.health.maintenance
    assert actions(services) == [("maintenance.off", "op2"), ("maintenance.on", "op")]


def test_it_ends_by_itself(services: Services, clock: Clock) -> None:
    services.maintenance.begin("", 60, by="op")
    clock.advance(59.9)
    assert services.health.maintenance
    clock.advance(0.2)
    assert not services.health.maintenance
    assert not services.health.maintenance
    services.database.write(lambda _: None).result()
    assert actions(services) == [("maintenance.off", "rpsd"), ("maintenance.on", "op")]


def test_said_again_it_keeps_its_beginning(services: Services, clock: Clock) -> None:
    first = services.maintenance.begin("disk", 60, by="op")
    clock.advance(30)
    again = services.maintenance.begin("disk, longer", by="op")
    assert (again["since"], again["until"], again["reason"]) == (first["since"], None, "disk, longer")


def test_it_survives_a_restart_and_ends_during_one(services: Services, clock: Clock) -> None:
    services.maintenance.begin("disk", 60, by="op")
    services.close()
    with open_services(services.settings, clock=clock, worker=False) as again:
        assert again.health.maintenance
    clock.advance(61)
    with open_services(services.settings, clock=clock, worker=False) as late:
        assert not late.health.maintenance


def test_ending_what_is_off_writes_nothing(services: Services) -> None:
    services.maintenance.end(by="op")
    assert actions(services) == []


@pytest.mark.parametrize("seconds", [0.0, -1.0, 31 * 86_400.0, float("nan")])
def test_a_time_out_of_bounds_is_refused(services: Services, seconds: float) -> None:
    with pytest.raises(InvalidRequest):
        services.maintenance.begin("", seconds, by="op")
    assert not services.health.maintenance
