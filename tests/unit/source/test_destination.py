"""Where rpsd may speak to: what an address may look like, which addresses are public, and that a name is judged by all that it has."""

import ipaddress
import socket
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpsd.core.errors import BadDestination
from rpsd.source import destination
from rpsd.source.destination import GRANTABLE, is_listed, is_public, parse, pin
from tests.traps import NEVER_READ

LOOPBACK = [ipaddress.ip_network("127.0.0.0/8")]


def tells(*addresses: str) -> destination.Resolve:
    def resolve(_: str, __: int) -> Sequence[str]:
        return addresses

    return resolve


@pytest.mark.parametrize(
    ("url", "host", "port", "authority"),
    [
        ("https://example.org/hook?a=b#c", "example.org", 443, "example.org"),
        ("HTTPS://Example.ORG:8443", "example.org", 8443, "example.org:8443"),
        ("http://10.0.0.5:80/", "10.0.0.5", 80, "10.0.0.5"),
        ("http://10.0.0.5:443/", "10.0.0.5", 443, "10.0.0.5:443"),
        ("https://[2606:2800:0220::1]/", "2606:2800:220::1", 443, "[2606:2800:220::1]"),
        ("https://[::1]:9000/", "::1", 9000, "[::1]:9000"),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example", 443, "xn--bcher-kva.example"),
        ("https://a_b.example/", "a_b.example", 443, "a_b.example"),
    ],
)
def test_an_address_is_taken_apart(url: str, host: str, port: int, authority: str) -> None:
    place = parse(url)
    assert (place.host, place.port, place.authority) == (host, port, authority)


@pytest.mark.parametrize("url", NEVER_READ)
def test_what_has_two_readings_has_none(url: str) -> None:
    with pytest.raises(BadDestination) as caught:
        parse(url.replace("{port}", "9000"))
    assert "secret" not in caught.value.detail


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.255", "169.254.169.254",
        "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.19.255.255",
        "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "168.63.129.16",
        "100.100.100.200", "::", "::1", "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:8.8.8.8",
        "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::a00:1", "64:ff9b:1::808:808", "100::1", "2001::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1", "2002:7f00:1::1", "2002:808:808::1", "3fff::1", "5f00::1", "fc00::1",
        "fd00:ec2::254", "fd12:3456::1", "fe80::1", "fec0::1", "ff02::1", "ff0e::1",
    ],
)  # fmt: skip
def test_what_is_not_public_is_known(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1", "8.8.8.8", "93.184.216.34", "100.128.0.1", "172.32.0.1", "198.20.0.1", "2606:4700::1111", "2a00:1450:4001::1",
        "64:ff9b::808:808",
    ],
)  # fmt: skip
def test_what_is_public_is_known(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@given(st.ip_addresses())
def test_nothing_that_python_knows_to_be_private_is_public(address: destination.Address) -> None:
    if is_public(address) and address not in ipaddress.ip_network("64:ff9b::/96" if address.version == 6 else "255.255.255.255"):
        assert address.is_global
        assert not (address.is_multicast or address.is_reserved or address.is_loopback or address.is_link_local or address.is_unspecified)


def test_every_address_of_a_name_must_be_allowed() -> None:
    place = parse("https://receiver.example/")
    assert [str(one) for one in pin(place, resolve=tells("93.184.216.34", "2606:4700::1")).addresses] == ["93.184.216.34", "2606:4700::1"]
    for mixed in (("93.184.216.34", "127.0.0.1"), ("::1", "93.184.216.34"), ("fe80::1%eth0",)):
        with pytest.raises(BadDestination, match="neither public nor listed"):
            pin(place, resolve=tells(*mixed))


def test_a_listed_network_lets_its_addresses_through_and_no_other() -> None:
    assert pin(parse("http://127.0.0.1:9000/"), LOOPBACK).addresses
    assert pin(parse("http://relay.lan:81/"), LOOPBACK, resolve=tells("127.0.0.9")).addresses
    with pytest.raises(BadDestination):
        pin(parse("http://relay.lan/"), LOOPBACK, resolve=tells("127.0.0.9", "10.0.0.1"))


@pytest.mark.parametrize("address", ["169.254.169.254", "0.0.0.0", "224.0.0.1", "fe80::1", "fd00:ec2::254", "100.100.100.200"])
def test_some_addresses_cannot_be_listed(address: str) -> None:
    everything = [*GRANTABLE, ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")]
    assert not is_listed(ipaddress.ip_address(address), everything)


def test_nothing_goes_over_the_internet_in_the_clear_unless_it_may() -> None:
    place = parse("http://receiver.example/")
    with pytest.raises(BadDestination, match="in the clear"):
        pin(place, resolve=tells("93.184.216.34"))
    assert pin(place, plain=True, resolve=tells("93.184.216.34")).addresses


@pytest.mark.parametrize("port", [1, 22, 25, 53, 445, 1023])
def test_public_addresses_are_called_on_ports_of_http(port: int) -> None:
    with pytest.raises(BadDestination, match="no port of HTTP"):
        pin(parse(f"https://receiver.example:{port}/"), resolve=tells("93.184.216.34"))


def test_a_name_without_an_address_may_have_one_later_and_one_with_too_many_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "later")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(BadDestination, match="is not known") as caught:
        pin(parse("https://receiver.example/?secret"))
    assert caught.value.retry_after == 0.0
    for many in ([], ["93.184.216.34"] * 33):
        with pytest.raises(BadDestination, match=f"has {len(many)} addresses"):
            pin(parse("https://receiver.example/"), resolve=tells(*many))
