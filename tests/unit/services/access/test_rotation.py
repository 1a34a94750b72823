"""Rotation with an overlap, the ends that are told, tickets, and the keys that sign tokens."""

import json
import stat

import pytest

from rpsd.core.errors import InvalidRequest, StateConflict, Unauthenticated, UnknownKey
from rpsd.core.market import DAY_NS, SECOND_NS
from rpsd.services.access.principal import Principal
from rpsd.services.access.ticket import MOST_EACH, Tickets

HOUR_NS = 3600 * SECOND_NS


def test_both_keys_work_for_the_overlap_and_then_the_new_one_alone(services, clock) -> None:
    row, old = services.access.create("desk", ["read", "predict"], by="admin", limit=500, expires_ns=clock.now_ns + 30 * DAY_NS)
    made, new = services.access.rotate(row["id"], by="admin")
    assert {**made, "id": None, "created": None} == {**row, "id": None, "created": None}
    clock.now_ns += 24 * HOUR_NS - 1
    assert services.access.authenticate(old).id == row["id"]
    assert services.access.authenticate(new).id == made["id"]
    clock.now_ns += 1
    with pytest.raises(Unauthenticated):
        services.access.authenticate(old)
    services.access.authenticate(new)
    held = {listed["id"]: listed for listed in services.access.list()}
    assert held[row["id"]]["replaced_by"] == made["id"]
    assert "key.rotate" in [told["action"] for told in services.access.audit(None, 3)[0]]  # after it the old key is refused


def test_no_overlap_ends_the_old_key_at_once(services) -> None:
    told: list[str] = []
    services.access.ended(told.append)
    row, old = services.access.create("desk", ["read"], by="admin")
    services.access.rotate(row["id"], 0, by="admin")
    with pytest.raises(Unauthenticated):
        services.access.authenticate(old)
    assert told == [row["id"]]


def test_an_overlap_never_lengthens_a_life(services, clock) -> None:
    row, old = services.access.create("desk", ["read"], by="admin", expires_ns=clock.now_ns + HOUR_NS)
    services.access.rotate(row["id"], by="admin")
    clock.now_ns += HOUR_NS
    with pytest.raises(Unauthenticated):
        services.access.authenticate(old)


def test_what_cannot_be_rotated(services, clock) -> None:
    row, _ = services.access.create("desk", ["read"], by="admin", expires_ns=clock.now_ns + HOUR_NS)
    made, _ = services.access.rotate(row["id"], by="admin")
    with pytest.raises(StateConflict, match="already"):
        services.access.rotate(row["id"], by="admin")
    for seconds in (-1, 91 * 86_400, float("nan")):
        with pytest.raises(InvalidRequest):
            services.access.rotate(made["id"], seconds, by="admin")
    clock.now_ns += HOUR_NS
    with pytest.raises(StateConflict, match="ended"):
        services.access.rotate(made["id"], by="admin")
    with pytest.raises(UnknownKey):
        services.access.rotate("nobody", by="admin")


def test_ends_are_told_once_and_not_after_leaving(services, clock) -> None:
    told: list[str] = []
    leave = services.access.ended(told.append)
    revoked, _ = services.access.create("a", ["read"], by="admin")
    brief, key = services.access.create("b", ["read"], by="admin", expires_ns=clock.now_ns + HOUR_NS)
    principal = services.access.authenticate(key)
    services.access.revoke(revoked["id"], "admin")
    services.access.revoke(revoked["id"], "admin")
    assert told == [revoked["id"]]
    assert services.access.is_alive(principal)
    clock.now_ns += HOUR_NS
    assert not services.access.is_alive(principal)
    services.access.end_expired()
    services.access.end_expired()
    assert told == [revoked["id"], brief["id"]]
    leave()
    third, _ = services.access.create("c", ["read"], by="admin")
    services.access.revoke(third["id"], "admin")
    assert len(told) == 2


def test_the_gauge_of_keys_follows_the_clock(services, clock) -> None:
    row, _ = services.access.create("a", ["read"], by="admin")
    services.access.create("b", ["read"], by="admin", expires_ns=clock.now_ns + HOUR_NS)
    told = lambda: services.metrics.registry.get_sample_value("rpsd_active_keys")  # noqa: E731
    assert told() == 2
    clock.now_ns += HOUR_NS
    assert told() == 1
    services.access.revoke(row["id"], "admin")
    assert told() == 0


def test_keys_page_in_the_order_of_their_making(services, clock) -> None:
    made = []
    for number in range(5):
        made.append(services.access.create(f"k{number}", ["read"], by="admin")[0]["id"])
        clock.now_ns += number % 2
    first, cursor = services.access.page(None, 3)
    rest, end = services.access.page(cursor, 3)
    assert sorted(row["id"] for row in first + rest) == sorted(made)
    assert end is None
    with pytest.raises(InvalidRequest):
        services.access.page("none", 3)


def test_a_ticket_opens_once_and_soon(services, clock) -> None:
    row, key = services.access.create("desk", ["read"], by="admin")
    principal = services.access.authenticate(key)
    ticket = services.access.ticket(principal)["ticket"]
    assert services.access.redeem(ticket) == principal
    for wrong in (ticket, "", "\ud800", "x" * 10_000):
        with pytest.raises(Unauthenticated):
            services.access.redeem(wrong)
    late = services.access.ticket(principal)["ticket"]
    clock.now_ns += 30 * SECOND_NS
    with pytest.raises(Unauthenticated):
        services.access.redeem(late)
    orphan = services.access.ticket(principal)["ticket"]
    services.access.revoke(row["id"], "admin")
    with pytest.raises(Unauthenticated):
        services.access.redeem(orphan)


def test_tickets_of_one_principal_are_bounded_and_push_out_nobody_elses(clock) -> None:
    tickets = Tickets(clock)
    ann, bob = (Principal(name, name, frozenset({"read"})) for name in ("ann", "bob"))
    first, (other, _) = [tickets.issue(ann)[0] for _ in range(MOST_EACH + 1)], tickets.issue(bob)
    assert [tickets.redeem(ticket) is ann for ticket in first] == [False] + [True] * MOST_EACH
    assert tickets.redeem(other) is bob


def test_signing_keys_rotate_and_those_before_last_end(services, clock) -> None:
    _, key = services.access.create("desk", ["read"], by="admin")
    first = services.access.token(key)["token"]
    file = services.settings.storage.secrets_dir / "jwt.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    services.access.rotate_signing("admin")
    second = services.access.token(key)["token"]
    assert services.access.authenticate(first).name == services.access.authenticate(second).name == "desk"
    listed = services.access.rotate_signing("admin")
    assert [row["signs"] for row in listed] == [False, True]
    assert all(entry["k"] not in json.dumps(listed) for entry in json.loads(file.read_text())["keys"])
    with pytest.raises(Unauthenticated):
        services.access.authenticate(first)
    services.access.authenticate(second)


def test_the_nightly_upkeep_rotates_old_signing_keys(services, clock) -> None:
    assert services.access.upkeep()["signing_keys_rotated"] == 0  # there are none
    _, key = services.access.create("desk", ["read"], by="admin")
    services.access.token(key)
    clock.now_ns += 30 * DAY_NS - 1
    assert services.access.upkeep()["signing_keys_rotated"] == 0
    clock.now_ns += 1
    assert services.access.upkeep()["signing_keys_rotated"] == 1
    assert services.access.upkeep()["signing_keys_rotated"] == 0
    assert [row["signs"] for row in services.access.signing_keys()] == [False, True]
