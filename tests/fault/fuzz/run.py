"""The campaign: so many spoilt requests at a real server over kept connections, and what came of them.

`python -m tests.fault.fuzz.run --requests 1000000 --servers 2 --report FILE` shares them among two servers, which two cores can feed, and
writes the report; `--replay NUMBER` sends one case again and shows it.
"""

import argparse
import random
import selectors
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import accumulate
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import psutil

from tests.fault.fuzz.appliance import make_data, under_fire
from tests.fault.fuzz.judge import Answer, Judge
from tests.fault.fuzz.link import Gone, Link
from tests.fault.fuzz.mutate import spoil
from tests.fault.fuzz.outcome import MOST_GROWTH, WARM, Complaint, Outcome, report
from tests.fault.fuzz.request import Request
from tests.fault.fuzz.routes import SCOPES, codes
from tests.fault.fuzz.seed import Bindings, Seed
from tests.fault.fuzz.seeds import SEEDS, request_of, tend
from tests.fault.fuzz.sockets import Told, spoilt_frames
from tests.fault.victim import Victim

REPORT: Final = Path(__file__).with_name("report.txt")
CONNECTIONS: Final = 16
HANG_SECONDS: Final = 60.0
_PATIENCE_SECONDS: Final = 1.0
_TEND_EVERY: Final = 5_000
_MOST_KEPT: Final = 40
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
    key, place, elsewhere = request.header(b"x-api-key"), b"10.0.0.%d" % rng.randrange(64), b"10.1.0.%d" % rng.randrange(256)
    request.headers.append((b"x-forwarded-for", place))
    spoil(rng, request)
    if not key or request.header(b"x-api-key") != key:  # places that fail are locked in turn; where the keys work is none of them
        request.headers = [(name, elsewhere if value is place else value) for name, value in request.headers]
        request.raw = request.raw and request.raw.replace(b"x-forwarded-for: " + place, b"x-forwarded-for: " + elsewhere)
    return chosen, request


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
            # whoever breaks HTTP within a body may see the answer end with the connection: a stream of it had begun
            words = [] if link.request.broken else [f"the connection was {gone.how}, after case {before}"]
            self._end(link, None, words)
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


@dataclass
class Lane:
    """One server's part: what came of its requests and of its frames, and what it logged that is an error."""

    outcome: Outcome
    frames: Told
    errors: list[str]


def lane(first: int, requests: int, seed: int, data: Path | None) -> Lane:
    """Let a server of its own answer the cases from `first` on, and then frames over WebSocket, one for each fifty of them."""
    with tempfile.TemporaryDirectory(prefix="rpsd-fuzz-") as directory, under_fire(Path(directory), data) as (server, bindings, _):
        outcome = Campaign(server, bindings, seed).run(range(first, first + requests))
        frames = spoilt_frames(server.port, bindings.keys["all"], codes(), seed=seed + first, frames=max(100, requests // 50))
        log = server.log.read_text(errors="replace")
    errors = [line[:4000] for line in log.splitlines() if '"level": "ERROR"' in line or not line.startswith("{")]
    return Lane(outcome, frames, errors[:200])


def campaign(asked: argparse.Namespace) -> list[Lane]:
    """The requests shared among the servers, each with a fuzzer's process of its own."""
    share = -(-asked.requests // asked.servers)
    with tempfile.TemporaryDirectory(prefix="rpsd-fuzz-") as directory, ProcessPoolExecutor(asked.servers, get_context("spawn")) as pool:
        data = asked.data
        if data is None:
            data = Path(directory) / "data"
            make_data(data)
        starts = range(asked.first, asked.first + asked.requests, share)
        under_way = [pool.submit(lane, at, min(share, asked.first + asked.requests - at), asked.seed, data) for at in starts]
        return [one.result() for one in under_way]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fault.fuzz.run", description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--servers", type=int, default=1, help="that share the requests")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--replay", type=int, action="append", help="send this case alone, show it and its answer; may be given again")
    parser.add_argument("--data", type=Path, help="a data directory of rpsd demo to copy, instead of making one")
    parser.add_argument("--report", type=Path, help="where to write the report; else only printed")
    asked = parser.parse_args(arguments)
    if asked.replay:
        with (
            tempfile.TemporaryDirectory(prefix="rpsd-fuzz-") as directory,
            under_fire(Path(directory), asked.data) as (server, bindings, _),
        ):
            for number in asked.replay:
                replay(Campaign(server, bindings, asked.seed), server, bindings, number)
        return 0
    lanes = campaign(asked)
    text = report([one.outcome for one in lanes], "python -m tests.fault.fuzz.run " + " ".join(arguments), 8000)
    answers, closes = (sum((getattr(one.frames, name) for one in lanes), Counter()) for name in ("answers", "closes"))
    complaints = [complaint for one in lanes for complaint in one.frames.complaints]
    sent = sum(one.frames.sent for one in lanes)
    text += f"frames    {sent} over WebSocket: {dict(answers.most_common())}, closed {dict(closes)}, wrong {len(complaints)}\n"
    text += "".join(f"{complaint}\n" for complaint in complaints[:_MOST_KEPT])
    print(text)
    print("\n".join(line for one in lanes for line in one.errors), file=sys.stderr)
    if asked.report:
        asked.report.write_text(text, encoding="utf-8")
    grown = any(one.outcome.done >= 2 * WARM and one.outcome.growth >= MOST_GROWTH for one in lanes)  # a short one shows nothing
    return 1 if grown or complaints or any(one.outcome.count for one in lanes) else 0


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
