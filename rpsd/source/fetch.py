"""HTTP to the outside: bounded in time and size, tried again with patience, led nowhere it should not go."""

import ipaddress
import random
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from rpsd import __version__
from rpsd.core.errors import Cancelled, SourceFailed
from rpsd.core.source import Answer, Request

_REDIRECTS: Final = 5
_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses after which the same call may go well."""
_DENIED: Final = frozenset({401, 403, 407, 418, 451})
_FIRST_WAIT: Final = 0.5
_LONGEST_WAIT: Final = 30.0
"""Seconds; a vendor that asks for more is left to the next fetch."""
_LONGEST_HOLD: Final = 86_400.0
"""Seconds for which a vendor is believed that it wants to be left alone."""


class Fetcher:
    """One connection pool to one other end; close() it, or use it in a `with`.

    An exchange takes at most `deadline_seconds` with its redirects, its body after decompression at most `most_bytes`. Connections that
    fail and the statuses of an overloaded server are tried again up to `retries` times, after 0.5 s, 1 s, 2 s … spread at random by half,
    or after what Retry-After says. A redirect is followed to public addresses only, unless `private`, and never from https to http.
    """

    def __init__(
        self,
        *,
        deadline_seconds: float = 30.0,
        most_bytes: int = 32 << 20,
        retries: int = 3,
        private: bool = False,
        sleep: Callable[[float], None] = time.sleep,
        rng: random.Random | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        """`cancelled` is asked before each try and while it waits."""
        self._deadline, self._most, self._retries, self._private = deadline_seconds, most_bytes, retries, private
        self._sleep, self._rng, self._cancelled = sleep, rng or random.Random(), cancelled  # noqa: S311 - spreads load, guards nothing
        patience = httpx.Timeout(min(deadline_seconds, 10.0), connect=min(deadline_seconds, 10.0))
        agent = {"user-agent": f"rpsd/{__version__}", "accept-encoding": "gzip, deflate"}
        # no connection is used twice: each is known to _Deadline from its beginning
        self._http = httpx.Client(
            timeout=patience, headers=agent, follow_redirects=False, trust_env=True, limits=httpx.Limits(max_keepalive_connections=0)
        )

    def get(self, request: Request) -> Answer:
        """The answer, of any status below 500 that the vendor itself must explain. Raises SourceFailed, Cancelled."""
        return self._patiently(lambda: self._followed(request.url, request.params, request.headers))

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Deliver a body; no redirect is followed. Raises SourceFailed unless the answer is 2xx, Cancelled."""
        answer = self._patiently(lambda: self._once("POST", url, {}, headers, body, time.monotonic() + self._deadline))
        if not 200 <= answer.status < 300:
            raise SourceFailed(f"{_place(url)} answered {answer.status}")
        return answer

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> "Fetcher":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _patiently(self, call: Callable[[], Answer]) -> Answer:
        """The call, tried again after what may pass."""
        for attempt in range(self._retries + 1):
            if self._cancelled():
                raise Cancelled("the fetch was stopped")
            try:
                answer = call()
            except SourceFailed as error:
                if error.retry_after is None or attempt == self._retries or error.retry_after > _LONGEST_WAIT:
                    raise
                self._wait(error.retry_after or _FIRST_WAIT * 2**attempt * self._rng.uniform(0.5, 1.5))
            else:
                return answer
        raise AssertionError("the last try returns or raises")

    def _wait(self, seconds: float) -> None:
        """Sleep in short pieces, so that a stop is noticed."""
        until = time.monotonic() + seconds
        left = seconds
        while left > 0 and not self._cancelled():
            piece = min(left, 0.25)
            self._sleep(piece)
            left = min(left - piece, until - time.monotonic()) if self._sleep is time.sleep else left - piece

    def _followed(self, url: str, params: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        """GET, along its redirects."""
        until = time.monotonic() + self._deadline
        for _ in range(_REDIRECTS + 1):
            answer = self._once("GET", url, params, headers, None, until)
            if answer.status not in (301, 302, 303, 307, 308):
                return answer
            before, url = url, _joined(url, answer.headers.get("location", ""))
            self._check_redirect(before, url)
            if urlsplit(before).netloc != urlsplit(url).netloc:
                headers = {name: value for name, value in headers.items() if name != "authorization"}  # the key is not the new host's
            params = {}
        raise SourceFailed(f"{_place(url)} redirects in circles")

    def _check_redirect(self, before: str, url: str) -> None:
        """Raise SourceFailed for a redirect that would lose encryption or reach into the private network."""
        old, new = urlsplit(before), urlsplit(url)
        if new.scheme not in ("http", "https") or (old.scheme == "https" and new.scheme == "http"):
            raise SourceFailed(f"{_place(before)} redirects to {new.scheme}, which is not followed")
        if self._private or old.hostname == new.hostname:
            return
        for address in _addresses(new.hostname or ""):
            if not address.is_global:
                raise SourceFailed(f"{_place(before)} redirects to a private address", hint="Set private: true if that is meant.")

    def _once(
        self, method: str, url: str, params: Mapping[str, str], headers: Mapping[str, str], body: bytes | None, until: float
    ) -> Answer:
        """One exchange. Raises SourceFailed, with retry_after (0: soon) for what may pass."""
        place = _place(url)
        deadline = _Deadline(until)
        asked: dict[str, Any] = {"params": params or None, "headers": headers, "content": body, "extensions": {"trace": deadline.trace}}
        try:
            with deadline, self._http.stream(method, url, **asked) as response:
                status = response.status_code
                if status in _AGAIN:
                    raise SourceFailed(f"{place} answered {status}", retry_after=_retry_after(response.headers.get("retry-after")))
                if status in _DENIED or status >= 500:
                    raise SourceFailed(f"{place} answered {status}", hint="Check the key, and whether this address is turned away.")
                return Answer(status, self._read(response, place, until), dict(response.headers))
        except httpx.TimeoutException as error:
            raise SourceFailed(f"{place} did not answer in time", retry_after=0.0) from error
        except httpx.DecodingError as error:
            raise SourceFailed(f"{place} sent a body that does not decompress") from error
        except httpx.TransportError as error:
            if deadline.has_cut:
                raise SourceFailed(f"{place} took longer than {self._deadline:g} s to send its answer") from error
            raise SourceFailed(f"{place} cannot be reached, or broke off: {type(error).__name__}", retry_after=0.0) from error
        except httpx.InvalidURL as error:
            raise SourceFailed(f"{place} is not an address") from error

    def _read(self, response: httpx.Response, place: str, until: float) -> bytes:
        """The body in pieces, as long as time and room last."""
        if "," in response.headers.get("content-encoding", ""):  # each layer may unfold a thousandfold before a byte of it can be counted
            raise SourceFailed(f"{place} sends a body that is compressed more than once")
        told = response.headers.get("content-length", "")
        if told.isdecimal() and int(told) > self._most:
            raise SourceFailed(f"{place} would send {told} bytes; at most {self._most} are read")
        pieces, size = [], 0
        for piece in response.iter_bytes():
            size += len(piece)
            if size > self._most:
                raise SourceFailed(f"{place} sends more than {self._most} bytes")
            if time.monotonic() > until:
                raise SourceFailed(f"{place} took longer than {self._deadline:g} s to send its answer")
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

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _cut(self) -> None:
        self.has_cut = True
        if self._stream is not None and (connected := self._stream.get_extra_info("socket")) is not None:
            with suppress(OSError):  # it may have ended by itself
                connected.shutdown(socket.SHUT_RDWR)


def _retry_after(text: str | None) -> float:
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


def _joined(url: str, location: str) -> str:
    """Where a redirect leads. Raises SourceFailed for what is no address."""
    try:
        joined = str(httpx.URL(url).join(location))
        urlsplit(joined)
    except (httpx.InvalidURL, ValueError) as error:
        raise SourceFailed(f"{_place(url)} redirects to what is no address") from error
    return joined


def _place(url: str) -> str:
    """Scheme and host: what may be said of an address; its path and query may hold a key."""
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
    except ValueError:
        return "the address"


def _addresses(host: str) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """All addresses of a host. Raises SourceFailed when it has none."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise SourceFailed(f"the name {host[:100]!r} is not known") from error
    return [ipaddress.ip_address(str(one[4][0]).partition("%")[0]) for one in found]
