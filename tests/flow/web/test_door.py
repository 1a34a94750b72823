"""Who is let in through which door: hosts, origins, proxies, and the headers that every answer carries."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

ORIGIN = "https://desk.lan"
ALWAYS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


def raw(port: int, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while b"\r\n\r\n" not in answer and (part := connection.recv(65536)):
            answer += part
    return answer


@pytest.fixture(scope="module")
def opened(launch: Any) -> Any:
    """A server with one foreign origin, and a proxy on this machine that is trusted."""
    return launch(
        SERVER__CORS_ORIGINS=ORIGIN, SERVER__TRUSTED_PROXIES="127.0.0.1", SERVER__ALLOWED_HOSTS="127.0.0.1,localhost,*.box.lan,::1"
    )


@pytest.fixture
def foreign(opened: Any) -> Iterator[httpx.Client]:
    with opened.client("read") as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "key"),
    [
        ("GET", "/health", False), ("GET", "/nowhere", False), ("GET", "/api/v1/series", False), ("GET", "/api/v1/series", True),
        ("DELETE", "/health", False), ("POST", "/api/v1/denoise", True), ("GET", "/manual/%00", False), ("OPTIONS", "/api/v1/series", True),
    ],
)  # fmt: skip
def test_every_answer_carries_the_headers(running: Any, method: str, path: str, key: bool) -> None:
    with running.client("read" if key else None) as client:
        answer = client.request(method, path)
    assert {name: answer.headers.get(name) for name in ALWAYS} == ALWAYS
    assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert "strict-transport-security" not in answer.headers  # plain HTTP on this machine
    assert answer.headers.get_list("server") == ["rpsd"]  # and not which engine


@pytest.mark.parametrize("path", ["/", "/docs", "/manual", "/manual/errors"])
def test_pages_for_people_have_a_policy_without_inline_script(running: Any, path: str) -> None:
    with running.client(None) as client:
        answer = client.get(path)
    policy = answer.headers["content-security-policy"]
    rules = dict(rule.strip().partition(" ")[::2] for rule in policy.split(";"))
    assert rules["default-src"] in ("'none'", "'self'")
    assert rules.get("script-src", "'self'") == "'self'"
    assert (rules["object-src"], rules["base-uri"]) == ("'none'", "'none'")
    assert "frame-ancestors 'none'" in policy
    assert "<script>" not in answer.text
    assert "onclick=" not in answer.text


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "https://desk.lan.evil.example", "http://desk.lan", "https://desk.lan:8443"]
)
def test_foreign_pages_are_told_nothing(foreign: httpx.Client, origin: str) -> None:
    for method in ("GET", "OPTIONS"):
        headers = {"origin": origin, "access-control-request-method": "GET", "access-control-request-headers": "x-api-key"}
        answer = foreign.request(method, "/api/v1/series", headers=headers)
        assert answer.headers.get("access-control-allow-origin") is None
        assert "access-control-allow-credentials" not in answer.headers


def test_the_listed_origin_may_call(foreign: httpx.Client) -> None:
    asked = {"origin": ORIGIN, "access-control-request-method": "POST", "access-control-request-headers": "x-api-key,content-type"}
    with httpx.Client(base_url=foreign.base_url) as keyless:  # a browser sends no key before it may
        allowed = keyless.options("/api/v1/denoise", headers=asked)
    assert allowed.status_code == 204
    assert allowed.headers["access-control-allow-origin"] == ORIGIN
    assert "x-api-key" in allowed.headers["access-control-allow-headers"].lower()
    answer = foreign.get("/api/v1/series", headers={"origin": ORIGIN})
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "origin" in answer.headers["vary"].lower()
    assert "access-control-allow-credentials" not in answer.headers
    refused = foreign.get("/nowhere", headers={"origin": ORIGIN})
    assert refused.headers["access-control-allow-origin"] == ORIGIN  # else a page cannot read why


def test_closed_by_default(running: Any) -> None:
    with running.client("read") as client:
        for method in ("GET", "OPTIONS"):
            headers = {"origin": ORIGIN, "access-control-request-method": "GET"}
            answer = client.request(method, "/api/v1/series", headers=headers)
            assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200), ("LOCALHOST:1", 200), ("127.0.0.1:8000", 200), ("[::1]:8000", 200), ("a.box.lan", 200),
        ("box.lan", 403), ("xbox.lan", 403), ("evil.example", 403), ("localhost.evil.example", 403), ("localhost@evil.example", 403),
        ("", 403), ("[::1", 403), ("localhost evil", 403), ("evil#localhost", 403),
        ("localhost:80:80", 403), ("localhost:x", 403), ("127.0.0.1.", 403), ("2130706433", 403),
    ],
)  # fmt: skip
def test_hosts(opened: Any, host: str, status: int) -> None:
    answer = raw(opened.server.port, f"GET /health/live HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert int(answer.split(b" ", 2)[1]) in ((200,) if status == 200 else (400, 403)), answer[:200]


def test_two_hosts_are_one_too_many(opened: Any) -> None:
    for hosts in ("Host: localhost\r\nHost: evil.example", "Host: evil.example\r\nHost: localhost"):
        answer = raw(opened.server.port, f"GET /health/live HTTP/1.1\r\n{hosts}\r\nConnection: close\r\n\r\n".encode())
        assert int(answer.split(b" ", 2)[1]) in (400, 422), answer[:200]


def test_forwarded_headers_count_from_trusted_proxies_alone(opened: Any, running: Any) -> None:
    forwarded = {"x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https"}
    with opened.client("read") as behind, running.client("read") as direct:
        assert "strict-transport-security" in behind.get("/health", headers=forwarded).headers
        assert "strict-transport-security" not in direct.get("/health", headers=forwarded).headers
        assert behind.get("/metrics", headers={**forwarded, "x-api-key": ""}).status_code == 401  # not loopback any more
        assert direct.get("/metrics", headers={**forwarded, "x-api-key": ""}).status_code == 200


def audited(served: Any, action: str) -> list[dict[str, Any]]:
    for _ in range(100):
        if rows := served.services.access.audit(None, 100, action=action)[0]:
            return list(rows)
        time.sleep(0.02)
    return []


def test_what_is_denied_is_audited_with_who_and_from_where(opened: Any) -> None:
    with opened.client("read") as client:
        refused = client.get("/api/v1/admin/keys", headers={"x-forwarded-for": "203.0.113.9"})
    assert refused.status_code == 403
    row = audited(opened, "access.denied")[-1]
    assert row["detail"]["since_last"] >= 1
    assert "reason" in row["detail"]
    assert row["detail"]["from"]


def test_acts_are_audited_with_who_and_from_where(opened: Any) -> None:
    with opened.client("admin") as client:
        made = client.post(
            "/api/v1/admin/keys", json={"name": "of the door", "scopes": ["read"]}, headers={"x-forwarded-for": "203.0.113.7"}
        )
        assert made.status_code == 201
        client.delete(f"/api/v1/admin/keys/{made.json()['id']}", headers={"x-forwarded-for": "203.0.113.8"})
        found = client.get("/api/v1/admin/audit", params={"action": "key.revoke", "limit": 1}).json()["audit"]
        wrong = client.get("/api/v1/admin/audit", params={"action": "Key"})
    assert found[0]["detail"]["from"] == "203.0.113.8"
    assert wrong.status_code == 422
    assert audited(opened, "key.create")[0]["detail"]["from"] == "203.0.113.7"
