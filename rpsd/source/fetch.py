"""HTTP to the outside: tried again with patience, led nowhere it should not go."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import httpx

from rpsd.core.errors import BadDestination, Cancelled, SourceFailed
from rpsd.core.source import Answer, Request
from rpsd.source.destination import Address, Network, Pin, Place, parse, pin, resolved
from rpsd.source.exchange import Exchanges, proxy_of

_REDIRECTS: Final = 5
_SECURE_PORT: Final = 443
_FIRST_WAIT: Final = 0.5
_LONGEST_WAIT: Final = 30.0
"""Seconds; a vendor that asks for more is left to the next fetch."""


class Fetcher:
    """Speaks with one other end; close() it, or use it in a `with`.

    An exchange takes at most `deadline_seconds` with its redirects, its body after decompression at most `most_bytes`. Connections that
    fail and the statuses of an overloaded server are tried again up to `retries` times, after 0.5 s, 1 s, 2 s … spread at random by half,
    or after what Retry-After says.

    Every name is resolved once for each call, all its addresses are judged, and the connection goes to one of them: see
    destination.pin(). Allowed are public addresses and those in `private`. The host of `home`, which the operator wrote himself, may have
    any address on the port written there, and on 443; the one that it has first is kept. No redirect is followed from https to http.
    """

    def __init__(
        self,
        *,
        deadline_seconds: float = 30.0,
        most_bytes: int = 32 << 20,
        retries: int = 3,
        private: Sequence[Network] = (),
        home: str = "",
        sleep: Callable[[float], None] = time.sleep,
        rng: random.Random | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        """`cancelled` is asked before each try and while it waits."""
        self._deadline, self._retries, self._private = deadline_seconds, retries, private
        self._sleep, self._rng, self._cancelled = sleep, rng or random.Random(), cancelled  # noqa: S311 - spreads load, guards nothing
        self._home, self._home_addresses = _written(home), tuple[Address, ...]()
        self._exchanges = Exchanges(deadline_seconds=deadline_seconds, most_bytes=most_bytes, cancelled=cancelled)

    def get(self, request: Request) -> Answer:
        """The answer, of any status below 500 that the vendor itself must explain. Raises SourceFailed, Cancelled.

        A proxy that the environment names is used. It resolves the names then; a redirect to another host is judged here nevertheless.
        """
        return self._patiently(lambda: self._followed(_whole(request), request.headers))

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Deliver a body past any proxy, over http to listed addresses alone; no redirect is followed and no answer read but its status.

        Raises SourceFailed unless the answer is 2xx, Cancelled.
        """
        answer = self._patiently(lambda: self._delivered(url, body, headers))
        if not 200 <= answer.status < 300:
            raise SourceFailed(f"{parse(url).shown} answered {answer.status}")
        return answer

    def close(self) -> None:
        """Close the connections."""
        self._exchanges.close()

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

    def _delivered(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """POST to the pinned address."""
        until = time.monotonic() + self._deadline
        try:
            pinned = pin(parse(url), self._private)
        except BadDestination as error:
            raise SourceFailed(error.detail, hint=error.advice, retry_after=error.retry_after) from error
        return self._exchanges.pinned("POST", url, pinned, headers, body, until, reads=False)

    def _followed(self, url: str, headers: Mapping[str, str]) -> Answer:
        """GET, along its redirects."""
        until = time.monotonic() + self._deadline
        before: Place | None = None
        for _ in range(_REDIRECTS + 1):
            place = self._place(url, before)
            if before is not None and before.authority != place.authority:
                headers = {name: value for name, value in headers.items() if name != "authorization"}  # the key is not the new host's
            answer = self._once(url, place, before, headers, until)
            if answer.status not in (301, 302, 303, 307, 308):
                return answer
            url, before = _joined(url, answer.headers.get("location", ""), place), place
        raise SourceFailed(f"{place.shown} redirects in circles")

    def _place(self, url: str, before: Place | None) -> Place:
        """The address taken apart; one that a redirect leads to does not lose encryption."""
        try:
            place = parse(url)
        except BadDestination as error:
            raise SourceFailed(f"{before.shown} redirects where it may not: {error.detail}" if before else error.detail) from error
        if before is not None and before.scheme == "https" and place.scheme == "http":
            raise SourceFailed(f"{before.shown} redirects to http, which is not followed")
        return place

    def _once(self, url: str, place: Place, before: Place | None, headers: Mapping[str, str], until: float) -> Answer:
        """One GET, to where it is pinned or through the environment's proxy."""
        proxy = proxy_of(place)
        if proxy is not None and (before is None or place.host == before.host or self._is_home(place)):
            return self._exchanges.proxied(proxy, "GET", url, place, headers, until)
        try:
            pinned = self._pinned(place)
        except BadDestination as error:
            if before is None:
                raise SourceFailed(error.detail, hint=error.advice, retry_after=error.retry_after) from error
            reason = f"{before.shown} redirects where it may not: {error.detail}"
            raise SourceFailed(reason, hint="Set private: true if a private address is meant.") from error
        if proxy is not None:
            return self._exchanges.proxied(proxy, "GET", url, place, headers, until)
        return self._exchanges.pinned("GET", url, pinned, headers, None, until)

    def _pinned(self, place: Place) -> Pin:
        """Where the place is; home is wherever it was first."""
        if not self._is_home(place):
            return pin(place, self._private, plain=True)
        self._home_addresses = self._home_addresses or resolved(place)
        return Pin(place, self._home_addresses)

    def _is_home(self, place: Place) -> bool:
        """Whether the operator wrote that host himself."""
        home = self._home
        return home is not None and place.host == home.host and place.port in (home.port, _SECURE_PORT)


def _whole(request: Request) -> str:
    """The address of the request with its parameters, in ASCII. Raises SourceFailed for what is no address."""
    try:
        url = httpx.URL(request.url)
        return str(url.copy_merge_params(dict(request.params)) if request.params else url)
    except httpx.InvalidURL as error:
        raise SourceFailed("that is not an address") from error


def _joined(url: str, location: str, place: Place) -> str:
    """Where a redirect leads. Raises SourceFailed for what is no address."""
    try:
        return str(httpx.URL(url).join(location))
    except (httpx.InvalidURL, ValueError) as error:
        raise SourceFailed(f"{place.shown} redirects to what is no address") from error


def _written(url: str) -> Place | None:
    """An address of the settings taken apart; None when there is none that could be kept."""
    try:
        return parse(str(httpx.URL(url))) if url else None
    except (BadDestination, httpx.InvalidURL):
        return None
