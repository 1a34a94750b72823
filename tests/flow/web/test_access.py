"""Keys, tokens and tickets through the front door: who gets in where, and how soon nobody does any more."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from rpsd.client import Client
from rpsd.core.errors import Forbidden, StateConflict, Unauthenticated
from rpsd.core.market import SECOND_NS
from rpsd.web.app import build_inner
from rpsd.web.auth import declared
from tests.flow.web.conftest import NOWHERE, SCOPES

Running = Any
JSON = {"content-type": "application/json"}
ACTS = ("/api/v1/admin/backups", "/api/v1/admin/backups/prune", "/api/v1/admin/snapshots", "/api/v1/admin/signing-keys/rotate")
"""What takes no body does its work for whoever may."""


@pytest.fixture
def made(running: Running) -> Iterator[dict[str, Any]]:
    """A key with two scopes, revoked afterwards."""
    name = f"flow {time.monotonic_ns()}"
    row, key = running.services.access.create(name, ["read", "predict"], by="test")
    yield {**row, "key": key}
    running.services.access.revoke(row["id"], "test")


def ended(running: Running) -> dict[str, str]:
    """What has worked once and does no longer: a revoked key, an expired one, and tokens that ended with each or by themselves."""
    access, found = running.services.access, {}
    name = f"gone {time.monotonic_ns()}"
    row, found["revoked"] = access.create(f"{name} r", ["admin"], by="test")
    found["token of a revoked key"] = access.token(found["revoked"])["token"]
    _, found["expired"] = access.create(f"{name} e", ["admin"], by="test", expires_ns=time.time_ns() + SECOND_NS)
    found["token of an expired key"] = access.token(found["expired"])["token"]
    access.revoke(row["id"], "test")
    live = access.token(running.keys["admin"])["token"]
    access.end_token(access.authenticate(live))
    found["token called back"] = live
    time.sleep(1.1)
    return found


def test_every_role_on_every_route(launch: Any) -> None:
    """Nobody without a key, nobody whose key or token has ended, and each scope exactly where it is declared: by key and by token."""
    running = launch(LIMITS__PUBLIC="1000000/min", LIMITS__TRAIN="1000000/min")
    access = running.services.access
    refused = {"none": "", "unknown": f"rpsd_00000000_{'0' * 32}", "no token": "a.b.c", **ended(running)}
    holding = {f"key {scope}": (scope, running.keys[scope]) for scope in SCOPES}
    holding |= {f"token {scope}": (scope, access.token(running.keys[scope])["token"]) for scope in SCOPES}
    seen = 0
    with httpx.Client(base_url=running.base, timeout=60) as http:
        for path, method, operation in declared(build_inner(running.services)):
            assert operation is not None, path
            if operation.scope == "public" or operation.monitoring:
                continue
            url, content = path.format(**NOWHERE), b"!" if method == "POST" else None
            for role, text in refused.items():
                headers = {**JSON, **({"authorization": f"Bearer {text}"} if text else {})}
                status = http.request(method, url, content=content, headers=headers).status_code
                assert status == 401, (method, path, role, status)
            for role, (scope, text) in holding.items():
                allowed = scope in (operation.scope, "admin")
                if allowed and url in ACTS:
                    continue
                answer = http.request(method, url, content=content, headers={**JSON, "authorization": f"Bearer {text}"})
                assert (answer.status_code not in (401, 403)) == allowed, (method, path, role, answer.status_code)
                assert answer.status_code < 500, (method, path, role, answer.text)
                assert allowed or answer.status_code == 403
                seen += 1
    assert seen > 500


def test_a_key_is_swapped_for_a_token_and_the_token_ends(running: Running, made: dict[str, Any]) -> None:
    with Client(running.base, key=made["key"]) as client:
        token = client.token(["read"])
    assert token["scopes"] == ["read"]
    with httpx.Client(base_url=running.base, headers={"authorization": f"Bearer {token['token']}"}) as http:
        assert http.get("/api/v1/series").status_code == 200
        assert http.post("/api/v1/denoise", json={"values": [1, 2, 3, 4, 5, 6, 7, 8]}).status_code == 403
        assert http.post("/api/v1/auth/token").status_code == 401
        assert http.delete("/api/v1/auth/token").status_code == 204
        assert http.get("/api/v1/series").status_code == 401
        assert http.delete("/api/v1/auth/token").status_code == 401


@pytest.mark.parametrize("body", [b"", b"{}"])
def test_a_token_without_wishes_holds_every_scope(running: Running, made: dict[str, Any], body: bytes) -> None:
    answer = httpx.post(f"{running.base}/api/v1/auth/token", content=body, headers={"x-api-key": made["key"]})
    assert answer.status_code == 200
    assert answer.json()["scopes"] == ["read", "predict"]
    assert answer.headers["cache-control"] == "no-store"


def test_what_makes_no_token(running: Running, made: dict[str, Any]) -> None:
    url = f"{running.base}/api/v1/auth/token"
    assert httpx.post(url).status_code == 401
    assert httpx.post(url, headers={"x-api-key": made["key"][:-1]}).status_code == 401
    assert httpx.post(url, headers={"x-api-key": made["key"]}, json={"scopes": ["admin"]}).status_code == 403
    assert httpx.post(url, headers={"x-api-key": made["key"]}, json={"scopes": []}).status_code == 422
    assert httpx.post(url, headers={"x-api-key": made["key"]}, json={"ttl": 1}).status_code == 422
    answer = httpx.delete(url, headers={"x-api-key": made["key"]})
    assert answer.json()["code"] == "invalid_request"


def test_a_ticket_needs_read_and_opens_once(running: Running, made: dict[str, Any]) -> None:
    with Client(running.base, key=made["key"]) as client:
        ticket = client.ticket()["ticket"]
    assert running.services.access.redeem(ticket).id == made["id"]
    with pytest.raises(Unauthenticated):
        running.services.access.redeem(ticket)
    with Client(running.base, key=running.keys["ingest"]) as client, pytest.raises(Forbidden):
        client.ticket()


def test_a_revoked_key_ends_within_a_second_on_an_open_connection(running: Running) -> None:
    row, key = running.services.access.create(f"brief {time.monotonic_ns()}", ["read"], by="test")
    with Client(running.base, key=key) as client, Client(running.base, key=running.keys["admin"]) as admin:
        client.series()
        admin.revoke_key(row["id"])
        begun = time.monotonic()
        with pytest.raises(Unauthenticated):
            client.series()
        assert time.monotonic() - begun < 1


def test_a_rotated_key_and_its_successor(running: Running) -> None:
    with Client(running.base, key=running.keys["admin"]) as admin:
        old = admin.create_key(f"turning {time.monotonic_ns()}", ["read"], limit="100/s")
        assert old["limit"] == 6000
        new = admin.rotate_key(old["id"], "1h")
        assert (new["name"], new["scopes"], new["limit"]) == (old["name"], old["scopes"], old["limit"])
        with pytest.raises(StateConflict):
            admin.rotate_key(old["id"])  # an answer that was lost can be asked for again without harm
        for key in (old["key"], new["key"]):
            with Client(running.base, key=key) as client:
                client.series()
        last = admin.rotate_key(new["id"], 0)
        with Client(running.base, key=new["key"]) as client, pytest.raises(Unauthenticated):
            client.series()
        listed = admin.keys()
        held = {row["id"]: row for row in listed}
        assert held[old["id"]]["replaced_by"] == new["id"]
        assert not any("key" in row or "hash" in row for row in held.values())
        for row in (old, last):
            admin.revoke_key(row["id"])


@pytest.mark.parametrize("overlap", [-1, 7_776_001, "91d", "long", "", None, 1.5, [1]])
def test_overlaps_that_are_none(running: Running, http: httpx.Client, overlap: Any) -> None:
    answer = http.post("/api/v1/admin/keys/none/rotate", json={"overlap": overlap})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/overlap")


def test_keys_page(running: Running, http: httpx.Client, made: dict[str, Any]) -> None:
    first = http.get("/api/v1/admin/keys", params={"limit": 2}).json()
    assert len(first["keys"]) == 2
    ids, following = [row["id"] for row in first["keys"]], first["next"]
    while following:
        page = http.get("/api/v1/admin/keys", params={"limit": 2, "after": following}).json()
        ids, following = ids + [row["id"] for row in page["keys"]], page["next"]
    assert made["id"] in ids
    assert len(ids) == len(set(ids))
    assert http.get("/api/v1/admin/keys", params={"after": "none"}).status_code == 422


def test_signing_keys_rotate_without_ending_tokens(running: Running, made: dict[str, Any]) -> None:
    with Client(running.base, key=made["key"]) as client, Client(running.base, key=running.keys["admin"]) as admin:
        token = client.token()["token"]
        listed = admin.rotate_signing_keys()
        assert listed == admin.signing_keys()
        assert all(set(row) == {"kid", "algorithm", "created", "signs"} for row in listed)
        with Client(running.base, key=token) as other:
            other.series()


def test_strangers_behind_a_trusted_proxy_lock_out_themselves_alone(launch: Any) -> None:
    running = launch(SERVER__TRUSTED_PROXIES="127.0.0.1", AUTH__LOCKOUT__FAILURES="3")
    wrong = {"x-api-key": f"rpsd_00000000_{'0' * 32}"}
    with httpx.Client(base_url=running.base) as http:

        def ask(peer: str, headers: dict[str, str]) -> int:
            return http.get("/api/v1/series", headers={"x-forwarded-for": peer, **headers}).status_code

        assert ask("192.0.2.1", {"x-api-key": running.keys["read"]}) == 200
        assert [ask("192.0.2.1", wrong) for _ in range(4)] == [401, 401, 401, 429]
        assert ask("192.0.2.1", {"x-api-key": running.keys["read"]}) == 200  # it has worked from there
        assert ask("192.0.2.1", {"x-api-key": running.keys["train"]}) == 429
        assert ask("192.0.2.2", {"x-api-key": running.keys["admin"]}) == 200
        assert ask("2001:db8::1", wrong) == ask("2001:db8::2", wrong) == ask("2001:db8::3", wrong) == 401
        answer = http.get("/api/v1/series", headers={"x-forwarded-for": "2001:db8::4", **wrong})
        assert answer.json()["code"] == "locked_out"
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        metrics = http.get("/metrics").text
    assert "rpsd_lockouts_total 2.0" in metrics
    assert 'rpsd_logins_failed_total{kind="key"}' in metrics


def test_where_no_key_is_asked_for_a_page_of_another_site_may_write_nothing(launch: Any) -> None:
    running = launch(AUTH__REQUIRED="false")
    rows, path = b'{"t":["2024-01-02"],"close":[1]}', "/api/v1/series/CSRF/1d/samples"
    with httpx.Client(base_url=running.base, timeout=30) as http:
        for origin in ("https://evil.example", "null", f"http://127.0.0.1:{running.server.port + 1}", f"{running.base}.evil.example"):
            # as a page sends them without asking: a body without a type, and no body
            for refused in (
                http.post(path, content=rows, headers={"origin": origin}),
                http.post("/api/v1/drift/scan", headers={"origin": origin}),
                http.post("/api/v1/auth/ws-ticket", headers={"origin": origin}),
            ):
                assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
                assert "ratelimit-policy" in refused.headers
        assert http.get("/api/v1/series").json()["series"] == []
        assert http.post(path, content=rows, headers={"origin": running.base}).json()["inserted"] == 1
        assert http.post(path, content=rows).json()["unchanged"] == 1
