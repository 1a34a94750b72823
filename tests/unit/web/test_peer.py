"""Who may speak plain HTTP, and whose headers are believed."""

import asyncio
import ipaddress
from pathlib import Path

import httpx
import pytest

from rpsd.config import read
from rpsd.core.errors import Forbidden, InvalidRequest
from rpsd.services.wiring import open_services
from rpsd.web.app import build_app
from rpsd.web.peer import PlainHttp, check_single, client_ip, gathered, within

LAN = [ipaddress.ip_network("192.168.1.0/24")]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "192.168.1.7", "::ffff:192.168.1.7", "10.0.0.1"])
def test_this_machine_and_the_named_networks_may_speak_plain_http(host: str) -> None:
    door = PlainHttp(LAN, [ipaddress.ip_network("10.0.0.1/32")])
    door.check(host)
    door.check(host)


@pytest.mark.parametrize("host", ["192.168.2.7", "10.0.0.2", "8.8.8.8", "fd00::2", "nonsense"])
def test_nobody_else_may(host: str) -> None:
    with pytest.raises(Forbidden, match="plain HTTP"):
        PlainHttp(LAN, [ipaddress.ip_network("10.0.0.1/32")]).check(host)


@pytest.mark.parametrize("client", [None, ("", 0)])
def test_the_admin_socket_is_called_unix(client: object) -> None:
    assert client_ip(client, {}, []) == "unix"


def test_what_is_no_address_is_in_no_network() -> None:
    assert not within("unix", [ipaddress.ip_network("0.0.0.0/0")])


@pytest.mark.parametrize(("peer", "status"), [("192.168.1.7", 200), ("192.168.2.7", 403), ("127.0.0.1", 200)])
def test_the_edge_refuses_plain_http_from_elsewhere(tmp_path: Path, peer: str, status: int) -> None:
    environ = {
        "RPSD_DATA_DIR": str(tmp_path),
        "RPSD_SERVER__HOST": "0.0.0.0",
        "RPSD_SERVER__PLAIN_HTTP_FROM": "192.168.1.0/24",
    }

    async def ask() -> httpx.Response:
        with open_services(read(environ=environ), worker=False) as services:
            transport = httpx.ASGITransport(build_app(services), client=(peer, 4000))
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                return await client.get("/health/live")

    answer = asyncio.run(ask())
    assert answer.status_code == status
    assert status == 200 or answer.json()["hint"].startswith("Speak HTTPS")


PROXIES = [ipaddress.ip_network("10.0.0.0/24")]


@pytest.mark.parametrize(
    ("lines", "caller"),
    [
        (["203.0.113.9"], "203.0.113.9"),
        (["192.0.2.66, 203.0.113.9"], "203.0.113.9"),
        (["192.0.2.66, 203.0.113.9:4711"], "203.0.113.9"),  # proxies that write the port too
        (["192.0.2.66, [2001:db8::9]:4711"], "2001:db8::9"),
        (["192.0.2.66, ::ffff:203.0.113.9"], "203.0.113.9"),
        (["192.0.2.66, unknown"], "10.0.0.1"),  # what a stranger wrote before it proves nothing
        (["192.0.2.66, "], "10.0.0.1"),
        (["192.0.2.66, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        (["192.0.2.66, nonsense, 10.0.0.2"], "10.0.0.2"),
        (["203.0.113.9", "10.0.0.2"], "203.0.113.9"),  # each proxy added a line of its own
        (["192.0.2.66", "203.0.113.9"], "203.0.113.9"),
        (["fe80::1%<script>"], "10.0.0.1"),
        (["10.0.0.7"], "10.0.0.7"),
    ],
)
def test_who_calls_is_what_the_proxies_wrote_and_never_what_a_stranger_did(lines: list[str], caller: str) -> None:
    headers = gathered([(b"host", b"localhost"), *((b"x-forwarded-for", line.encode()) for line in lines)])
    assert client_ip(("10.0.0.1", 4000), headers, PROXIES) == caller
    assert client_ip(("192.0.2.1", 4000), headers, PROXIES) == "192.0.2.1"


@pytest.mark.parametrize("name", ["host", "authorization", "x-api-key", "origin"])
def test_what_says_who_and_where_to_comes_once(name: str) -> None:
    lines = [(b"host", b"a"), (b"accept", b"x"), (b"accept", b"y"), (name.encode(), b"b")]
    if name == "host":
        with pytest.raises(InvalidRequest, match="more than one host"):
            check_single(lines, gathered(lines))
        return
    check_single(lines, gathered(lines))
    twice = [*lines, (name.encode(), b"b")]
    with pytest.raises(InvalidRequest, match=f"more than one {name}"):
        check_single(twice, gathered(twice))
