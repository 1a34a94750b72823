"""Lockout: per network, longer each time, over restarts, and never of those who have worked from there."""

import threading

import pytest

from rpsd.core.errors import LockedOut, Unauthenticated
from rpsd.core.market import DAY_NS, SECOND_NS
from rpsd.services.access.lockout import network_of
from rpsd.services.access.pepper import read_pepper
from rpsd.services.access.service import AccessService
from rpsd.store import lockout as rows

PEER = "192.0.2.7"
MINUTE_NS = 60 * SECOND_NS


def wrong(number: int = 0) -> str:
    return f"rpsd_deadbeef_{number:032x}"


def fail(access, peer: str = PEER, times: int = 10) -> None:
    for number in range(times):
        with pytest.raises(Unauthenticated):
            access.authenticate(wrong(number), peer)


def settle(services) -> None:
    services.database.write(lambda c: None).result()


def again(services, clock) -> AccessService:
    """As after a restart."""
    settle(services)
    return AccessService(services.settings, services.database, services.metrics, clock, read_pepper(services.settings.storage.secrets_dir))


def test_ten_failures_lock_the_peer_and_nobody_else(services, clock) -> None:
    _, token = services.access.create("desk", ["read"], by="admin")
    fail(services.access)
    with pytest.raises(LockedOut) as caught:
        services.access.authenticate(wrong(), PEER)
    assert caught.value.retry_after == 60
    with pytest.raises(LockedOut):
        services.access.authenticate(token, PEER)  # a key that is new there: a stolen one is tried out like this
    assert services.access.authenticate(token, "192.0.2.8").name == "desk"
    clock.now_ns += MINUTE_NS
    assert services.access.authenticate(token, PEER).name == "desk"
    settle(services)
    told = [row for row in services.access.audit(None, 100)[0] if row["action"] == "peer.locked"]
    assert [(row["subject"], row["detail"]["round"]) for row in told] == [(PEER, 1)]


def test_nine_failures_do_not_and_old_ones_do_not_count(services, clock) -> None:
    fail(services.access, times=9)
    clock.now_ns += 5 * MINUTE_NS
    fail(services.access, times=9)
    with pytest.raises(Unauthenticated):
        services.access.authenticate(wrong(), PEER)
    with pytest.raises(LockedOut):
        services.access.authenticate(wrong(), PEER)


def test_each_round_takes_twice_as_long_up_to_an_hour_and_a_quiet_day_begins_anew(services, clock) -> None:
    waits = []
    for _ in range(8):
        fail(services.access)
        with pytest.raises(LockedOut) as caught:
            services.access.authenticate(wrong(), PEER)
        waits.append(caught.value.retry_after / 60)
        clock.now_ns += int(caught.value.retry_after * SECOND_NS)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    clock.now_ns += DAY_NS
    fail(services.access)
    with pytest.raises(LockedOut) as caught:
        services.access.authenticate(wrong(), PEER)
    assert caught.value.retry_after == 60


def test_a_key_that_has_worked_from_there_goes_on_for_a_day_also_after_a_restart(services, clock) -> None:
    _, token = services.access.create("desk", ["read"], by="admin")
    services.access.authenticate(token, PEER)
    clock.now_ns += DAY_NS - 30 * MINUTE_NS
    fail(services.access)
    assert services.access.authenticate(token, PEER).name == "desk"
    access = again(services, clock)
    assert access.authenticate(token, PEER).name == "desk"
    with pytest.raises(LockedOut):
        access.authenticate(wrong(), PEER)


def test_a_lockout_outlives_a_restart_and_its_round_too(services, clock) -> None:
    fail(services.access)
    access = again(services, clock)
    with pytest.raises(LockedOut):
        access.authenticate(wrong(), PEER)
    clock.now_ns += MINUTE_NS
    access = again(services, clock)
    fail(access)
    with pytest.raises(LockedOut) as caught:
        access.authenticate(wrong(), PEER)
    assert caught.value.retry_after == 120


@pytest.mark.parametrize("peer", ["", "unix", "127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_this_machine_is_never_locked(services, peer: str) -> None:
    fail(services.access, peer, 30)


def test_an_ipv6_client_is_its_network() -> None:
    assert network_of("2001:db8:1:2:3::4") == network_of("2001:db8:1:2::ffff") == "2001:db8:1:2::/64"
    assert network_of("2001:db8:1:3::4") != network_of("2001:db8:1:2::4")
    assert network_of("fe80::1%eth0") == "fe80::/64"
    assert network_of("::ffff:192.0.2.7") == network_of("192.0.2.7") == "192.0.2.7"


def test_tokens_and_tickets_count_and_expired_tokens_do_not(services, clock) -> None:
    _, key = services.access.create("desk", ["read"], by="admin")
    token = services.access.token(key)["token"]
    clock.now_ns += 16 * MINUTE_NS
    for _ in range(30):
        with pytest.raises(Unauthenticated, match="over"):
            services.access.authenticate(token, PEER)
    for number in range(5):
        with pytest.raises(Unauthenticated):
            services.access.authenticate(f"a.b.{number}", PEER)
        with pytest.raises(Unauthenticated):
            services.access.redeem("guess", PEER)
    with pytest.raises(LockedOut):
        services.access.redeem("guess", PEER)
    with pytest.raises(LockedOut):
        services.access.authenticate(token, PEER)


def test_what_is_kept_is_bounded(services, clock, monkeypatch) -> None:
    monkeypatch.setattr("rpsd.services.access.lockout.MOST_LOCKED", 5)
    monkeypatch.setattr("rpsd.services.access.lockout.MOST_KNOWN", 5)
    monkeypatch.setattr("rpsd.services.access.lockout._MOST_FAILING", 5)
    _, key = services.access.create("desk", ["read"], by="admin")
    for number in range(20):
        fail(services.access, f"192.0.2.{number}")
        fail(services.access, f"198.51.100.{number}", 1)
        services.access.authenticate(key, f"203.0.113.{number}")
    settle(services)
    now_ns = clock.now_ns
    kept, known = services.database.read(lambda c: (rows.locked(c, now_ns), rows.known(c, now_ns)))
    assert {row.peer for row in kept} == {f"192.0.2.{number}" for number in range(15, 20)}
    assert {peer for _, peer, _ in known} == {f"203.0.113.{number}" for number in range(15, 20)}
    with pytest.raises(LockedOut):
        services.access.authenticate(wrong(), "192.0.2.19")
    clock.now_ns += 2 * DAY_NS
    assert services.access.upkeep()["access_rows"] == 10


def test_many_at_once_lock_once(services) -> None:
    def work() -> None:
        for number in range(20):
            with pytest.raises((Unauthenticated, LockedOut)):
                services.access.authenticate(wrong(number), PEER)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    settle(services)
    kept = services.database.read(lambda c: rows.locked(c, 0))
    assert [(row.peer, row.rounds) for row in kept] == [(PEER, 1)]


def test_a_key_that_replaces_one_is_known_where_that_one_was(services, clock) -> None:
    described, token = services.access.create("desk", ["read"], by="admin")
    services.access.authenticate(token, PEER)
    fail(services.access)
    _, successor = services.access.rotate(described["id"], 0, by="admin")
    assert services.access.authenticate(successor, PEER).name == "desk"
    assert again(services, clock).authenticate(successor, PEER).name == "desk"
    fail(services.access, "192.0.2.9")
    with pytest.raises(LockedOut):
        services.access.authenticate(successor, "192.0.2.9")
