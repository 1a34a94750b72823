"""Where rpsd may speak to: an address is taken apart strictly, its name resolved once, every answer judged, and the connection pinned.

A name is never trusted, only the addresses that it has at this moment; whoever connects goes to those and does not ask again.
"""

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from rpsd.core.errors import BadDestination

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[[str, int], Sequence[str]]


def _networks(*written: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(one) for one in written)


GRANTABLE: Final = _networks("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "::1/128", "fc00::/7")
"""Networks that an operator may list as `private`: this machine, private ranges, and carrier-grade NAT, where overlay networks live."""
_NOT_PUBLIC: Final = _networks(
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24"),
    *("192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
    *("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),
)
"""What is not a public unicast address. Written out, since what Python calls global has changed between its versions.

Source: IANA IPv4 and IPv6 Special-Purpose Address Registries. Teredo lies in 2001::/23, 6to4 is 2002::/16."""
_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
"""All of IPv6 that is public lies here: not the mapped, compatible and translated forms of IPv4, local-use NAT64, or multicast."""
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
"""In a network of IPv6 alone the names of IPv4 hosts resolve to this; the last 32 bits say which. Source: RFC 6052, section 2.1."""
_NEVER: Final = frozenset(map(ipaddress.ip_address, ("168.63.129.16", "100.100.100.200", "fd00:ec2::254", "fd20:ce::254")))
"""Services that hand out a cloud machine's credentials at an address that is public or could be listed; 169.254.169.254 can not."""

_MOST_CHARACTERS: Final = 2048
_MOST_ADDRESSES: Final = 32
"""A name with more addresses is refused: each has to be judged."""
_AUTHORITY: Final = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::(?P<port>[0-9]{1,5}))?")
_LABEL: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_PORTS: Final = {"http": 80, "https": 443}
_FIRST_FREE_PORT: Final = 1024


@dataclass(frozen=True, slots=True)
class Place:
    """An address taken apart: the host in lower case, `literal` when it is an address itself."""

    scheme: str
    host: str
    port: int
    literal: Address | None

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def shown(self) -> str:
        """What may be said of it: scheme, host and port; the path and the query may hold a key."""
        return f"{self.scheme}://{self.authority}"


@dataclass(frozen=True, slots=True)
class Pin:
    """A place, and the addresses that were found allowed; a connection goes to one of them and nowhere else."""

    place: Place
    addresses: tuple[Address, ...]


def resolve(host: str, port: int) -> Sequence[str]:
    """All addresses of a name as the system's resolver tells them, in its order of preference. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def parse(url: str) -> Place:
    """Take an address apart. Only what has one reading stands: http or https, a name or a plain address, perhaps a port.

    There is no user, no escape, backslash, space or letter beyond ASCII in a host; no number but four decimals; no dot at its end; no
    zone. Raises BadDestination, whose detail never repeats path or query.
    """
    scheme, host, port = _split(url)
    return Place(scheme, host, port, _literal(host))


def is_public(address: Address) -> bool:
    """Whether the address is a unicast one of the public internet. O(1)."""
    if address in _NEVER:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address not in _UNICAST:
            return False
    return not any(address in network for network in _NOT_PUBLIC)


def is_listed(address: Address, private: Sequence[Network]) -> bool:
    """Whether the address lies in one of the listed networks, and is one that may be listed at all."""
    return address not in _NEVER and any(address in one for one in private) and any(address in one for one in GRANTABLE)


def pin(place: Place, private: Sequence[Network] = (), *, plain: bool = False, resolve: Resolve = resolve) -> Pin:
    """Resolve the place once and judge every address that it has: each must be public or lie in `private`.

    A public address is called on port 80, 443 or one from 1024 on: below them are services that are no HTTP. http is for listed addresses
    alone, unless `plain`: over the internet anybody could read and change what is said.

    Raises BadDestination when one address may not be called; see resolved(). One look-up, no connection.
    """
    found = resolved(place, resolve)
    for address in found:
        if is_listed(address, private):
            continue
        if not is_public(address):
            raise BadDestination(f"{place.shown} leads to an address that is neither public nor listed as private")
        if place.port not in _PORTS.values() and place.port < _FIRST_FREE_PORT:
            raise BadDestination(
                f"{place.shown} is no port of HTTP", hint="Public addresses are called on port 80, 443, or 1024 and above."
            )
        if place.scheme == "http" and not plain:
            reason = f"{place.shown} would be called in the clear over the internet"
            raise BadDestination(reason, hint="Use https; http is for addresses listed as private.")
    return Pin(place, found)


def resolved(place: Place, resolve: Resolve = resolve) -> tuple[Address, ...]:
    """Every address of the place, judged by nobody. One look-up; no connection.

    Raises BadDestination when the name has none, which may pass (`retry_after` is 0 then), or too many.
    """
    if place.literal is not None:
        return (place.literal,)
    try:
        found = tuple(ipaddress.ip_address(one.partition("%")[0]) for one in resolve(place.host, place.port))
    except (OSError, UnicodeError, ValueError) as error:
        hint = "Check the name, and this machine's resolver."
        raise BadDestination(f"the name {place.host[:100]!r} is not known", hint=hint, retry_after=0.0) from error
    if not 1 <= len(found) <= _MOST_ADDRESSES:
        raise BadDestination(f"the name {place.host[:100]!r} has {len(found)} addresses; expected 1 to {_MOST_ADDRESSES}")
    return found


def _split(url: str) -> tuple[str, str, int]:
    """Scheme, host in lower case and port."""
    if len(url) > _MOST_CHARACTERS or not all("!" <= character <= "~" for character in url) or "\\" in url:
        raise BadDestination(f"an address is plain ASCII without spaces and backslashes, and {_MOST_CHARACTERS} characters at most")
    scheme, mark, rest = url.partition("://")
    scheme = scheme.lower()
    if not mark or scheme not in _PORTS:
        raise BadDestination("an address begins with http:// or https://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in authority:
        raise BadDestination("an address does not hold a user or a password")
    if (match := _AUTHORITY.fullmatch(authority)) is None:
        raise BadDestination("the host of the address is neither a name nor an address")
    host = match["six"] or match["name"]
    port = int(match["port"]) if match["port"] else _PORTS[scheme]
    if not 1 <= port <= 65535:
        raise BadDestination(f"there is no port {port}")
    return scheme, _six(host) if match["six"] else _four_or_name(host), port


def _six(host: str) -> str:
    """An IPv6 address in its shortest form."""
    try:
        return str(ipaddress.IPv6Address(host))
    except ValueError as error:
        raise BadDestination("the host of the address is no IPv6 address") from error


def _four_or_name(host: str) -> str:
    """An IPv4 address of four decimals, or a name that no reader could take for a number."""
    labels = host.split(".")
    if len(host) > 253 or not all(map(_LABEL.fullmatch, labels)):
        raise BadDestination("the host of the address is no name; give one beyond ASCII in its xn-- form")
    last = labels[-1].lower()
    if last.isdecimal() or re.fullmatch(r"0x[0-9a-f]*", last):  # some readers take such a name for an address in another notation
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError as error:
            raise BadDestination("an IPv4 address is written as four decimal numbers") from error
    return host.lower()


def _literal(host: str) -> Address | None:
    """The host as an address, None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
