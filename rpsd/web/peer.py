"""Whose address a request came from: the socket's peer, or what a trusted proxy says."""

import ipaddress
from collections.abc import Iterable
from typing import Any

from rpsd.web.exchange import Exchange


def client_ip(client: Any, exchange: Exchange, trusted: Iterable[Any]) -> str:
    """The address for the log: of the peer, or the last one before the trusted proxies in X-Forwarded-For; `unix` for the admin socket."""
    if not client:
        return "unix"
    peer = str(client[0])
    forwarded = exchange.header(b"x-forwarded-for")
    if not forwarded or not _within(peer, trusted):
        return peer
    hops = [hop.strip() for hop in forwarded.split(",")][-20:]
    return next((hop for hop in reversed(hops) if not _within(hop, trusted) and _is_address(hop)), peer)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _within(text: str, networks: Iterable[Any]) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return any(address in network for network in networks)
