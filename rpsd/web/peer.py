"""Whose address a request came from: the socket's peer, or what a trusted proxy says."""

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from rpsd.core.errors import Fault, Forbidden, InvalidRequest

_REMEMBERED = 4096
_HOP: Final = re.compile(r"(\d[\d.]*)(?::\d{1,5})?|\[([0-9a-f:.]+)\](?::\d{1,5})?|([0-9a-f:.]+)", re.ASCII | re.IGNORECASE)
"""An address as proxies write it, some of them with the port."""
_HOPS: Final = 20
_SINGLE: Final = (b"host", b"authorization", b"x-api-key", b"origin")


class PlainHttp:
    """Who may speak plain HTTP: this machine, and the networks of server.plain_http_from and server.trusted_proxies."""

    def __init__(self, *networks: Iterable[Any]) -> None:
        self._networks = tuple(network for some in networks for network in some)
        self._admitted: set[str] = set()

    def check(self, host: str) -> None:
        """Raise Forbidden for a peer that may not; a key sent from there can be read on its way."""
        if host in self._admitted:
            return
        if not _is_this_machine(host) and not within(host, self._networks):
            raise Forbidden(
                f"plain HTTP is not allowed from {host[:60]}",
                hint="Speak HTTPS (server.tls_cert and tls_key), or add the network to server.plain_http_from.",
            )
        if len(self._admitted) >= _REMEMBERED:
            self._admitted.clear()
        self._admitted.add(host)


class Networks:
    """Networks that remember who is in them: to read an address costs more than to answer a probe."""

    def __init__(self, networks: Iterable[Any]) -> None:
        self._networks = tuple(networks)
        self._known: dict[str, bool] = {}

    def hold(self, text: str) -> bool:
        """within() these networks."""
        known = self._known.get(text)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[text] = within(text, self._networks)
        return known


def gathered(lines: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The headers by name: the last of each, but X-Forwarded-For whole, since some proxies add a line of their own."""
    headers = dict(lines)
    if len(headers) != len(lines) and b"x-forwarded-for" in headers:
        headers[b"x-forwarded-for"] = b",".join(value for name, value in lines if name == b"x-forwarded-for")
    return headers


def check_single(lines: Sequence[tuple[bytes, bytes]], headers: Mapping[bytes, bytes]) -> None:
    """Raise InvalidRequest when a header that says where to, who or from which page comes twice: a proxy may have looked at the other."""
    if len(headers) == len(lines):
        return
    for single in _SINGLE:
        if single in headers and sum(name == single for name, _ in lines) > 1:
            name = single.decode()
            raise InvalidRequest(f"the request carries more than one {name}", errors=[Fault(f"/header/{name}", "more than one")])


def client_ip(client: Any, headers: Mapping[bytes, bytes], trusted: Iterable[Any]) -> str:
    """Who calls: the peer, or the last address before the trusted proxies in X-Forwarded-For; `unix` for the admin socket.

    `headers` hold all lines of X-Forwarded-For in one. What stands left of something that is no address was written by a stranger, or for
    all we know: it is not looked at, and the caller counts as the proxy that wrote it.
    """
    if not client or not client[0]:  # granian gives the peer of a UNIX socket an empty name
        return "unix"
    peer = str(client[0])
    if peer.startswith("::ffff:"):  # an IPv4 client of a socket for both
        peer = str(_plain_address(peer))
    forwarded = headers.get(b"x-forwarded-for")
    if not forwarded or not within(peer, trusted):
        return peer
    for hop in reversed(forwarded.decode("latin-1").rsplit(",", _HOPS)[-_HOPS:]):
        if not (address := _address(hop)):
            return peer
        peer = address
        if not within(address, trusted):
            return peer
    return peer


def _address(text: str) -> str:
    """The address as it is usually written, or nothing when the text is none."""
    match = _HOP.fullmatch(text.strip())
    try:
        return str(_plain_address(match[match.lastindex or 0])) if match else ""
    except ValueError:
        return ""


def _is_this_machine(text: str) -> bool:
    try:
        return bool(_plain_address(text).is_loopback)
    except ValueError:
        return False


def _plain_address(text: str) -> Any:
    """The address; an IPv4 one that came through an IPv6 socket as itself. Raises ValueError."""
    address = ipaddress.ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address


def within(text: str, networks: Iterable[Any]) -> bool:
    """Whether the text is an address in one of the networks."""
    try:
        address = _plain_address(text)
    except ValueError:
        return False
    return any(address in network for network in networks)
