"""Alerts on their way out: what a receiver gets, how often, in which order, and what a bad receiver can hold up."""

import hmac
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from rpsd.config.outside import WEBHOOKS
from rpsd.core.errors import StateConflict
from rpsd.core.source import Receiver
from rpsd.services.outside import delivery, outbox
from rpsd.services.outside.service import Outside
from tests.receivers import check_pagerduty, check_slack
from tests.vendors import Vendors, serving, status

NOWHERE = "http://127.0.0.1:1/"


@pytest.fixture
def far() -> Iterator[Vendors]:
    with serving() as found:
        yield found


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "_FIRST_WAIT", 0.01)


def receivers(*urls: str, **more: Any) -> tuple[Receiver, ...]:
    return WEBHOOKS.parse([{"url": url, "private": ["127.0.0.0/8"], **more} for url in urls])


@pytest.fixture
def made(services: Any) -> Iterator[Callable[..., Outside]]:
    """outside(url, …): the services' outside with receivers on this machine."""
    begun: list[Outside] = []

    def make(*urls: str, **more: Any) -> Outside:
        settings = replace(services.settings, alerts=replace(services.settings.alerts, webhooks=receivers(*urls, **more)))
        begun.append(Outside(settings, services.database, services.series, services.alert, services.metrics, services.clock))
        return begun[-1]

    yield make
    for one in begun:
        one.close()


def until(true: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


def delivered(services: Any, outcome: str = "delivered") -> float:
    return services.metrics.registry.get_sample_value("rpsd_alert_deliveries_total", {"outcome": outcome}) or 0.0


def test_a_receiver_gets_each_alert_when_it_is_raised_and_when_it_is_resolved(services: Any, far: Vendors, made: Any) -> None:
    made(far.base + "/hook?token=1")
    services.alert.raise_("drift", "regime:A:1d:2_state", "HIGH", "it has drifted")
    services.alert.raise_("drift", "regime:A:1d:2_state", "HIGH", "it has drifted")  # no news
    services.alert.resolve("drift", "regime:A:1d:2_state")
    until(lambda: len(far.posted) == 2)
    first, second = far.posted
    assert first["path"] == "/hook?token=1"
    assert first["headers"]["content-type"] == "application/json"
    assert first["headers"]["rpsd-delivery"] != second["headers"]["rpsd-delivery"]
    assert [one["body"]["event"] for one in far.posted] == ["raised", "resolved"]
    assert first["body"]["service"] == "rpsd"
    assert first["body"]["alert"] | {"name": "drift", "severity": "HIGH", "detail": "it has drifted"} == first["body"]["alert"]
    until(lambda: delivered(services) == 2)


def test_a_message_is_tried_again_under_the_same_name_until_it_is_taken(services: Any, far: Vendors, made: Any) -> None:
    outside = made(far.base + "/hook")
    far.instead = [status(500), status(302, location="/elsewhere"), status(404)]
    services.alert.raise_("drift", "a", "HIGH", "x")
    until(lambda: delivered(services) == 1)
    assert len({one["headers"]["rpsd-delivery"] for one in far.posted}) == 1
    assert {one["path"] for one in far.posted} == {"/hook"}  # no redirect is followed
    until(lambda: outside.standing()["webhooks"] == {"configured": 1, "waiting": 0})


def test_a_receiver_that_is_down_holds_up_no_other_and_raises_an_alert_itself(services: Any, far: Vendors, made: Any) -> None:
    outside = made(NOWHERE, far.base + "/hook")
    began = time.monotonic()
    services.alert.raise_("drift", "a", "HIGH", "x")
    assert time.monotonic() - began < 1.0
    until(lambda: [one["body"]["alert"]["name"] for one in far.posted] == ["drift", "circuit_open"])
    assert far.posted[1]["body"]["alert"]["subject"] == "webhook:1"
    assert outside.breakers.unhealthy() == ["webhook:1"]
    until(lambda: outside.standing()["webhooks"]["waiting"] == 1)  # its own trouble is not queued for it
    assert [alert["name"] for alert in services.alert.active()] == ["circuit_open", "drift"]
    assert "127.0.0.1:1/" not in json.dumps(outside.breakers.snapshot())


def test_an_alert_of_a_breaker_from_before_a_restart_ends_with_the_first_success(services: Any, far: Vendors, made: Any) -> None:
    services.alert.raise_("circuit_open", "webhook:1", "MEDIUM", "it was open")
    made(far.base + "/hook")
    services.alert.raise_("drift", "a", "HIGH", "x")
    until(lambda: [alert["name"] for alert in services.alert.active()] == ["drift"])


def test_the_box_is_bounded_and_gives_up_the_oldest(services: Any, made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "WAITING", 3)
    outside = made(NOWHERE)
    for number in range(5):
        services.alert.raise_("drift", f"a{number}", "HIGH", "x")
    assert outside.standing()["webhooks"] == {"configured": 1, "waiting": 3}
    assert delivered(services, "dropped") == 2
    outside.close()
    assert [one.told["alert"]["subject"] for one in outside.outbox.page()] == ["a2", "a3", "a4"]


def test_what_waited_for_a_day_is_history(services: Any, clock: Any, made: Any) -> None:
    outside = made(NOWHERE)
    services.alert.raise_("drift", "a", "HIGH", "x")
    clock.advance(86_401)
    until(lambda: delivered(services, "dropped") == 1)
    assert outside.outbox.waiting() == 0


def test_what_could_not_be_delivered_outlives_a_restart_under_its_name(services: Any, far: Vendors, made: Any) -> None:
    url = far.base + "/hook"
    first = made(url)
    far.instead = [status(500)] * 100
    services.alert.raise_("drift", "a", "HIGH", "x")
    services.alert.raise_("drift", "b", "HIGH", "x")
    until(lambda: len(far.posted) >= 1)
    first.close()
    services.alert.queues.clear()  # of the one that has ended
    far.instead, name = [], far.posted[0]["headers"]["rpsd-delivery"]
    tried = len(far.posted)
    second = made(url)
    second.begin()
    until(lambda: delivered(services) == 2)
    assert far.posted[tried]["headers"]["rpsd-delivery"] == name
    assert [one["body"]["alert"]["subject"] for one in far.posted[tried:]] == ["a", "b"]


def test_messages_of_a_receiver_that_is_gone_are_given_up(services: Any, far: Vendors, made: Any) -> None:
    made(NOWHERE).close()
    services.alert.raise_("drift", "a", "HIGH", "x")
    services.alert.queues.clear()
    later = made(far.base + "/hook")
    assert later.outbox.page() == []
    later.begin()
    assert (later.outbox.waiting(), delivered(services, "dropped"), far.posted) == (0, 1, [])


def test_an_alert_that_is_not_stored_tells_nobody(services: Any, far: Vendors, made: Any) -> None:
    outside = made(far.base + "/hook")

    def write(c: Any) -> None:
        services.alert.raise_in(c, "drift", "a", "HIGH", "x")
        raise StateConflict("on second thoughts")

    with pytest.raises(StateConflict):
        services.database.write(write).result()
    assert outside.outbox.waiting() == 0


def test_the_end_lets_the_last_message_out(services: Any, far: Vendors, made: Any) -> None:
    outside = made(far.base + "/hook")
    services.alert.raise_("drift", "a", "HIGH", "x")
    outside.close()
    assert len(far.posted) == 1


def test_without_receivers_nothing_listens(services: Any) -> None:
    assert services.alert.listeners == []
    assert services.health.detailed()["services"]["webhooks"] == {"status": "disabled", "configured": 0}


def secret(services: Any, name: str = "hook", text: str = "0123456789abcdef0123456789abcdef") -> str:
    path = services.settings.storage.secrets_dir / name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o600)
    return text


def signed(headers: dict[str, str]) -> tuple[int, list[str]]:
    """Time and signatures of a delivery."""
    first, *rest = headers["rpsd-signature"].split(",")
    return int(first.removeprefix("t=")), [one.removeprefix("v1=") for one in rest]


def test_a_message_is_signed_anew_at_each_try(services: Any, far: Vendors, made: Any) -> None:
    text = secret(services)
    made(far.base + "/hook", secret_file="hook")
    far.instead = [status(500)]
    services.alert.raise_("drift", "a", "HIGH", "x")
    until(lambda: len(far.posted) == 2)
    for one in far.posted:
        moment, signatures = signed(one["headers"])
        assert signatures == [hmac.new(text.encode(), f"{moment}.".encode() + one["raw"], "sha256").hexdigest()]
        assert moment == services.clock() // 10**9


def test_a_secret_that_cannot_be_read_keeps_the_message_until_it_can(services: Any, far: Vendors, made: Any) -> None:
    outside = made(far.base + "/hook", secret_file="hook")
    services.alert.raise_("drift", "a", "HIGH", "x")
    until(lambda: "cannot be read" in outside.breakers.snapshot()["webhook:1"].get("reason", ""))
    assert far.posted == []
    secret(services)
    until(lambda: delivered(services) == 1, 30.0)
    assert "rpsd-signature" in far.posted[0]["headers"]


@pytest.mark.parametrize("form", ["slack", "pagerduty"])
def test_a_receiver_of_another_form_is_told_in_its_words(services: Any, far: Vendors, made: Any, form: str) -> None:
    text = secret(services)
    made(far.base + "/hook", format=form, secret_file="hook")
    services.alert.raise_("drift", "a", "HIGH", "x")
    services.alert.resolve("drift", "a")
    until(lambda: delivered(services) == 2)
    check = check_slack if form == "slack" else check_pagerduty
    for one in far.posted:
        check(one["body"])
        assert ("rpsd-signature" in one["headers"]) == (form == "slack")
        assert (text in json.dumps(one["body"])) == (form == "pagerduty")


def test_a_test_tells_of_each_receiver_past_its_line(services: Any, far: Vendors, made: Any) -> None:
    secret(services)
    outside = made(far.base + "/hook?token=1", NOWHERE, timeout="3s", secret_file="hook")
    good, bad = outside.test("key:abc")
    assert (good["receiver"], good["format"], good["address"], good["delivered"], good["detail"]) == (
        "webhook:1", "generic", far.base, True, None,
    )  # fmt: skip
    assert (bad["delivered"], "cannot be reached" in bad["detail"]) == (False, True)
    assert [one["body"]["event"] for one in far.posted] == ["test"]
    assert "rpsd-signature" in far.posted[0]["headers"]
    assert outside.breakers.unhealthy() == []
    row = services.access.audit(None, 1)[0][0]
    assert (row["action"], row["actor"], row["detail"]) == ("alert.test", "key:abc", {"receivers": 2, "delivered": 1})


def test_a_test_of_pagerduty_closes_what_it_opens(services: Any, far: Vendors, made: Any) -> None:
    secret(services)
    [outcome] = made(far.base, format="pagerduty", secret_file="hook").test("cli")
    assert outcome["delivered"]
    assert [one["body"]["event_action"] for one in far.posted] == ["trigger", "resolve"]


def test_without_receivers_a_test_says_so_and_two_at_a_time_are_refused(services: Any) -> None:
    assert services.outside.test("cli") == []
    with services.outside._testing, pytest.raises(StateConflict, match="under way"):
        services.outside.test("cli")
