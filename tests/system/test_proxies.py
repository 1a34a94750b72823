"""rpsd behind the real nginx and the real Caddy, each with the file that etc/ ships."""

import contextlib
import http.client
import json
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from rpsd.services.access.self_signed import self_signed
from tests.conftest import ROOT
from tests.system.by_hand import ByHand, awaited, free_port, program

pytestmark = pytest.mark.system
NAME = "rpsd.example.org"
CALLER = "127.0.0.7"  # an address of this machine that is not the proxy's
STRANGER = "203.0.113.9"
MOST_BODY = 1 << 20


@dataclass(frozen=True)
class Proxy:
    """A proxy that serves: its ports for TLS and for plain HTTP, and the box behind it."""

    box: ByHand
    port: int
    plain: int
    trust: ssl.SSLContext

    def connected(self) -> ssl.SSLSocket:
        """A TLS connection from CALLER, with the proxy's certificate checked."""
        return self.trust.wrap_socket(self.reached(), server_hostname=NAME)

    def reached(self) -> socket.socket:
        """A connection from CALLER on which nothing has been said."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=30, source_address=(CALLER, 0))

    def asked(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """Status, headers and body of one request with the admin key."""
        link = http.client.HTTPConnection(NAME, self.port)
        link.sock = self.connected()
        host = {"Host": f"{NAME}:{self.port}", "X-API-Key": self.box.key}
        try:
            link.request(method, path, body, host | (headers or {}))
            answer = link.getresponse()
            return answer.status, [(name.lower(), value) for name, value in answer.getheaders()], answer.read()
        finally:
            link.close()


def rendered(shipped: str, changes: dict[str, str]) -> str:
    text = (ROOT / "etc" / shipped).read_text(encoding="utf-8")
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def start_nginx(home: Path, box: ByHand, port: int, plain: int) -> subprocess.Popen[bytes]:
    site = rendered(
        "nginx/rpsd.conf",
        {
            "listen 80;": f"listen {plain};",
            "listen 443 ssl": f"listen {port} ssl",
            "127.0.0.1:8000": f"127.0.0.1:{box.port}",
            f"/etc/letsencrypt/live/{NAME}/fullchain.pem": f"{home}/cert.pem",
            f"/etc/letsencrypt/live/{NAME}/privkey.pem": f"{home}/key.pem",
            "client_max_body_size 2g": "client_max_body_size 4m",
        },
    )
    places = "".join(f"{kind}_temp_path {home}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    main = f"daemon off; pid {home}/nginx.pid; error_log {home}/nginx.log; events {{}} http {{ access_log off; {places}\n{site}\n}}"
    (home / "nginx.conf").write_text(main, encoding="utf-8")
    command = [program("nginx", "nginx"), "-e", f"{home}/nginx.log", "-c", f"{home}/nginx.conf"]
    said = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False, timeout=30)
    assert said.returncode == 0, said.stderr
    assert "[warn]" not in said.stderr, said.stderr
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


def start_caddy(home: Path, box: ByHand, port: int, plain: int) -> subprocess.Popen[bytes]:
    here = f"{{\n\tadmin off\n\thttp_port {plain}\n\thttps_port {port}\n\tskip_install_trust\n"
    site = rendered(
        "caddy/Caddyfile",
        {
            "127.0.0.1:8000": f"127.0.0.1:{box.port}", f"\n{NAME} {{": f"\n{NAME} {{\n\ttls {home}/cert.pem {home}/key.pem", "2GiB": "4MiB",
        },
    )  # fmt: skip
    (home / "Caddyfile").write_text(site.replace("\n{\n", f"\n{here}", 1), encoding="utf-8")
    own = os.environ | {"HOME": str(home), "XDG_DATA_HOME": str(home / "data"), "XDG_CONFIG_HOME": str(home / "config")}
    command = [program("caddy", "caddy"), "run", "--config", f"{home}/Caddyfile", "--adapter", "caddyfile"]
    with (home / "caddy.log").open("wb") as log:
        return subprocess.Popen(command, env=own, stderr=log, stdout=log)


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ByHand]:
    """rpsd as the examples ask for it: on loopback, with the proxy's address trusted."""
    server = {"trusted_proxies": ["127.0.0.1/32"], "allowed_hosts": [NAME, "localhost", "127.0.0.1"], "max_body_bytes": MOST_BODY}
    made = ByHand(tmp_path_factory.mktemp("box"), server=server)
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module", params=[start_nginx, start_caddy], ids=["nginx", "caddy"])
def proxy(request: pytest.FixtureRequest, box: ByHand, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    home = tmp_path_factory.mktemp("proxy")
    home.chmod(0o755)  # nginx's workers are of another user
    for name, pem in zip(("cert.pem", "key.pem"), self_signed([NAME], time.time_ns(), 30), strict=True):
        (home / name).write_bytes(pem)
    made = Proxy(box, free_port(), free_port(), ssl.create_default_context(cafile=home / "cert.pem"))
    process = request.param(home, box, made.port, made.plain)

    def serves() -> bool:
        with contextlib.suppress(OSError):
            return made.asked("GET", "/health")[0] > 0
        return False

    try:
        assert awaited(serves), "".join(log.read_text() for log in home.glob("*.log"))
        yield made
    finally:
        process.terminate()
        process.wait(30)


def logged_client(box: ByHand, name: str) -> str:
    """The client_ip of the line that a request of this id left."""
    found: list[str] = []

    def look() -> bool:
        found.extend(line["client_ip"] for line in box.lines() if line.get("request_id") == name)
        return bool(found)

    assert awaited(look, 10.0), name
    return found[0]


def test_tls_ends_at_the_proxy_and_hsts_is_sent_once(proxy: Proxy) -> None:
    status, headers, _ = proxy.asked("GET", "/api/v1/jobs")
    assert status == 200
    assert [value for name, value in headers if name == "strict-transport-security"] == ["max-age=31536000"]
    with proxy.connected() as link:
        assert link.version() in ("TLSv1.2", "TLSv1.3")


def test_plain_http_is_sent_on(proxy: Proxy) -> None:
    link = http.client.HTTPConnection("127.0.0.1", proxy.plain, timeout=30)
    link.request("GET", "/api/v1/jobs", headers={"Host": NAME})
    answer = link.getresponse()
    assert answer.status == 308
    assert str(answer.getheader("location")).startswith(f"https://{NAME}")
    link.close()


def test_the_caller_is_who_the_proxy_says_and_not_who_he_says(proxy: Proxy) -> None:
    name = f"proxied-{proxy.port}"
    forged = {"X-Forwarded-For": STRANGER, "X-Forwarded-Proto": "http", "Forwarded": f"for={STRANGER}", "X-Request-Id": name}
    _, headers, _ = proxy.asked("GET", "/api/v1/jobs", headers=forged)
    assert logged_client(proxy.box, name) == CALLER
    assert "strict-transport-security" in dict(headers)


def test_from_elsewhere_than_the_proxy_nobody_is_believed(box: ByHand) -> None:
    """The control: the same headers on a connection that does not come from server.trusted_proxies."""
    link = http.client.HTTPConnection("127.0.0.1", box.port, timeout=30, source_address=(CALLER, 0))
    forged = {"X-Forwarded-For": STRANGER, "X-Forwarded-Proto": "https", "X-Request-Id": "direct", "X-API-Key": box.key}
    link.request("GET", "/api/v1/jobs", headers=forged)
    answer = link.getresponse()
    assert answer.getheader("strict-transport-security") is None
    link.close()
    assert logged_client(box, "direct") == CALLER
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", box.port, timeout=30)) as trusted:
        trusted.request("GET", "/api/v1/jobs", headers=forged | {"X-Request-Id": "trusted"})
        assert trusted.getresponse().getheader("strict-transport-security")
    assert logged_client(box, "trusted") == STRANGER


def test_a_body_beyond_the_limit_is_refused_by_rpsd_and_far_beyond_by_the_proxy(proxy: Proxy) -> None:
    status, headers, body = proxy.asked("POST", "/api/v1/denoise", b" " * (2 * MOST_BODY), {"Content-Type": "application/json"})
    assert (status, dict(headers)["content-type"]) == (413, "application/problem+json")
    assert json.loads(body)["code"] == "body_too_large"
    with contextlib.suppress(ConnectionError):  # the connection may end while we still send
        assert proxy.asked("POST", "/api/v1/denoise", b" " * (5 << 20), {"Content-Type": "text/csv"})[0] in (413, 502)
    assert proxy.asked("GET", "/api/v1/jobs")[0] == 200


def test_rows_stream_through_in_both_directions(proxy: Proxy) -> None:
    rows = "t,close\n" + "".join(f"{1_700_000_000_000_000_000 + second * 1_000_000_000},{second}.5\n" for second in range(50_000))
    path = f"/api/v1/series/PROXY{proxy.port}/1s/samples"
    status, _, told = proxy.asked("POST", path, rows.encode(), {"Content-Type": "text/csv"})
    assert (status, json.loads(told)["inserted"]) == (200, 50_000)
    status, _, back = proxy.asked("GET", f"{path}?limit=50000&time=ns", headers={"Accept": "text/csv"})
    assert (status, back.decode()) == (200, rows)


def test_a_websocket_goes_through(proxy: Proxy) -> None:
    url, headers = f"wss://{NAME}:{proxy.port}/api/v1/ws", {"X-API-Key": proxy.box.key, "X-Forwarded-For": STRANGER}
    with connect(url, sock=proxy.reached(), ssl=proxy.trust, server_hostname=NAME, additional_headers=headers) as link:
        assert told(link, type="subscribe", channels=["alerts"])["type"] == "subscribe_confirmed"
        rows = {"t": ["2024-01-02"], "close": [100]}
        assert told(link, type="samples", id="1", symbol="DEMO", interval="1d", data=rows)["type"] == "ack"
        assert told(link, type="ping") == {"type": "pong"}


def told(link: Any, **frame: Any) -> Any:
    link.send(json.dumps(frame))
    return json.loads(link.recv(timeout=10))


def test_events_arrive_as_they_happen(proxy: Proxy) -> None:
    """Not when some buffer is full: the first event comes while the stream is open."""
    with proxy.connected() as link:
        head = f"GET /api/v1/events?channels=jobs HTTP/1.1\r\nHost: {NAME}:{proxy.port}\r\nX-API-Key: {proxy.box.key}\r\n\r\n"
        link.sendall(head.encode())
        link.settimeout(10)
        received = b""
        while b"subscribe_confirmed" not in received:
            received += link.recv(65536)
        assert proxy.asked("POST", "/api/v1/jobs/upkeep/run")[0] == 202
        while b'"channel":"jobs"' not in received:
            received += link.recv(65536)
    assert b"text/event-stream" in received


def test_metrics_are_not_handed_out(proxy: Proxy) -> None:
    assert proxy.asked("GET", "/metrics")[0] == 403
