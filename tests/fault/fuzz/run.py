"""The campaign: so many spoilt requests at a real server over kept connections, and what came of them.

`python -m tests.fault.fuzz.run --requests 1000000` writes report.txt; `--replay NUMBER` sends one case again and shows it.
"""

import argparse
import random
import re
import selectors
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Final

import psutil

from tests.bench.report import machine
from tests.fault.fuzz.appliance import under_fire
from tests.fault.fuzz.judge import Answer, Judge
from tests.fault.fuzz.link import Gone, Link
from tests.fault.fuzz.mutate import spoil
from tests.fault.fuzz.request import Request
from tests.fault.fuzz.routes import SCOPES, codes
from tests.fault.fuzz.seeds import SEEDS, Bindings, Seed, request_of, tend
from tests.fault.fuzz.sockets import spoilt_frames
from tests.fault.victim import Victim

REPORT: Final = Path(__file__).with_name("report.txt")
CONNECTIONS: Final = 16
HANG_SECONDS: Final = 60.0
_PATIENCE_SECONDS: Final = 1.0
_TEND_EVERY: Final = 5_000
_MOST_KEPT: Final = 40
_WARM: Final = 0.2
_KEY: Final = re.compile(r"rpsd_[0-9a-f]{8}_[0-9a-f]{32,}")
_STRIDE: Final = 1 << 40


def _weights() -> list[float]:
    """Cumulated: every operation alike, those with a body twice, and within it every seed as often as it says."""
    held = Counter(seed.route for seed in SEEDS)
    return list(accumulate(seed.often / held[seed.route] * (1 if seed.body is None else 2) for seed in SEEDS))


_CUMULATED: Final = _weights()


def case(seed: int, number: int, bindings: Bindings) -> tuple[Seed, Request]:
    """The case of that number: the same whenever it is asked for, but for the ids and keys of the server."""
    rng = random.Random(seed * _STRIDE + number)
    chosen = rng.choices(SEEDS, cum_weights=_CUMULATED)[0]
    who = rng.random()
    request = request_of(chosen, bindings, "all" if who < 0.9 else rng.choice(SCOPES) if who < 0.98 else "")
    request.headers.append((b"x-forwarded-for", b"10.0.%d.%d" % (rng.randrange(8), rng.randrange(256))))
    spoil(rng, request)
    return chosen, request


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
    def growth(self) -> float:
        """Resident memory at the end over that after the first fifth, less one; medians of five samples each."""
        warm = [rss for done, rss in self.memory if done >= self.done * _WARM]
        first, last = sorted(warm[:5]), sorted(warm[-5:])
        return last[len(last) // 2] / first[len(first) // 2] - 1.0

    def good(self, route: str) -> int:
        """How many requests of the route were answered below 300."""
        return sum(n for (name, status), n in self.routes.items() if name == route and status < 300)


class Campaign:
    """One client over several connections, one request under way on each."""

    def __init__(self, server: Victim, bindings: Bindings, seed: int) -> None:
        assert server.process is not None
        self._server, self._bindings = server, bindings
        secrets = [server.key, *bindings.keys.values()]
        secrets += [file.read_text(errors="ignore").strip() for file in (server.data / "secrets").glob("*") if file.is_file()]
        self.judge = Judge(codes(), tuple(one.encode() for one in secrets if len(one) > 15), (str(server.data).encode(),))
        self._process = psutil.Process(server.process.pid)
        self.outcome = Outcome(seed)
        self._selector = selectors.DefaultSelector()
        self._routes: dict[int, str] = {}
        self._tended = 0

    def run(self, numbers: range) -> Outcome:
        """Send these cases and judge every answer. Raises AssertionError when the server dies."""
        begin, turn = time.monotonic(), iter(numbers)
        links = [Link(self._server.port) for _ in range(CONNECTIONS)]
        busy = sum(self._next(link, turn) for link in links)
        step = max(1, len(numbers) // 200)
        while busy:
            for key, _ in self._selector.select(0.5):
                link = key.data
                if not self._progress(link):
                    continue
                if self.outcome.done % step == 0:
                    self._look()
                busy -= not self._next(link, turn)
            busy -= sum(not self._next(link, turn) for link in links if self._is_stuck(link))
        for link in links:
            self._drop(link)
        self.outcome.seconds += time.monotonic() - begin
        self._look()
        return self.outcome

    def _look(self) -> None:
        assert self._server.process is not None
        assert self._server.process.poll() is None, self._server.log.read_text(errors="replace")[-3000:]
        rss = self._process.memory_info().rss
        self.outcome.memory.append((self.outcome.done, rss))
        if len(self.outcome.memory) % 20 == 1:
            print(f"{self.outcome.done} requests, {self.outcome.count} wrong, {rss / 2**20:.0f} MiB", file=sys.stderr, flush=True)
        if self.outcome.done // _TEND_EVERY != self._tended:
            self._tended = self.outcome.done // _TEND_EVERY
            tend(self._server, self._bindings)

    def _next(self, link: Link, turn: Iterator[int]) -> bool:
        """Send the next case; False when there is none."""
        number = next(turn, None)
        if number is None:
            link.request = None
            return False
        seed, request = case(self.outcome.seed, number, self._bindings)
        self._routes[number] = seed.route
        fresh = link.sock is None
        link.send(request, number, time.monotonic())
        if fresh and link.sock is not None:
            self._selector.register(link.sock, selectors.EVENT_READ, link)
        return True

    def _drop(self, link: Link) -> None:
        if link.sock is not None:
            self._selector.unregister(link.sock)
            link.close()

    def _progress(self, link: Link) -> bool:
        """Read what has come; whether the case is over."""
        if link.request is None:  # closed while idle
            self._drop(link)
            return False
        try:
            answer = link.receive()
        except Gone as gone:
            before = link.before
            self._drop(link)
            self.outcome.closed[gone.how] += 1
            self._end(
                link, None, [] if link.request.broken and gone.how != "cut off" else [f"the connection was {gone.how}, after case {before}"]
            )
            return True
        if answer is None:
            return False
        if link.request.broken or b"close" in answer.headers.get(b"connection", b"").lower() or link.half_closed:
            self._drop(link)
        self._end(link, answer, self.judge.complaints(link.request, answer))
        return True

    def _is_stuck(self, link: Link) -> bool:
        """Whether a case without an answer is over: one of broken framing when it has had its time, any other as a hang."""
        if link.request is None or link.number not in self._routes:
            return False
        waited = time.monotonic() - link.since
        mute = link.request.broken and not link.begun  # the server may rightly wait for more
        if mute and waited > _PATIENCE_SECONDS and not link.half_closed:
            link.half_close()
        over = waited > (4 * _PATIENCE_SECONDS if mute else HANG_SECONDS)
        if over:
            self._drop(link)
            self.outcome.closed["left"] += 1
            self._end(link, None, [] if link.request.broken else [f"no answer within {HANG_SECONDS:g} s"])
        return over

    def _end(self, link: Link, answer: Answer | None, words: list[str]) -> None:
        outcome, route, request = self.outcome, self._routes.pop(link.number), link.request
        assert request is not None
        status = answer.status if answer else 0
        outcome.done += 1
        outcome.statuses[status] += 1
        outcome.routes[route, status] += 1
        if words:
            outcome.count += 1
            if len(outcome.complaints) < _MOST_KEPT:
                outcome.complaints.append(Complaint(link.number, route, words, status, request))


def report(outcome: Outcome, command: str, port: int) -> str:
    """The campaign in figures, and every complaint that was kept."""
    spread = ", ".join(f"{status or 'none'}: {n}" for status, n in sorted(outcome.statuses.items()))
    every = {seed.route for seed in SEEDS}
    served = {route for route, status in outcome.routes if 0 < status < 300}
    first = next(rss for done, rss in outcome.memory if done >= outcome.done * _WARM) / 2**20
    tenth = max(1, len(outcome.memory) // 10)
    curve = " ".join(f"{rss / 2**20:.0f}" for _, rss in outcome.memory[::tenth])
    last, speed = outcome.memory[-1][1] / 2**20, outcome.done / outcome.seconds
    resets = sum("connection" in word for one in outcome.complaints for word in one.words)
    lines = [
        f"command   {command}",
        *machine(),
        f"requests  {outcome.done} in {outcome.seconds:.0f} s, {speed:.0f} a second",
        f"answers   {spread}",
        f"5xx       {sum(n for status, n in outcome.statuses.items() if status >= 500)}",
        f"resets    {resets} of requests whose framing was right",
        f"closed    {sum(outcome.closed.values()) - resets} of requests whose framing was broken",
        f"memory    {first:.1f} MiB after a fifth, {last:.1f} MiB at the end, growth {outcome.growth:+.2%}; on the way {curve}",
        f"routes    {len(served)} of {len(every)} operations gave good answers; the others: {', '.join(sorted(every - served)) or 'none'}",
        f"wrong     {outcome.count}",
    ]
    return "\n".join([*lines, *(one.told(port, outcome.seed) for one in outcome.complaints)]) + "\n"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fault.fuzz.run", description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--replay", type=int, action="append", help="send this case alone, show it and its answer; may be given again")
    parser.add_argument("--data", type=Path, help="a data directory of rpsd demo to copy, instead of making one")
    parser.add_argument("--report", type=Path, help="where to write the report; else only printed")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="rpsd-fuzz-") as directory, under_fire(Path(directory), asked.data) as (server, bindings, _):
        campaign = Campaign(server, bindings, asked.seed)
        for number in asked.replay or ():
            replay(campaign, server, bindings, number)
        if asked.replay:
            return 0
        outcome = campaign.run(range(asked.first, asked.first + asked.requests))
        count = max(100, asked.requests // 20)
        frames = spoilt_frames(server.port, bindings.keys["all"], codes(), seed=asked.seed, frames=count)
        text = report(outcome, "python -m tests.fault.fuzz.run " + " ".join(arguments), server.port)
        spread = f"{dict(frames.answers.most_common())}, closed {dict(frames.closes)}"
        text += f"frames    {count} over WebSocket: {spread}, wrong {len(frames.complaints)}\n"
        text += "".join(f"{complaint}\n" for complaint in frames.complaints[:_MOST_KEPT])
        log = server.log.read_text(errors="replace")
    print(text)
    errors = [line for line in log.splitlines() if '"level": "ERROR"' in line or not line.startswith("{")]
    print("\n".join(line[:4000] for line in errors[:200]), file=sys.stderr)
    if asked.report:
        asked.report.write_text(text, encoding="utf-8")
    return 1 if outcome.count or frames.complaints else 0


def replay(campaign: Campaign, server: Victim, bindings: Bindings, number: int) -> None:
    """Send one case and print it with its answer."""
    seed, request = case(campaign.outcome.seed, number, bindings)
    print(f"case {number}: {seed.route}, {'+'.join(request.did)}\n{request.wire()!r}\n{request.curl(server.port)}")
    link = Link(server.port)
    link.send(request, number, time.monotonic())
    if link.sock is not None:
        link.sock.settimeout(5.0)
    answer = None
    try:
        while answer is None:
            answer = link.receive()
        print(answer.status, answer.headers, answer.body[:3000], campaign.judge.complaints(request, answer), sep="\n")
    except Gone as gone:
        print(f"the connection was {gone.how}")
    finally:
        link.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
