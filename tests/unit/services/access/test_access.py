"""Keys: made once, checked without the database, ended at once, and every step in the audit log."""

import json
import stat
from pathlib import Path

import pytest

from rpsd.core.errors import BadConfig, Forbidden, InvalidRequest, StateConflict, Unauthenticated, UnknownKey
from rpsd.core.market import SECOND_NS
from rpsd.services.access.pepper import read_pepper
from rpsd.services.access.service import AccessService
from rpsd.store import audit


def actions(services) -> list[str]:
    return [row["action"] for row in services.access.audit(None, 100)[0]]


def settle(services) -> None:
    """Wait for the writes that nobody waits for."""
    services.database.write(lambda c: None).result()


def test_a_key_works_and_shows_no_secret_afterwards(services) -> None:
    row, token = services.access.create("desk", ["predict", "read"], by="admin", limit="100/s")
    secret = token.rsplit("_", 1)[1]
    principal = services.access.authenticate(token)
    assert (principal.id, principal.name, principal.limit) == (row["id"], "desk", 6000)
    assert principal.scopes == {"read", "predict"}
    assert row["scopes"] == ["read", "predict"]
    assert secret not in json.dumps(services.access.list())
    assert secret.encode() not in services.database.read(lambda c: c.execute("SELECT hash FROM key").fetchall())[0][0]
    assert actions(services)[0] == "key.create"


def test_scopes_are_required_and_admin_implies_them_all(services) -> None:
    _, token = services.access.create("reader", ["read"], by="admin")
    principal = services.access.authenticate(token)
    principal.require("read")
    with pytest.raises(Forbidden, match="ingest"):
        principal.require("ingest")
    _, root = services.access.create("root", ["admin"], by="admin")
    for scope in ("read", "ingest", "predict", "train", "admin"):
        services.access.authenticate(root).require(scope)


def test_wrong_tokens_are_refused_alike(services) -> None:
    row, token = services.access.create("desk", ["read"], by="admin")
    flipped = token[:-1] + ("0" if token[-1] != "0" else "1")
    details = set()
    for wrong in ("", "rpsd", flipped, f"rpsd_00000000_{token.rsplit('_', 1)[1]}", token + "0", token.upper(), f"rpsd_{row['id']}_"):
        with pytest.raises(Unauthenticated) as caught:
            services.access.authenticate(wrong)
        details.add(caught.value.detail)
    assert len(details) == 1


def test_a_flood_of_failures_is_audited_in_sums(services, clock) -> None:
    for _ in range(50):
        with pytest.raises(Unauthenticated):
            services.access.authenticate("rpsd_deadbeef_" + "0" * 32)
    settle(services)
    assert actions(services).count("key.refused") == 1
    clock.now_ns += 61 * SECOND_NS
    with pytest.raises(Unauthenticated):
        services.access.authenticate("rpsd_deadbeef_" + "0" * 32)
    settle(services)
    refused = [row for row in services.access.audit(None, 100)[0] if row["action"] == "key.refused"]
    assert [row["detail"]["since_last"] for row in refused] == [50, 1]


def test_revoked_and_expired_keys_end_at_once(services, clock) -> None:
    row, token = services.access.create("desk", ["read"], by="admin")
    _, brief = services.access.create("guest", ["read"], by="admin", expires_ns=clock.now_ns + SECOND_NS)
    services.access.authenticate(brief)
    clock.now_ns += SECOND_NS
    with pytest.raises(Unauthenticated):
        services.access.authenticate(brief)
    services.access.revoke(row["id"], "admin")
    with pytest.raises(Unauthenticated):
        services.access.authenticate(token)
    assert {held["id"]: held["revoked"] is not None for held in services.access.list()}[row["id"]]
    with pytest.raises(UnknownKey):
        services.access.revoke("nobody", "admin")


def test_last_use_is_written_at_most_once_a_minute(services, clock) -> None:
    _, token = services.access.create("desk", ["read"], by="admin")
    first = clock.now_ns
    services.access.authenticate(token)
    clock.now_ns += 30 * SECOND_NS
    services.access.authenticate(token)
    settle(services)
    seen = services.database.read(lambda c: c.execute("SELECT last_used_ns FROM key").fetchall())
    assert seen == [(first,)]
    clock.now_ns += 31 * SECOND_NS
    services.access.authenticate(token)
    settle(services)
    assert services.database.read(lambda c: c.execute("SELECT last_used_ns FROM key").fetchall()) == [(clock.now_ns,)]


@pytest.mark.parametrize(
    ("wish", "pointer"),
    [
        ({"name": "", "scopes": ["read"]}, "/name"),
        ({"name": "a\nb", "scopes": ["read"]}, "/name"),
        ({"name": "x", "scopes": []}, "/scopes"),
        ({"name": "x", "scopes": ["root"]}, "/scopes"),
        ({"name": "x", "scopes": ["read"], "expires_ns": 1}, "/expires"),
        ({"name": "x", "scopes": ["read"], "limit": 0}, "/limit"),
        ({"name": "x", "scopes": ["read"], "limit": "many"}, "/limit"),
    ],
)
def test_impossible_wishes(services, wish: dict, pointer: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        services.access.create(wish.pop("name"), wish.pop("scopes"), by="admin", **wish)
    assert caught.value.errors[0].pointer == pointer
    assert services.access.list() == []


def test_two_living_keys_never_share_a_name(services, clock) -> None:
    row, _ = services.access.create("desk", ["read"], by="admin")
    with pytest.raises(StateConflict):
        services.access.create("desk", ["read"], by="admin")
    services.access.revoke(row["id"], "admin")
    services.access.create("desk", ["read"], by="admin", expires_ns=clock.now_ns + SECOND_NS)
    clock.now_ns += SECOND_NS
    services.access.create("desk", ["read"], by="admin")


def test_keys_live_on_with_their_pepper_and_die_with_another(services, clock) -> None:
    _, token = services.access.create("desk", ["read"], by="admin")
    pepper = read_pepper(services.settings.storage.secrets_dir)
    assert AccessService(services.settings, services.database, services.metrics, clock, pepper).authenticate(token).name == "desk"
    with pytest.raises(Unauthenticated):
        AccessService(services.settings, services.database, services.metrics, clock, b"x" * 32).authenticate(token)


def test_the_pepper_is_made_once_and_kept_close(tmp_path: Path) -> None:
    place = tmp_path / "secrets"
    pepper = read_pepper(place)
    assert len(pepper) == 32
    assert read_pepper(place) == pepper
    assert stat.S_IMODE((place / "pepper").stat().st_mode) == 0o600
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "pepper").write_bytes(b"c" * 40)
    assert read_pepper(place, str(credentials)) == b"c" * 40
    (place / "pepper").chmod(0o644)
    with pytest.raises(BadConfig, match="readable by others"):
        read_pepper(place)
    (place / "pepper").chmod(0o600)
    (place / "pepper").write_bytes(b"short")
    with pytest.raises(BadConfig, match="fewer"):
        read_pepper(place)


def test_the_audit_is_paged_and_verified(services) -> None:
    for number in range(5):
        services.access.record("me", "test.event", str(number), {})
    settle(services)
    first, cursor = services.access.audit(None, 3)
    second, end = services.access.audit(cursor, 3)
    assert [row["subject"] for row in first + second] == ["4", "3", "2", "1", "0"]
    assert end is None
    told = services.access.verify_audit()
    assert {name: told[name] for name in ("intact", "rows", "first_bad_row")} == {"intact": True, "rows": 5, "first_bad_row": None}
    assert services.access.verify_audit(told["anchor"])["intact"]
    assert services.access.tell_anchor() == {"seq": 5, "hash": told["anchor"].partition(":")[2]}
    with pytest.raises(InvalidRequest):
        services.access.audit("x", 3)
    assert services.database.read(audit.verify) is None
