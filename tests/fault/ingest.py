"""Clients that post rows as fast as they are acknowledged, and a ledger of what they may rely on."""

import http.client
import json
import random
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rpsd.core.market import SECOND_NS
from tests.fault.victim import Victim

CLIENTS = 4
SHARED = "SHARED"
"""All clients write into this series, each at times of its own; besides, each has a series that nobody else writes to."""
FIRST_SECOND = 1_600_000_000
Rows = dict[int, float]
"""Time in ns -> value."""


@dataclass(frozen=True)
class Post:
    """One request: rows of one series, and the key that lets it be sent again."""

    symbol: str
    rows: Rows
    key: str | None
    is_new: bool  # none of its times was ever sent before

    def send(self, server: Victim, on: http.client.HTTPConnection) -> tuple[int, Any]:
        body: Any = {"t": list(self.rows), "value": list(self.rows.values())}
        if len(self.rows) == 1:
            body = {"rows": [{"t": t, "value": value} for t, value in self.rows.items()]}
        headers = {"Idempotency-Key": self.key} if self.key else {}
        status, content = server.ask("POST", f"/api/v1/series/{self.symbol}/1s/samples", body, headers, on)
        return status, json.loads(content)


@dataclass
class Ledger:
    """What was acknowledged, and what may or may not have been stored because the server died before it answered."""

    sure: dict[str, Rows] = field(default_factory=dict)
    open: dict[str, dict[int, set[float]]] = field(default_factory=dict)
    requests: int = 0
    rows: int = 0
    revised: int = 0

    def acknowledge(self, post: Post) -> None:
        held, unsure = self.sure.setdefault(post.symbol, {}), self.open.setdefault(post.symbol, {})
        self.requests += 1
        self.rows += len(post.rows)
        self.revised += sum(t in held for t in post.rows)
        held |= post.rows
        for t in post.rows:
            unsure.pop(t, None)

    def leave_open(self, post: Post) -> None:
        unsure = self.open.setdefault(post.symbol, {})
        for t, value in post.rows.items():
            unsure.setdefault(t, set()).add(value)

    def lost(self, symbol: str, found: Rows, since_ns: int = 0) -> int:
        """Acknowledged rows from a time on that are not there, or with a value that is neither the last acknowledged nor still open."""
        unsure, sure = self.open.get(symbol, {}), self.sure.get(symbol, {})
        return sum(t >= since_ns and found.get(t) != value and found.get(t) not in unsure.get(t, ()) for t, value in sure.items())

    def strange(self, symbol: str, found: Rows) -> int:
        """Rows that nobody has sent."""
        sure, unsure = self.sure.get(symbol, {}), self.open.get(symbol, {})
        return sum(value != sure.get(t) and value not in unsure.get(t, ()) for t, value in found.items())


class Client:
    """One connection that posts single rows and batches, now and then a correction of rows it has posted before."""

    def __init__(self, number: int, seed: int) -> None:
        self.number, self.rng, self.ledger = number, random.Random(seed * 1000 + number), Ledger()
        self._next = 0
        self._own = f"CLIENT{number}"
        self.pending: Post | None = None
        self.answered: list[tuple[Post, Any]] = []
        self.complaint = ""

    def run(self, server: Victim, on_answer: Callable[[], None]) -> None:
        """Post until the connection breaks; every 200 is in the ledger before on_answer is called."""
        link = server.connection()
        self.answered.clear()
        try:
            while True:
                self.pending = self._compose()
                status, told = self.pending.send(server, link)
                if status != 200:
                    self.complaint = f"{status} {told}"
                    return
                self.ledger.acknowledge(self.pending)
                self.answered = [*self.answered[-3:], (self.pending, told)]
                self.pending = None
                on_answer()
        except (OSError, http.client.HTTPException, ValueError):  # ValueError: the answer was torn
            if self.pending is not None:
                self.ledger.leave_open(self.pending)
        finally:
            link.close()

    @property
    def frontier_ns(self) -> int:
        """The time of the next row: whatever is new from now on has this time or a later one."""
        return self._time(0)

    def _time(self, ahead: int) -> int:
        return (FIRST_SECOND + CLIENTS * (self._next + ahead) + self.number) * SECOND_NS

    def _compose(self) -> Post:
        symbol, key = (
            self.rng.choice([SHARED, self._own]),
            uuid.UUID(int=self.rng.getrandbits(128)).hex if self.rng.random() < 0.5 else None,
        )
        held = self.ledger.sure.get(self._own)
        if held and self.rng.random() < 0.1:
            times = self.rng.sample(list(held)[-200:], min(len(held), 3))
            return Post(self._own, {t: self.rng.random() for t in sorted(times)}, key, is_new=False)
        count = self.rng.randrange(50, 500) if self.rng.random() < 0.1 else 1
        times = [self._time(i) for i in range(count)]
        self._next += count
        return Post(symbol, {t: self.rng.random() for t in times}, key, is_new=True)


def post_from_all(server: Victim, clients: list[Client], on_answer: Callable[[], None]) -> list[threading.Thread]:
    """Threads in which the clients post until the server is gone."""
    threads = [threading.Thread(target=client.run, args=(server, on_answer), daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    return threads


def stored(server: Victim, symbol: str, start_ns: int | None = None, end_ns: int | None = None) -> Rows:
    """The series as the API gives it; empty when there is none."""
    found: Rows = {}
    since: str | None = None if start_ns is None else str(start_ns)
    while True:
        span = (f"&start={since}" if since is not None else "") + (f"&end={end_ns}" if end_ns is not None else "")
        status, content = server.ask("GET", f"/api/v1/series/{symbol}/1s/samples?time=ns&limit=100000{span}")
        if status == 404:
            return {}
        assert status == 200, content[:300]
        page = json.loads(content)
        found |= dict(zip(page["t"], page["value"], strict=True))
        if (since := page["next"]) is None:
            return found
