"""Whether the socket unit's addresses are really open: systemd reads a changed unit file and goes on with the sockets that it holds.

After `systemctl daemon-reload` a unit whose ListenStream= has changed keeps what it has open of the new list, lets go of the rest and opens
nothing: the service would get fewer sockets at its next start. Only a restart of the socket unit opens them. Source: systemd.socket(5);
proc(5), /proc/net.
"""

import ipaddress
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from rpsd.config.listening import ROOTS, Address, covers, unit_addresses

_NET: Final = Path("/proc/net")
_LISTENS: Final = "0A"
"""TCP_LISTEN, as /proc/net/tcp writes it."""
_ACCEPTS: Final = 0x10000
"""__SO_ACCEPTCON among the flags of a UNIX socket."""


def unopened(roots: Iterable[Path] = ROOTS, net: Path = _NET) -> list[Address]:
    """The addresses of the installed socket unit on which nothing listens on this machine; empty where there is no unit."""
    held = list(_open(net))
    return [asked for asked in unit_addresses(roots) or () if _is_known(asked) and not any(covers(one, asked) for one in held)]


def _is_known(address: Address) -> bool:
    """Whether it is of a kind that is looked for here: TCP by number, or a UNIX socket."""
    if isinstance(address, str):
        return address.startswith(("/", "@"))
    try:
        return bool(ipaddress.ip_address(address[0] or "::"))
    except ValueError:
        return False


def _open(net: Path) -> Iterator[Address]:
    for name in ("tcp", "tcp6"):
        for line in _lines(net / name):
            local, state = line.split()[1], line.split()[3]
            if state == _LISTENS:
                host, port = local.split(":")
                yield _numbers(host), int(port, 16)
    for line in _lines(net / "unix"):
        fields = line.split(None, 7)
        if len(fields) == 8 and int(fields[3], 16) & _ACCEPTS:
            yield fields[7]


def _lines(file: Path) -> list[str]:
    """What stands below the heading; nothing where the kernel has no such protocol."""
    try:
        return file.read_text(encoding="utf-8", errors="replace").splitlines()[1:]
    except OSError:
        return []


def _numbers(text: str) -> str:
    """The address in words of 32 bits, each in the byte order of this machine."""
    words = [bytes.fromhex(text[k : k + 8]) for k in range(0, len(text), 8)]
    return str(ipaddress.ip_address(b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)))
