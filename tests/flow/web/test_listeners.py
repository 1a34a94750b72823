"""The other ways in: a port of its own for monitoring, and HTTPS."""

import socket
import ssl
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def test_the_monitoring_port_answers_metrics_and_health_alone(launch: Any) -> None:
    served = launch(MONITORING__METRICS_PORT=str(free_port()))
    assert served.server.monitoring_port != served.server.port
    with httpx.Client(base_url=f"http://127.0.0.1:{served.server.monitoring_port}") as client:
        assert "rpsd_build_info" in client.get("/metrics").text
        assert client.get("/health").json()["status"] in ("healthy", "degraded")
        refused = client.get("/api/v1/series", headers={"x-api-key": served.keys["read"]})
        assert (refused.status_code, refused.json()["code"]) == (404, "unknown_route")
        assert "X-Request-Id" in refused.headers
    with served.client("read") as client:
        assert client.get("/metrics").status_code == 200


def test_without_a_setting_there_is_one_port(running: Any) -> None:
    assert running.server.monitoring_port == running.server.port


def test_connections_beyond_the_limit_wait_until_one_goes(launch: Any) -> None:
    served = launch(SERVER__MAX_CONNECTIONS="16")
    address = ("127.0.0.1", served.server.port)
    ask = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n"
    held = [socket.create_connection(address, timeout=5) for _ in range(16)]
    try:
        for connection in held:
            connection.sendall(ask)
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        with socket.create_connection(address, timeout=0.3) as late:
            late.sendall(ask)
            with pytest.raises(TimeoutError):
                late.recv(1)
            held.pop().close()
            late.settimeout(5)
            assert late.recv(4096).startswith(b"HTTP/1.1 200")
    finally:
        for connection in held:
            connection.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its key."""
    place = tmp_path_factory.mktemp("tls")
    cert, key = place / "cert.pem", place / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    key.chmod(0o600)
    return cert, key


def test_with_a_certificate_the_api_speaks_https(launch: Any, certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    served = launch(SERVER__TLS_CERT=str(cert), SERVER__TLS_KEY=str(key))
    trusted = ssl.create_default_context(cafile=str(cert))
    with httpx.Client(base_url=f"https://127.0.0.1:{served.server.port}", verify=trusted) as client:
        answer = client.get("/health")
        assert answer.status_code == 200
        assert "strict-transport-security" in answer.headers
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"http://127.0.0.1:{served.server.port}/health")
