"""Sockets to listen on: those that systemd passes, else bound here."""

import contextlib
import errno
import os
import socket
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rpsd.core.errors import AddressTaken, BadConfig, Fault, RpsdError

BACKLOG: Final = 4096  # what the kernel allows by default (net.core.somaxconn); 128 drops bursts
_FIRST: Final = 3  # SD_LISTEN_FDS_START
_LONGEST: Final = 107  # bytes of a UNIX socket's path
_OF_CONNECTIONS: Final = (  # set on the listening socket, inherited by each connection
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),  # no 40 ms wait for a delayed ACK
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 8_000),  # ms that a peer acknowledges nothing, or makes no room: gone in ten seconds
    (socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, 1 << 17),  # bytes in the kernel for a reader that does not take them; else 2.6 MiB
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),  # a peer that vanished with nothing to acknowledge is gone in 10 s as well
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 2),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 2),
)


@dataclass(frozen=True, slots=True)
class Listeners:
    """The listening sockets. `own` are the paths of UNIX sockets that were bound here and go when the server ends."""

    tcp: socket.socket
    admin: socket.socket | None
    own: tuple[Path, ...]
    monitoring: socket.socket | None = None
    outbound: socket.socket | None = None

    @property
    def port(self) -> int:
        """The TCP port of the API."""
        return int(self.tcp.getsockname()[1])

    @property
    def ports(self) -> tuple[int, ...]:
        """The TCP ports: of the API, and of monitoring if that has one of its own."""
        return tuple(int(bound.getsockname()[1]) for bound in (self.tcp, self.monitoring) if bound is not None)

    def close(self) -> None:
        """Close all and remove the files of the UNIX sockets that are ours."""
        for bound in (self.tcp, self.monitoring, self.admin, self.outbound):
            if bound is not None:
                bound.close()
        for path in self.own:
            with contextlib.suppress(OSError):
                path.unlink()


def inherited(environ: MutableMapping[str, str] = os.environ) -> list[socket.socket]:
    """Sockets that systemd passes; the variables are removed, so that no child takes them for its own."""
    count, pid = environ.pop("LISTEN_FDS", ""), environ.pop("LISTEN_PID", "")
    environ.pop("LISTEN_FDNAMES", None)
    if not count.isdecimal() or pid != str(os.getpid()):
        return []
    found = []
    for descriptor in range(_FIRST, _FIRST + int(count)):
        os.set_inheritable(descriptor, False)
        found.append(socket.socket(fileno=descriptor))
    return found


def listen(
    host: str, port: int, admin_socket: Path | None, monitoring_port: int | None = None, outbound_socket: Path | None = None
) -> Listeners:
    """The inherited sockets by their family, and what is missing bound here; with monitoring_port a second TCP socket on that port.

    A UNIX socket that is passed is the outbound one by its file name, outbound.sock or that of outbound_socket, else the admin one.

    Raises AddressTaken when the address is in use, BadConfig when it cannot be one.
    """
    passed = inherited()
    tcp = next((s for s in passed if s.family in (socket.AF_INET, socket.AF_INET6)), None)
    local = [s for s in passed if s.family == socket.AF_UNIX]
    outbound = next((s for s in local if _is_outbound(s, outbound_socket)), None)
    admin = next((s for s in local if not _is_outbound(s, outbound_socket)), None)
    if tcp is None:
        tcp = bind_tcp(host, port)
    own, monitoring = tuple[Path, ...](), None
    try:
        if monitoring_port is not None and monitoring_port != tcp.getsockname()[1]:
            monitoring = bind_tcp(host, monitoring_port)
        if admin is None and admin_socket is not None:
            admin, own = bind_unix(admin_socket), (admin_socket,)
        if outbound is None and outbound_socket is not None and not passed:  # else a sandbox forbids it
            outbound, own = bind_unix(outbound_socket, "server.outbound_socket"), (*own, outbound_socket)
    except RpsdError:
        Listeners(tcp, admin, own, monitoring, outbound).close()
        raise
    listeners = Listeners(tcp, admin, own, monitoring, outbound)
    for listener in (tcp, admin, monitoring, outbound):
        if listener is not None:
            if listener.family != socket.AF_UNIX:
                _dress(listener)
            listener.listen(BACKLOG)
            listener.setblocking(False)
    return listeners


def _is_outbound(passed: socket.socket, outbound_socket: Path | None) -> bool:
    """Whether it is the outbound socket: never may that be taken for the administrator's."""
    name = str(passed.getsockname())
    return name.endswith("/outbound.sock") or (outbound_socket is not None and name == str(outbound_socket))


def bind_tcp(host: str, port: int) -> socket.socket:
    """A bound TCP socket. Raises AddressTaken, BadConfig."""
    bound = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        if bound is not None:
            bound.close()
        if error.errno == errno.EADDRINUSE:
            raise AddressTaken(f"{host}:{port} is in use") from error
        reason = f"cannot listen on {host}:{port}: {error.strerror or error}"
        raise BadConfig(reason, errors=[Fault("server.host", reason)]) from error
    return bound


def _dress(listener: socket.socket) -> None:
    """Set what its connections inherit; also on a socket that systemd bound."""
    for level, option, value in _OF_CONNECTIONS:
        listener.setsockopt(level, option, value)


def bind_unix(path: Path, name: str = "server.admin_socket") -> socket.socket:
    """A bound UNIX socket that only our user can reach; a file left by a dead server is replaced.

    Raises AddressTaken when a server answers there, BadConfig when the path cannot be one.
    """
    if len(os.fsencode(path)) > _LONGEST:
        reason = f"the path of {name} is longer than {_LONGEST} bytes: {path}"
        raise BadConfig(reason, errors=[Fault(name, reason)], hint=f"Set {name} to a shorter path.")
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        if not path.parent.exists():
            path.parent.mkdir(mode=0o700, parents=True)
            path.parent.chmod(0o700)  # mkdir is cut by the mask
        if path.is_socket():
            _replace(path)
        bound.bind(str(path))
    except AddressTaken:
        bound.close()
        raise
    except OSError as error:
        bound.close()
        reason = f"cannot make the socket {path}: {error.strerror or error}"
        raise BadConfig(reason, errors=[Fault(name, reason)]) from error
    finally:
        os.umask(mask)
    return bound


def _replace(path: Path) -> None:
    """Remove the socket file unless somebody answers behind it. Raises AddressTaken."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink()
            return
    raise AddressTaken(f"another rpsd answers at {path}")
