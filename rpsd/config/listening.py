"""What the socket unit listens on, against what the settings say: under systemd the unit decides, and the settings must agree."""

import ipaddress
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from rpsd.config.settings import Settings
from rpsd.core.errors import Fault

UNIT: Final = "rpsd.socket"
ROOTS: Final = tuple(
    Path(root) for root in ("/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
)
"""Where units stand, the strongest first."""
_SERVED: Final = Path("/etc/rpsd/config.yaml")
"""The settings file of the service; what else is read belongs to a server by hand."""

Address = tuple[str, int] | str
"""A TCP address, empty host for every one; or the path of a UNIX socket."""


def unit_addresses(roots: Iterable[Path] = ROOTS) -> list[Address] | None:
    """What ListenStream of the socket unit and its drop-ins come to; None where the unit is not installed.

    A drop-in of one name hides those of weaker places, as systemd reads them; an empty ListenStream= forgets what came before.
    """
    places = list(roots)
    unit = next((root / UNIT for root in places if (root / UNIT).is_file()), None)
    if unit is None:
        return None
    parts: dict[str, Path] = {}
    for root in reversed(places):
        parts |= {path.name: path for path in (root / f"{UNIT}.d").glob("*.conf")}
    found: list[Address] = []
    for path in (unit, *(parts[name] for name in sorted(parts))):
        for line in _joined(path):
            name, equals, value = (part.strip() for part in line.partition("="))
            if not equals or name != "ListenStream":
                continue
            found = [*found, _address(value)] if value else []
    return found


def _joined(path: Path) -> list[str]:
    """The lines of a unit file, continued ones as one, without comments."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace").replace("\\\n", " ")
    except OSError:
        return []
    return [line for line in text.splitlines() if not line.lstrip().startswith(("#", ";"))]


def _address(value: str) -> Address:
    if value.startswith(("/", "@")):
        return value
    host, _, port = value.rpartition(":")
    return (host.strip("[]"), int(port)) if port.isdecimal() else value


def is_of_service(settings: Settings) -> bool:
    """Whether these are the settings that the service reads: its file, or none at all over its own directory."""
    if settings.path is not None:
        return settings.path == _SERVED
    return settings.storage.data_dir == Path("/var/lib/rpsd")


def listening_faults(settings: Settings, roots: Iterable[Path] = ROOTS) -> list[Fault]:
    """Where settings and socket unit differ, each with the drop-in to write; empty where the unit is not installed."""
    addresses = unit_addresses(roots)
    if addresses is None:
        return []
    faults, server = [], settings.server
    wanted: dict[str, Address] = {"server.port": (server.host, server.port)}
    if settings.monitoring.metrics_port != server.port:
        wanted["monitoring.metrics_port"] = (server.host, settings.monitoring.metrics_port)
    missing = [name for name, address in wanted.items() if not any(covers(held, address) for held in addresses)]
    for name, path in (("server.admin_socket", server.admin_socket), ("server.outbound_socket", server.outbound_socket)):
        if str(path) not in addresses:
            wanted[name] = str(path)
            missing.append(name)
    if not missing:
        return []
    script = drop_in([*wanted.values(), *(a for a in addresses if isinstance(a, str) and a not in wanted.values())])
    for name in missing:
        told = f"{name}: {UNIT} does not listen on {address_text(wanted[name])}; write {script}"
        faults.append(Fault(settings.origin.get(name, "default"), told))
    return faults


def covers(held: Address, asked: Address) -> bool:
    """Whether a connection to the asked address reaches the held one: the unit may listen on more, never on less or elsewhere."""
    if isinstance(held, str) or isinstance(asked, str):
        return held == asked
    if held[1] != asked[1]:
        return False
    return _host(held[0]) == _host(asked[0]) or (_host(held[0]) == "::" and _host(asked[0]) == "0.0.0.0")  # noqa: S104 - compared


def _host(host: str) -> str:
    """One spelling of an address; a name stays as it is, but for localhost."""
    if host in ("", "*"):
        return "::"
    try:
        return str(ipaddress.ip_address("127.0.0.1" if host == "localhost" else host))
    except ValueError:
        return host


def address_text(address: Address) -> str:
    """As a unit file writes it."""
    if isinstance(address, str):
        return address
    return f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"


def drop_in(addresses: Iterable[Address]) -> str:
    """The drop-in that makes the unit listen on exactly these, as commands for a shell."""
    lines = "\\n".join(f"ListenStream={address_text(address)}" for address in addresses)
    place = f"/etc/systemd/system/{UNIT}.d"
    return (
        f"mkdir -p {place} && printf '[Socket]\\nListenStream=\\n{lines}\\n' > {place}/listen.conf && "
        "systemctl daemon-reload && systemctl restart rpsd.socket rpsd.service"
    )
