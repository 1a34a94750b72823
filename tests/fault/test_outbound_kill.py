"""SIGKILL of the server, or of what carries out for it, between taking a message and telling that it arrived: nothing is lost.

Each message arrives at least once, under one name, and the box is empty in the end. The control tells before it delivers, and loses.
"""

import random
import time
from pathlib import Path

import pytest

from tests.fault.carriage import carriage, raise_alerts, until
from tests.vendors import Vendors, serving

pytestmark = pytest.mark.fault
ALERTS = 12
KILLS = 4


def heard(far: Vendors) -> dict[str, set[str]]:
    """{subject: the names under which it was delivered}."""
    found: dict[str, set[str]] = {}
    for one in far.posted:
        found.setdefault(one["body"]["alert"]["subject"], set()).add(one["headers"]["rpsd-delivery"])
    return found


def carried(place: Path, far: Vendors, entry: tuple[str, ...] = ("rpsd", "outbound")) -> dict[str, set[str]]:
    """What arrived of ALERTS messages over KILLS lives of each process."""
    rng = random.Random(5)
    with carriage(place, far.base + "/hook", entry) as both:
        raise_alerts(both.server, ALERTS)
        both.server.start()
        for number in range(KILLS):
            before = len(far.posted)
            both.start()
            until(lambda before=before: len(far.posted) > before, 10.0)  # type: ignore[misc]
            time.sleep(rng.random() * 0.02)
            if number % 2:
                both.server.kill()
                both.server.start()
            both.kill()
        both.start()
        until(lambda: len(heard(far)) == ALERTS, 15.0)
        return heard(far)


def test_nothing_is_lost_between_two_processes_that_are_killed(tmp_path: Path) -> None:
    with serving() as far:
        found = carried(tmp_path / "s", far)
        assert set(found) == {f"a{number}" for number in range(ALERTS)}
        assert all(len(names) == 1 for names in found.values())


def test_failing_control_a_carrier_that_tells_too_early_loses(tmp_path: Path) -> None:
    with serving() as far:
        assert len(carried(tmp_path / "s", far, ("tests.fault.carriage",))) < ALERTS
