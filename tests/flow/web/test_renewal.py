"""A renewed certificate is taken up while clients come and go; nobody is refused, and files that cannot serve change nothing."""

import asyncio
import http.client
import ssl
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rpsd.client import Client
from rpsd.core.errors import Unavailable
from rpsd.services.access.self_signed import self_signed
from rpsd.web.process.engine import Granian


def write_pair(place: Path, *, days: int = 30) -> None:
    """A new self-signed certificate for 127.0.0.1 and its key in the place, each replaced as a renewal replaces it."""
    earlier_ns = 2 * 86_400_000_000_000 if days < 0 else 0
    for name, pem in zip(("cert.pem", "key.pem"), self_signed(["127.0.0.1"], time.time_ns() - earlier_ns, abs(days)), strict=True):
        (place / "fresh").write_bytes(pem)
        (place / "fresh").chmod(0o600)
        (place / "fresh").replace(place / name)


def write_odd_pair(place: Path) -> None:
    """A pair on a curve that OpenSSL knows and the engine does not."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp521r1", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-keyout", str(place / "key.pem"), "-out", str(place / "cert.pem")]
    subprocess.run(command, check=True, capture_output=True)


def served_certificate(port: int) -> str:
    return ssl.get_server_certificate(("127.0.0.1", port))


def renew(served: Any) -> None:
    asyncio.run_coroutine_threadsafe(served.server.renew_certificate(), served.server._loop).result(20)


@pytest.fixture(scope="module")
def over_tls(launch: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    place = tmp_path_factory.mktemp("tls")
    write_pair(place)
    served = launch(SERVER__TLS_CERT=str(place / "cert.pem"), SERVER__TLS_KEY=str(place / "key.pem"))
    served.place = place
    return served


@pytest.fixture
def secured(over_tls: Any) -> Any:
    """The server with a good certificate of thirty days, whatever the test before left."""
    write_pair(over_tls.place)
    renew(over_tls)
    return over_tls


class Visitors:
    """Threads that ask all the time, on new connections and on kept ones; `seen` counts answers and failures."""

    def __init__(self, port: int) -> None:
        self._port, self._ended = port, threading.Event()
        self._trust = ssl.create_default_context()
        self._trust.check_hostname, self._trust.verify_mode = False, ssl.CERT_NONE
        self.seen: Counter[str] = Counter()
        self._threads = [threading.Thread(target=self._ask_on, args=(kept,)) for kept in (False, False, True, True)]

    def __enter__(self) -> "Visitors":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(20)

    def _ask_on(self, kept: bool) -> None:
        while not self._ended.is_set():
            connection = http.client.HTTPSConnection("127.0.0.1", self._port, timeout=10, context=self._trust)
            try:
                more = True
                while more and not self._ended.is_set():
                    connection.request("GET", "/health/live")
                    answer = connection.getresponse()
                    answer.read()
                    self.seen[str(answer.status)] += 1
                    more = kept and not answer.will_close
            except (OSError, http.client.HTTPException) as error:
                self.seen[f"{'kept' if kept else 'new'}: {error!r}"] += 1
            finally:
                connection.close()


@pytest.fixture
def visitors(secured: Any) -> Iterator[Visitors]:
    with Visitors(secured.server.port) as come:
        yield come


def test_a_renewal_refuses_nobody(secured: Any, visitors: Visitors) -> None:
    before = served_certificate(secured.server.port)
    for _ in range(3):
        write_pair(secured.place)
        renew(secured)
        time.sleep(0.3)
        after = served_certificate(secured.server.port)
        assert after != before
        assert after.strip() == (secured.place / "cert.pem").read_text().strip()
        before = after
    assert set(visitors.seen) == {"200"}, visitors.seen


def test_what_is_in_flight_is_finished_by_the_old_engine(secured: Any) -> None:
    trust = ssl.create_default_context(cafile=str(secured.place / "cert.pem"))
    connection = http.client.HTTPSConnection("127.0.0.1", secured.server.port, timeout=20, context=trust)
    connection.putrequest("POST", "/api/v1/denoise")
    connection.putheader("x-api-key", secured.keys["predict"])
    connection.putheader("content-type", "application/json")
    body = b'{"values":[' + b",".join(b"1.5" for _ in range(200)) + b"]}"
    connection.putheader("content-length", str(len(body)))
    connection.endheaders()
    connection.send(body[:50])
    write_pair(secured.place)
    renew(secured)
    connection.send(body[50:])
    answer = connection.getresponse()
    assert answer.status == 200
    assert answer.read().startswith(b"{")
    assert answer.getheader("connection") == "close"
    connection.close()


@pytest.mark.parametrize("harm", ["other key", "no key", "no certificate", "curve", "expired"])
def test_files_that_cannot_serve_change_nothing(secured: Any, harm: str) -> None:
    before = served_certificate(secured.server.port)
    cert, key = secured.place / "cert.pem", secured.place / "key.pem"
    if harm == "other key":
        kept = cert.read_bytes()
        write_pair(secured.place)
        cert.write_bytes(kept)
    elif harm == "no key":
        key.unlink()
    elif harm == "no certificate":
        cert.write_text("none")
    elif harm == "curve":
        write_odd_pair(secured.place)
    else:
        write_pair(secured.place, days=-1)
    renew(secured)
    assert served_certificate(secured.server.port) == before
    assert secured.services.health.full()["services"]["certificate"] == {"status": "degraded", "code": "certificate_refused"}
    write_pair(secured.place)
    renew(secured)
    assert served_certificate(secured.server.port) != before
    assert secured.services.health.full()["services"]["certificate"] == {"status": "healthy"}


def test_an_engine_that_does_not_serve_leaves_the_old_one(secured: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def ends(_: Any) -> None:
        return

    before = served_certificate(secured.server.port)
    write_pair(secured.place)
    with monkeypatch.context() as broken:
        broken.setattr(Granian, "serve", ends)
        renew(secured)
    assert served_certificate(secured.server.port) == before
    assert secured.services.health.full()["services"]["certificate"]["code"] == "certificate_refused"


def test_the_end_of_the_certificate_is_told(secured: Any) -> None:
    write_pair(secured.place, days=5)
    renew(secured)
    assert secured.services.health.full()["services"]["certificate"]["code"] == "certificate_expiring"
    told = secured.services.metrics.tls_certificate_expiry_timestamp_seconds._value.get()
    assert abs(told - time.time() - 5 * 86400) < 60


def test_plain_http_to_the_secure_port_is_told_by_the_client(secured: Any) -> None:
    with Client(f"http://127.0.0.1:{secured.server.port}") as client, pytest.raises(Unavailable, match="does not speak plain HTTP"):
        client.ask("GET", "/health")
    with Client(f"https://127.0.0.1:{secured.server.port}") as client, pytest.raises(Unavailable, match="is not trusted"):
        client.ask("GET", "/health")
    with Client(f"https://127.0.0.1:{secured.server.port}", ca=secured.place / "cert.pem") as client:
        assert client.ask("GET", "/health/live")
