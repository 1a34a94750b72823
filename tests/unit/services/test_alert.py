"""Alerts: one is active or none, news are told once, and who resolved it is known."""

import pytest

from rpsd.core.errors import InternalError, InvalidRequest, StateConflict, UnknownAlert
from rpsd.core.market import DAY_NS
from rpsd.services.wiring import Services
from rpsd.store import alert as rows
from rpsd.store.idempotency import Once
from tests.conftest import Clock

MODEL = "regime:AAPL:1d:3_state"


def active(services: Services, name: str = "drift") -> float:
    value = services.metrics.registry.get_sample_value("rpsd_alerts_active", {"name": name})
    assert value is not None
    return value


def test_an_alert_is_raised_counted_and_resolved(services: Services, clock: Clock) -> None:
    told: list[tuple[str, int]] = []
    services.alert.listeners.append(lambda news: told.append((news["event"], news["alert"]["count"])))
    with services.events.listen(["alerts"]) as listener:
        first = services.alert.raise_("drift", MODEL, "HIGH", "return has drifted")
        clock.advance(60)
        again = services.alert.raise_("drift", MODEL, "HIGH", "return has drifted further")
        assert (first["id"], first["state"], first["count"]) == (again["id"], "active", 1)
        assert (again["count"], again["detail"], again["raised"]) == (2, "return has drifted further", first["raised"])
        assert again["last"] > first["last"]
        assert services.alert.active() == [again]
        assert services.health.detailed()["alerts"] == [again]
        assert active(services) == 1
        assert active(services, "model_rollback") == 0
        gone = services.alert.resolve("drift", MODEL)
        assert gone is not None
        assert (gone["state"], gone["resolved_by"]) == ("resolved", "rpsd")
        assert services.alert.resolve("drift", MODEL) is None
        assert [event.data["event"] for event in listener.take()] == ["raised", "resolved"]
    assert told == [("raised", 1), ("resolved", 2)]
    assert services.alert.active() == []
    assert active(services) == 0


def test_another_severity_is_news_and_another_alert_begins_after_the_end(services: Services) -> None:
    told: list[str] = []
    services.alert.listeners.append(lambda news: told.append(news["alert"]["severity"]))
    first = services.alert.raise_("circuit_open", "yahoo", "LOW", "a")
    services.alert.raise_("circuit_open", "yahoo", "HIGH", "b")
    services.alert.resolve("circuit_open", "yahoo")
    second = services.alert.raise_("circuit_open", "yahoo", "LOW", "c")
    assert told == ["LOW", "HIGH", "HIGH", "LOW"]
    assert second["id"] != first["id"]
    assert second["count"] == 1


@pytest.mark.parametrize(("name", "severity"), [("unheard", "HIGH"), ("drift", "NONE"), ("drift", "critical")])
def test_what_is_no_alert_is_refused(services: Services, name: str, severity: str) -> None:
    with pytest.raises(InternalError):
        services.alert.raise_(name, MODEL, severity, "x")
    assert services.alert.page() == ([], None)


def test_raising_within_a_transaction_that_fails_raises_nothing(services: Services) -> None:
    def write(c: object) -> None:
        services.alert.raise_in(c, "drift", MODEL, "HIGH", "x")  # type: ignore[arg-type]
        raise StateConflict("the rest went wrong")

    with pytest.raises(StateConflict):
        services.database.write(write).result()
    assert services.alert.active() == []


def test_an_operator_resolves_by_hand_once_and_is_on_record(services: Services) -> None:
    alert = services.alert.raise_("drift", MODEL, "HIGH", "x")
    once = Once("k", "me", "POST /alerts", "h")
    done = services.alert.resolve_by_hand(alert["id"], "me", once)
    assert (done["state"], done["resolved_by"]) == ("resolved", "me")
    assert services.alert.resolve_by_hand(alert["id"], "me", once) == done
    with pytest.raises(StateConflict):
        services.alert.resolve_by_hand(alert["id"], "me")
    with pytest.raises(UnknownAlert):
        services.alert.resolve_by_hand(999, "me")
    audited = [row for row in services.access.audit(None, 100)[0] if row["action"] == "alert.resolve"]
    assert [(row["actor"], row["subject"]) for row in audited] == [("me", f"drift {MODEL}")]
    assert active(services) == 0


def test_pages_by_name_and_state(services: Services) -> None:
    for n in range(5):
        services.alert.raise_("drift" if n % 2 else "circuit_open", f"s{n}", "LOW", "x")
    services.alert.resolve("drift", "s3")
    page, following = services.alert.page(limit=2)
    assert [alert["subject"] for alert in page] == ["s4", "s3"]
    rest, end = services.alert.page(after=following, limit=3)
    assert ([alert["subject"] for alert in rest], end) == (["s2", "s1", "s0"], None)
    assert [alert["subject"] for alert in services.alert.page(name="drift")[0]] == ["s3", "s1"]
    assert [alert["subject"] for alert in services.alert.page(state="resolved")[0]] == ["s3"]
    assert len(services.alert.page(state="active")[0]) == 4
    with pytest.raises(InvalidRequest):
        services.alert.page(state="gone")


def test_what_was_resolved_long_ago_is_forgotten_and_what_is_active_stays(services: Services, clock: Clock) -> None:
    services.alert.raise_("drift", "old", "LOW", "x")
    services.alert.raise_("drift", "active", "LOW", "x")
    services.alert.resolve("drift", "old")
    clock.advance(86_400)
    assert services.database.write(lambda c: rows.prune(c, clock() - DAY_NS // 2)).result() == 1
    assert [alert["subject"] for alert in services.alert.page()[0]] == ["active"]
