"""What a TLS client is offered: no version before 1.2, no suite without forward secrecy or authentication, and the newest first."""

import socket
import ssl
import threading
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from rpsd.services.access.self_signed import self_signed

WEAK = (
    "AES128-SHA", "AES256-SHA256", "AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384", "NULL-SHA256",
    "ECDHE-ECDSA-NULL-SHA", "AECDH-AES128-SHA", "PSK-AES128-GCM-SHA256",
)  # fmt: skip
"""Suites of TLS 1.2 without forward secrecy, with CBC, without encryption, or without a certificate."""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    place = tmp_path_factory.mktemp("pair")
    files = place / "cert.pem", place / "key.pem"
    for path, pem in zip(files, self_signed(["127.0.0.1"], time.time_ns(), 30), strict=True):
        path.write_bytes(pem)
        path.chmod(0o600)
    return files


@pytest.fixture(scope="module")
def port(launch: Any, pair: tuple[Path, Path]) -> int:
    """Of a server that speaks TLS."""
    return int(launch(SERVER__TLS_CERT=str(pair[0]), SERVER__TLS_KEY=str(pair[1])).server.port)


def client(least: ssl.TLSVersion, most: ssl.TLSVersion, suites: str = "ALL") -> ssl.SSLContext:
    """One that asks for these, however old."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers(f"{suites}:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that they are old is the point
        context.minimum_version, context.maximum_version = least, most
    return context


def shaken(port: int, context: ssl.SSLContext) -> str | None:
    """The version of the handshake; None when it is refused."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        try:
            with context.wrap_socket(plain) as secure:
                return secure.version()
        except (ssl.SSLError, ConnectionResetError, EOFError):
            return None


@pytest.fixture
def lax(pair: tuple[Path, Path]) -> Any:
    """A server of the old days: it takes what it is asked for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                plain, _ = listening.accept()
            except OSError:
                return
            with suppress(OSError), context.wrap_socket(plain, server_side=True) as secure:
                secure.recv(1)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listening.getsockname()[1]
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join()


def test_the_newest_version_is_taken_and_1_2_is_the_oldest(port: int) -> None:
    assert shaken(port, client(ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_3)) == "TLSv1.3"
    assert shaken(port, client(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2)) == "TLSv1.2"
    for old in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        assert shaken(port, client(old, old)) is None


def test_weak_suites_are_refused(port: int) -> None:
    for suite in WEAK:
        assert shaken(port, client(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2, suite)) is None, suite


def test_a_lax_server_takes_what_is_refused_here(lax: int) -> None:
    """The control: these clients do ask for what they are refused."""
    assert shaken(lax, client(ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_1)) == "TLSv1.1"
    taken = [s for s in WEAK if shaken(lax, client(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2, s)) == "TLSv1.2"]
    assert {"ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384", "ECDHE-ECDSA-NULL-SHA", "AECDH-AES128-SHA"} <= set(taken)


def test_who_came_by_tls_is_told_to_come_so_for_a_year(port: int) -> None:
    with httpx.Client(verify=client(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3, "DEFAULT")) as http:
        for path in ("/health", "/nowhere", "/api/v1/series"):
            assert "max-age=31536000" in http.get(f"https://127.0.0.1:{port}{path}").headers["strict-transport-security"]
