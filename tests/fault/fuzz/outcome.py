"""What a campaign came to, in figures and in words."""

import re
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.bench.report import machine
from tests.fault.fuzz.request import Request
from tests.fault.fuzz.seeds import SEEDS

WARM: Final = 250_000
"""Requests after which a server's bounded memories are filled (the last is that of the thousand newest events about jobs) and its growth is
measured; half of all when these are fewer."""
MOST_GROWTH: Final = 0.02
_LOOKS: Final = 21  # readings, of some two hundred, of memory whose median counts
_HEALTH: Final = re.compile(r"^\w+ (/api/v1)?/health")
_KEY: Final = re.compile(r"rpsd_[0-9a-f]{8}_[0-9a-f]{32,}")


@dataclass
class Complaint:
    """One case that went wrong."""

    number: int
    route: str
    words: list[str]
    status: int
    request: Request

    def told(self, port: int, seed: int) -> str:
        """In words, with the bytes and the command that send it again."""
        text = (
            f"case {self.number} of seed {seed}, {self.route}, {'+'.join(self.request.did) or 'as it is'}: {'; '.join(self.words)}\n"
            f"  bytes  {self.request.wire()[:1500]!r}\n  curl   {self.request.curl(port)[:3000]}"
        )
        return _KEY.sub("rpsd_KEY", text)


@dataclass
class Outcome:
    """What a campaign came to. `memory` holds (cases done, bytes resident) of the server's own process."""

    seed: int
    done: int = 0
    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    routes: Counter[tuple[str, int]] = field(default_factory=Counter)
    closed: Counter[str] = field(default_factory=Counter)
    complaints: list[Complaint] = field(default_factory=list)
    count: int = 0
    memory: list[tuple[int, int]] = field(default_factory=list)

    @property
    def warm(self) -> int:
        """Requests after which memory counts."""
        return min(WARM, self.done // 2)

    @property
    def ends(self) -> tuple[float, float]:
        """Resident MiB after the warm-up and at the end, medians of some readings each."""
        warm = [rss for done, rss in self.memory if done >= self.warm]
        return statistics.median(warm[:_LOOKS]) / 2**20, statistics.median(warm[-_LOOKS:]) / 2**20

    @property
    def growth(self) -> float:
        """Resident memory at the end over that after the warm-up, less one."""
        first, last = self.ends
        return last / first - 1.0

    @property
    def failed(self) -> Counter[tuple[str, int]]:
        """Answers of 500 and more by route and status, without those of health while somebody has announced maintenance."""
        return Counter({key: n for key, n in self.routes.items() if key[1] >= 500 and not (key[1] == 503 and _HEALTH.search(key[0]))})

    @property
    def unready(self) -> int:
        """How often health said that the server is not ready."""
        return sum(n for (route, status), n in self.routes.items() if status == 503 and _HEALTH.search(route))

    def good(self, route: str) -> int:
        """How many requests of the route were answered below 300."""
        return sum(n for (name, status), n in self.routes.items() if name == route and status < 300)


def joined(lanes: Sequence[Outcome]) -> Outcome:
    """What the campaigns came to together; memory stays with each."""
    whole = Outcome(lanes[0].seed, seconds=max(one.seconds for one in lanes))
    for one in lanes:
        whole.done += one.done
        whole.count += one.count
        whole.statuses += one.statuses
        whole.routes += one.routes
        whole.closed += one.closed
        whole.complaints += one.complaints
    return whole


def report(lanes: Sequence[Outcome], command: str, port: int) -> str:
    """The campaign in figures, and every complaint that was kept."""
    outcome = joined(lanes)
    spread = ", ".join(f"{status or 'none'}: {n}" for status, n in sorted(outcome.statuses.items()))
    every = {seed.route for seed in SEEDS}
    served = {route for route, status in outcome.routes if 0 < status < 300}
    resets = sum("connection" in word for one in outcome.complaints for word in one.words)
    lines = [
        f"command   {command}",
        *machine(),
        f"requests  {outcome.done} to {len(lanes)} server(s) in {outcome.seconds:.0f} s, {outcome.done / outcome.seconds:.0f} a second",
        f"answers   {spread}",
        f"5xx       {sum(outcome.failed.values())}, and {outcome.unready} answers of health that it is not ready, in spoilt maintenance",
        f"resets    {resets} of requests whose framing was right",
        f"closed    {sum(outcome.closed.values()) - resets} of requests whose framing was broken",
        *(_memory(number, one) for number, one in enumerate(lanes, 1)),
        f"routes    {len(served)} of {len(every)} operations gave good answers; the others: {', '.join(sorted(every - served)) or 'none'}",
        f"wrong     {outcome.count}",
    ]
    return "\n".join([*lines, *(one.told(port, outcome.seed) for one in outcome.complaints)]) + "\n"


def _memory(number: int, outcome: Outcome) -> str:
    first, last = outcome.ends
    curve = " ".join(f"{rss / 2**20:.0f}" for _, rss in outcome.memory[:: max(1, len(outcome.memory) // 20)])
    ends = f"{first:.1f} MiB after {outcome.warm} requests, {last:.1f} MiB after {outcome.done}"
    return f"memory {number}  {ends}, growth {outcome.growth:+.2%}; each twentieth {curve}"
