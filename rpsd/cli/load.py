"""An open-loop client: requests leave when their time has come, so that a slow answer cannot hide the wait of those behind it."""

import http.client
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

CLIENTS: Final = 8
"""Connections, each with a thread of its own."""
_TIMEOUT_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Route:
    """A request that is made again and again; `content(n)` is the body of the n-th."""

    name: str
    method: str
    path: str
    content: Callable[[int], bytes] | None = None


@dataclass(slots=True)
class Told:
    """What came of a stretch: waits in seconds from when a request was due, statuses of what was refused, and seconds in all."""

    waits: list[float] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0


class Load:
    """Connections to one server, kept open from one stretch to the next."""

    def __init__(self, base: str, key: str, ca: str | None = None) -> None:
        parts = urlsplit(base)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{base!r} is no address such as http://127.0.0.1:8000")
        context = ssl.create_default_context(cafile=ca) if parts.scheme == "https" else None
        self._host, self._port = parts.hostname, parts.port or (443 if context else 80)
        self._context, self._headers = context, {"x-api-key": key, "content-type": "application/json"}
        self.stopped = threading.Event()

    def run(self, route: Route, rate: float, seconds: float, tell: Callable[[float], None] = lambda _: None) -> Told:
        """So many requests a second for so long; ends early when `stopped` is set."""
        count = max(1, round(rate * seconds))
        told, lock, turn = Told(), threading.Lock(), iter(range(count))
        begin = time.perf_counter() + 0.05

        def work() -> None:
            connection = self._connection()
            try:
                while not self.stopped.is_set():
                    with lock:
                        if (n := next(turn, None)) is None:
                            return
                    due = begin + n / rate
                    if (wait := due - time.perf_counter()) > 0:
                        time.sleep(wait)
                    said, connection = self._ask(connection, route, n)
                    with lock:
                        told.waits.append(time.perf_counter() - due)
                        if said:
                            told.refused[said] = told.refused.get(said, 0) + 1
            finally:
                connection.close()

        threads = [threading.Thread(target=work, name=f"load-{n}", daemon=True) for n in range(min(CLIENTS, count))]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(0.1)  # so that Ctrl-C is heard
                tell(min(1.0, (time.perf_counter() - begin) / seconds))
        told.seconds = time.perf_counter() - begin
        return told

    def _connection(self) -> http.client.HTTPConnection:
        if self._context is not None:
            return http.client.HTTPSConnection(self._host, self._port, timeout=_TIMEOUT_SECONDS, context=self._context)
        return http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT_SECONDS)

    def _ask(self, connection: http.client.HTTPConnection, route: Route, n: int) -> tuple[str, http.client.HTTPConnection]:
        """Why the request was refused, empty when it was answered well; and the connection to go on with."""
        try:
            connection.request(route.method, route.path, None if route.content is None else route.content(n), self._headers)
            with connection.getresponse() as response:
                response.read()
                return ("" if response.status < 400 else str(response.status)), connection
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            return type(error).__name__, self._connection()


def quantile(waits: Sequence[float], share: float) -> float:
    """The value below which that share of the waits lies, in seconds; the nearest rank.

    >>> quantile([3.0, 1.0, 2.0, 4.0], 0.5)
    2.0
    """
    ordered = sorted(waits)
    return ordered[max(0, -(-round(share * 1e6) * len(ordered) // 1_000_000) - 1)]


def figures(route: Route, told: Told, idle_p99: float | None) -> Mapping[str, Any]:
    """A row of the answer: milliseconds, what was refused, and the p99 over that of the idle health route."""
    p99 = quantile(told.waits, 0.99)
    return {
        "route": route.name,
        "requests": len(told.waits),
        "per_second": round(len(told.waits) / told.seconds, 1),
        "p50_ms": round(quantile(told.waits, 0.5) * 1e3, 3),
        "p99_ms": round(p99 * 1e3, 3),
        "worst_ms": round(max(told.waits) * 1e3, 3),
        "ratio_to_health": None if idle_p99 is None else round(p99 / idle_p99, 2),
        "refused": told.refused,
    }
