"""Requests that must not be made, against servers that would see them: forms of addresses, rebinding, redirects, slow receivers, TLS."""

import datetime
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from rpsd.core.errors import SourceFailed
from rpsd.core.source import Request
from rpsd.source.destination import parse, pin
from rpsd.source.fetch import Fetcher
from tests import vendors
from tests.traps import NEVER_CALLED, NEVER_READ, Trap, trap
from tests.vendors import Vendors, serving, status

HERE = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
Connect = Callable[..., socket.socket]


@pytest.fixture
def trapped() -> Iterator[Trap]:
    with trap() as found:
        yield found


@pytest.fixture
def far() -> Iterator[Vendors]:
    with serving() as found:
        found.bars["A"] = vendors.daily(0, 3)
        yield found


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Where anything of this process asked to be connected to; only this machine is reached."""
    asked: list[Any] = []
    connect: Connect = socket.create_connection

    def noted(address: tuple[str, int], *rest: Any, **more: Any) -> socket.socket:
        asked.append(address)
        if not ipaddress.ip_address(address[0]).is_loopback:
            raise ConnectionRefusedError
        return connect(address, *rest, **more)

    monkeypatch.setattr(socket, "create_connection", noted)
    return asked


def names(monkeypatch: pytest.MonkeyPatch, **answers: list[list[str]]) -> None:
    """A resolver of made-up names: each look-up takes the next answer, the last one stays."""
    ask = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        left = answers.get(str(host).replace(".", "_"))
        if left is None:
            return ask(host, port, *rest, **more)
        found = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in found]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def post(url: str, **more: Any) -> None:
    with Fetcher(deadline_seconds=5.0, retries=0, **more) as fetcher:
        fetcher.post(url, b"{}", {"content-type": "application/json"})


def test_no_form_of_an_address_leads_a_webhook_to_this_machine(trapped: Trap, called: list[Any]) -> None:
    forms = [form.replace("{port}", str(trapped.port)) for form in (*NEVER_READ, *NEVER_CALLED)]
    assert len(set(forms)) >= 120
    with Fetcher(deadline_seconds=5.0, retries=0) as fetcher:
        for form in forms:
            with pytest.raises(SourceFailed):
                fetcher.post(form, b"{}", {})
    trapped.close()
    assert called == []
    assert trapped.seen == []


def test_without_the_rules_the_trap_is_reached(trapped: Trap) -> None:
    """The control: a plain client takes many of these forms to this machine."""
    reached = set[str]()
    with httpx.Client(timeout=2.0, trust_env=False) as client:
        for form in (*NEVER_READ, *NEVER_CALLED):
            if form.startswith("http://") and ("127" in form or "local" in form.lower() or "7f" in form or "[::" in form):
                before = len(trapped.seen)
                with suppress(httpx.HTTPError, httpx.InvalidURL, UnicodeError, ValueError):
                    client.post(form.replace("{port}", str(trapped.port)))
                time.sleep(0.01)
                if len(trapped.seen) > before:
                    reached.add(form)
    assert len(reached) >= 15


@pytest.mark.parametrize("private", [(), HERE])
def test_a_listed_receiver_on_this_machine_is_reached_and_no_other(far: Vendors, private: Any) -> None:
    if private:
        post(far.base + "/hook", private=private)
        assert len(far.posted) == 1
    else:
        with pytest.raises(SourceFailed, match="neither public nor listed"):
            post(far.base + "/hook")
        assert far.posted == []


def test_a_name_that_changes_after_it_was_judged_leads_nowhere_new(
    trapped: Trap, called: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"https://rebind.example:{trapped.port}/"
    names(monkeypatch, rebind_example=[["93.184.216.34"], ["127.0.0.1"]])
    with pytest.raises(SourceFailed, match="cannot be reached"):
        post(url)
    assert called == [("93.184.216.34", trapped.port)]
    with pytest.raises(SourceFailed, match="neither public nor listed"):
        post(url)
    with pytest.raises(SourceFailed, match="neither public nor listed"), Fetcher(retries=0) as fetcher:
        fetcher.get(Request(url))
    assert called == [("93.184.216.34", trapped.port)]
    assert trapped.seen == []


def test_judging_a_name_without_the_pin_is_not_enough(trapped: Trap, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: whoever judges the name and then connects by name is led to this machine."""
    names(monkeypatch, rebind_example=[["93.184.216.34"], ["127.0.0.1"]])
    url = f"http://rebind.example:{trapped.port}/"
    assert pin(parse(url), plain=True)
    with pytest.raises(httpx.TransportError):
        httpx.post(url, trust_env=False)
    trapped.close()
    assert len(trapped.seen) == 1


def test_one_bad_address_of_many_is_enough(called: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    names(monkeypatch, mixed_example=[["93.184.216.34", "2606:4700::1", "::ffff:127.0.0.1"]])
    with pytest.raises(SourceFailed, match="neither public nor listed"):
        post("https://mixed.example/")
    assert called == []


def test_the_next_address_is_tried_when_one_is_down(far: Vendors, called: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    port = parse(far.base).port
    names(monkeypatch, two_example=[["127.0.0.3", "127.0.0.1"]])
    post(f"http://two.example:{port}/hook", private=HERE)  # the server listens on the second alone
    assert called == [("127.0.0.3", port), ("127.0.0.1", port)]
    assert far.posted[0]["headers"]["host"] == f"two.example:{port}"


@pytest.mark.parametrize("number", [301, 302, 303, 307, 308])
def test_no_redirect_leads_a_webhook_on(far: Vendors, trapped: Trap, number: int) -> None:
    far.instead = [status(number, location=f"http://127.0.0.1:{trapped.port}/")]
    with pytest.raises(SourceFailed, match=f"answered {number}"):
        post(far.base + "/hook", private=HERE)
    trapped.close()
    assert trapped.seen == []


def test_no_redirect_leads_a_source_to_this_machine(far: Vendors, trapped: Trap, called: list[Any]) -> None:
    forms = [form.replace("{port}", str(trapped.port)) for form in (*NEVER_READ, *NEVER_CALLED)]
    # a path alone, or an address with white space around it, is one of the vendor's own
    forms = [form for form in forms if httpx_joins_elsewhere(form, far.base)]
    assert len(forms) >= 90
    with Fetcher(deadline_seconds=5.0, retries=0, home=far.base) as fetcher:
        for form in forms:
            far.instead = [status(302, location=form.encode().decode("latin-1"))]
            with pytest.raises(SourceFailed):
                fetcher.get(Request(far.base + "/csv/A.csv"))
    trapped.close()
    assert trapped.seen == []
    assert {address for address in called if address[1] == trapped.port} == set()


def httpx_joins_elsewhere(form: str, base: str) -> bool:
    if "\r" in form or "\n" in form or "\x00" in form:
        return False  # no header can hold it
    try:
        joined = httpx.URL(base).join(form)
    except (httpx.InvalidURL, ValueError):
        return True
    return (joined.host, joined.port) != (httpx.URL(base).host, httpx.URL(base).port)


def test_what_a_receiver_answers_is_not_read(far: Vendors) -> None:
    far.instead = [vendors.endless, vendors.bomb, vendors.dripping(5.0)]
    began = time.monotonic()
    for _ in range(3):
        post(far.base + "/hook", private=HERE)
    assert time.monotonic() - began < 4.0


def test_a_receiver_that_answers_slowly_is_cut_off(far: Vendors) -> None:
    far.instead = [vendors.dripping_headers(10.0)]
    began = time.monotonic()
    with pytest.raises(SourceFailed, match=r"took longer than 0.3 s"), Fetcher(deadline_seconds=0.3, retries=0, private=HERE) as fetcher:
        fetcher.post(far.base + "/hook", b"{}", {})
    assert time.monotonic() - began < 5.0


def test_the_environments_proxy_has_no_say_in_webhooks(far: Vendors, trapped: Trap, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{trapped.port}")
    post(far.base + "/hook", private=HERE)
    trapped.close()
    assert (len(far.posted), trapped.seen) == (1, [])


@pytest.fixture
def secure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, list[str | None]]]:
    """A TLS server whose certificate is for receiver.example alone, and trusted: its port, and the names that clients said."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "receiver.example")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("receiver.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    (tmp_path / "cert.pem").write_bytes(pem)
    held = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "key.pem").write_bytes(held)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    context, said = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), list[str | None]()
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    context.sni_callback = lambda _, server, __: said.append(server)
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                plain, _ = listening.accept()
            except OSError:
                return
            with suppress(OSError), context.wrap_socket(plain, server_side=True) as connection:
                request = b""
                while not request.endswith(b"{}") and (piece := connection.recv(65536)):
                    request += piece
                said.append(request.decode("latin-1"))
                connection.sendall(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listening.getsockname()[1], said
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join()


def test_over_tls_the_name_is_said_and_the_certificate_must_bear_it(
    secure: tuple[int, list[str | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, said = secure
    names(monkeypatch, receiver_example=[["127.0.0.1"]], other_example=[["127.0.0.1"]])
    post(f"https://receiver.example:{port}/hook?token=1", private=HERE)
    assert said[0] == "receiver.example"
    request = said[1] or ""
    assert request.startswith("POST /hook?token=1 HTTP/1.1\r\n")
    assert f"host: receiver.example:{port}\r\n" in request.lower()
    for wrong in (f"https://other.example:{port}/", f"https://127.0.0.1:{port}/"):
        with pytest.raises(SourceFailed, match="cannot be reached"):
            post(wrong, private=HERE)
    assert not any("POST" in (one or "") for one in said[2:])
