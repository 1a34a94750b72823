"""What would be unsafe in the way rpsd is reached: address, certificate, proxies, plain HTTP, origins, hosts."""

import ipaddress
import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from rpsd.config.settings import Settings
from rpsd.core.errors import Fault

_WIDEST: Final = {4: 8, 6: 32}
"""Shortest prefix that still names a network."""
_HOST: Final = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?|[0-9a-f:.]+", re.ASCII | re.IGNORECASE)


def is_loopback(host: str) -> bool:
    """Whether the address can be reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def exposure_faults(settings: Settings, host: str = "") -> list[Fault]:
    """Every fault of how rpsd would be reached; `host` is the address that it listens on where that is not server.host."""
    found = [*_networks(settings), *_origins(settings), *_hosts(settings), *_public(settings, host or settings.server.host)]
    return [Fault(settings.origin.get(name, "default"), f"{name}: {reason}") for name, reason in found]


def _networks(settings: Settings) -> Iterator[tuple[str, str]]:
    server = settings.server
    if (server.tls_cert is None) != (server.tls_key is None):
        yield "server.tls_cert", "give tls_cert and tls_key together"
    for network in server.plain_http_from:
        if not network.is_private or network.prefixlen < _WIDEST[network.version]:
            yield "server.plain_http_from", f"{network} is not a private network; name one such as 192.168.1.0/24"
    for network in server.trusted_proxies:
        if network.prefixlen < _WIDEST[network.version]:
            yield "server.trusted_proxies", f"{network} would let everybody claim any address; name the proxies themselves"


def _origins(settings: Settings) -> Iterator[tuple[str, str]]:
    for origin in settings.server.cors_origins:
        parts = urlsplit(origin)
        if "*" in origin:
            yield "server.cors_origins", f"{origin!r} would let any page call with its reader's key; name each origin"
        elif origin != origin.lower() or origin != f"{parts.scheme}://{parts.netloc}" or parts.scheme not in ("http", "https"):
            yield (
                "server.cors_origins",
                f"{origin!r} is not an origin as browsers send it; write such as https://desk.lan or https://desk.lan:8443",
            )
        elif "@" in parts.netloc or not parts.hostname:
            yield "server.cors_origins", f"{origin!r} names no host alone"


def _hosts(settings: Settings) -> Iterator[tuple[str, str]]:
    for host in settings.server.allowed_hosts:
        if host != "*" and not _HOST.fullmatch(host):
            yield (
                "server.allowed_hosts",
                f"{host!r} is no host name; write it without scheme, port and brackets, such as box.lan or *.box.lan",
            )


def _public(settings: Settings, host: str) -> Iterator[tuple[str, str]]:
    server = settings.server
    if not settings.auth.required and server.trusted_proxies:
        yield "auth.required", "false is for this machine alone, and server.trusted_proxies lets others in; remove one of them"
    if is_loopback(host):
        return
    if server.tls_cert is None and not server.trusted_proxies and not server.plain_http_from:
        yield "server.host", f"{host} is beyond loopback; set tls_cert and tls_key, trusted_proxies, or plain_http_from"
    if not settings.auth.required:
        yield "auth.required", "false is for loopback only; set server.host to 127.0.0.1"


def exposure_warnings(settings: Settings) -> list[Fault]:
    """What may be meant so and still deserves a line at every start."""
    server = settings.server
    found = []
    if server.plain_http_from:
        networks = ", ".join(map(str, server.plain_http_from))
        found.append(("server.plain_http_from", f"keys and data travel readable from {networks}"))
    if not is_loopback(server.host) and "*" in server.allowed_hosts:
        found.append(("server.allowed_hosts", "* lets a page whose name is pointed at this box pass as its own; name the hosts"))
    if not is_loopback(server.host) and all(is_loopback(name) for name in server.allowed_hosts):
        found.append(("server.allowed_hosts", "no name of this box is in it: every request from the network will be refused"))
    wide = [network for network in settings.monitoring.metrics_allow if network.prefixlen < _WIDEST[network.version]]
    found += [("monitoring.metrics_allow", f"{network} lets everybody read metrics and detailed health without a key") for network in wide]
    if not settings.auth.required:
        found.append(("auth.required", "false lets every program of this machine act as the administrator"))
    return [Fault(settings.origin.get(name, "default"), f"{name}: {reason}") for name, reason in found]
