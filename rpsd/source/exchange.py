"""One exchange over HTTP: a connection of its own to a pinned address, an answer that is bounded in time and in size."""

import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.request import getproxies, proxy_bypass

import httpx

from rpsd import __version__
from rpsd.core.errors import Cancelled, SourceFailed
from rpsd.core.source import Answer
from rpsd.source.destination import Address, Pin, Place

_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses after which the same call may go well."""
_DENIED: Final = frozenset({401, 403, 407, 418, 451})
_TRIED: Final = 3
"""Addresses of one name that are tried one after the other."""
_LONGEST_HOLD: Final = 86_400.0
"""Seconds for which a vendor is believed that it wants to be left alone."""


class Exchanges:
    """Single exchanges, each of at most `deadline_seconds`, and at most `most_bytes` of body after decompression; close() at the end.

    A pinned exchange goes to the address of the pin: the name is only said, in the Host header and in the TLS handshake, where the
    certificate must bear it. Nothing of the environment has a say in it but the certificates to trust.
    """

    def __init__(self, *, deadline_seconds: float, most_bytes: int, cancelled: Callable[[], bool]) -> None:
        """`cancelled` is asked between the pieces of a body."""
        self._deadline, self._most, self._cancelled = deadline_seconds, most_bytes, cancelled
        patience = min(deadline_seconds, 10.0)
        self._shared: dict[str, Any] = {
            "timeout": httpx.Timeout(patience, connect=patience),
            "headers": {"user-agent": f"rpsd/{__version__}", "accept-encoding": "gzip, deflate"},
            "follow_redirects": False,
            "trust_env": False,
            "verify": httpx.create_ssl_context(),
            # no connection is used twice: each is known to _Deadline from its beginning, and was pinned for its exchange
            "limits": httpx.Limits(max_keepalive_connections=0),
        }
        self._direct = httpx.Client(**self._shared)
        self._proxied: dict[str, httpx.Client] = {}

    def close(self) -> None:
        """Close the connections."""
        for client in (self._direct, *self._proxied.values()):
            client.close()

    def pinned(
        self, method: str, url: str, pin: Pin, headers: Mapping[str, str], body: bytes | None, until: float, *, reads: bool = True
    ) -> Answer:
        """The answer of the first of the pin's addresses that takes the connection; without `reads` its status alone.

        `until` is in seconds of time.monotonic. Raises SourceFailed, with retry_after (0: soon) for what may pass, Cancelled.
        """
        said = {**headers, "host": pin.place.authority}
        tried = pin.addresses[:_TRIED]
        for address in tried[:-1]:
            with suppress(httpx.ConnectError, httpx.ConnectTimeout):
                return self._exchange(self._direct, method, _at(url, address), pin.place, said, body, until, reads=reads)
        return self._named(self._direct, method, _at(url, tried[-1]), pin.place, said, body, until, reads=reads)

    def proxied(self, proxy: str, method: str, url: str, place: Place, headers: Mapping[str, str], until: float) -> Answer:
        """The answer that a proxy brings, which resolves the name by itself. Raises as pinned()."""
        if proxy not in self._proxied:
            try:
                self._proxied[proxy] = httpx.Client(proxy=proxy, **self._shared)
            except (ValueError, ImportError, httpx.InvalidURL) as error:
                raise SourceFailed("the environment names a proxy that is none") from error
        return self._named(self._proxied[proxy], method, httpx.URL(url), place, headers, None, until, reads=True)

    def _named(self, client: httpx.Client, method: str, url: httpx.URL, place: Place, *more: Any, reads: bool) -> Answer:
        """The exchange; nobody there is SourceFailed."""
        try:
            return self._exchange(client, method, url, place, *more, reads=reads)
        except httpx.TimeoutException as error:
            raise SourceFailed(f"{place.shown} did not answer in time", retry_after=0.0) from error
        except httpx.TransportError as error:
            raise SourceFailed(f"{place.shown} cannot be reached, or broke off: {type(error).__name__}", retry_after=0.0) from error

    def _exchange(
        self,
        client: httpx.Client,
        method: str,
        url: httpx.URL,
        place: Place,
        headers: Mapping[str, str],
        body: bytes | None,
        until: float,
        *,
        reads: bool,
    ) -> Answer:
        """One exchange with one address. Raises ConnectError and ConnectTimeout of httpx as they are."""
        deadline = _Deadline(until)
        extensions: dict[str, Any] = {"trace": deadline.trace}
        if place.literal is None:
            extensions["sni_hostname"] = place.host
        try:
            with deadline, client.stream(method, url, headers=headers, content=body, extensions=extensions) as response:
                status = response.status_code
                if status in _AGAIN:
                    raise SourceFailed(f"{place.shown} answered {status}", retry_after=retry_after(response.headers.get("retry-after")))
                if status in _DENIED or status >= 500:
                    raise SourceFailed(f"{place.shown} answered {status}", hint="Check the key, and whether this address is turned away.")
                return Answer(status, self._read(response, place.shown, until) if reads else b"", dict(response.headers))
        except httpx.DecodingError as error:
            raise SourceFailed(f"{place.shown} sent a body that does not decompress") from error
        except httpx.InvalidURL as error:  # of the address itself, or of a Location that nobody follows here
            raise SourceFailed(f"{place.shown} is, or answered with, what is no address") from error
        except httpx.TransportError as error:
            if deadline.has_cut:
                raise SourceFailed(f"{place.shown} took longer than {self._deadline:g} s to send its answer") from error
            raise

    def _read(self, response: httpx.Response, shown: str, until: float) -> bytes:
        """The body in pieces, as long as time and room last."""
        if "," in response.headers.get("content-encoding", ""):  # each layer may unfold a thousandfold before a byte of it can be counted
            raise SourceFailed(f"{shown} sends a body that is compressed more than once")
        told = response.headers.get("content-length", "")
        if told.isdecimal() and int(told) > self._most:
            raise SourceFailed(f"{shown} would send {told} bytes; at most {self._most} are read")
        pieces, size = [], 0
        for piece in response.iter_bytes():
            size += len(piece)
            if size > self._most:
                raise SourceFailed(f"{shown} sends more than {self._most} bytes")
            if time.monotonic() > until:
                raise SourceFailed(f"{shown} took longer than {self._deadline:g} s to send its answer")
            if self._cancelled():
                raise Cancelled("the fetch was stopped")
            pieces.append(piece)
        return b"".join(pieces)


class _Deadline:
    """Cuts a connection at a moment, whatever it is at: a read has a timeout of its own, but a byte now and then starts it anew."""

    def __init__(self, until: float) -> None:
        """`until` in seconds of time.monotonic."""
        self.has_cut = False
        self._stream: Any = None
        self._timer = threading.Timer(max(0.0, until - time.monotonic()), self._cut)
        self._timer.daemon = True

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Hears of the connection as it is made, and made secure."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._stream = info["return_value"]
            if self.has_cut:  # it took that long to connect
                self._shut()

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _cut(self) -> None:
        self.has_cut = True
        self._shut()

    def _shut(self) -> None:
        if self._stream is not None and (connected := self._stream.get_extra_info("socket")) is not None:
            with suppress(OSError):  # it may have ended by itself
                connected.shutdown(socket.SHUT_RDWR)


def proxy_of(place: Place) -> str | None:
    """The proxy that the environment names for the place (https_proxy, http_proxy, all_proxy, less no_proxy); None without one."""
    named = getproxies()
    proxy = named.get(place.scheme) or named.get("all")
    if not proxy or proxy_bypass(place.authority if place.literal is None else place.host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def retry_after(text: str | None) -> float:
    """Seconds that a server asks for, as a number or a date, a day at most; 0 when it does not say."""
    if text is None:
        return 0.0
    if text.strip().isdecimal():
        return min(float(text), _LONGEST_HOLD)
    try:
        left = (parsedate_to_datetime(text).astimezone(UTC) - datetime.now(UTC)).total_seconds()
    except (ValueError, OverflowError):
        return 0.0
    return min(max(0.0, left), _LONGEST_HOLD)


def _at(url: str, address: Address) -> httpx.URL:
    """The address with its host replaced by the one that it is pinned to."""
    return httpx.URL(url).copy_with(host=str(address), userinfo=b"")
