"""SIGKILL in the middle of the feeds of two order books: after the restart features and books go on bit for bit."""

import http.client
import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rpsd.book.features import FEATURES
from rpsd.config import read
from rpsd.core import frame
from rpsd.core.book import Tape, fused
from rpsd.core.market import SECOND_NS
from rpsd.services.wiring import open_services
from rpsd.store.db import FILE_NAME, verify_database
from rpsd.web import book_wire
from tests.fault.conftest import Record
from tests.fault.stream import Stream
from tests.fault.victim import SERVE, Victim, victim

pytestmark = pytest.mark.fault

KILLS = 12
BOOKS = "/api/v1/books"
SYMBOLS = ("FUSED", "LADDER")
FRAMES, JSON = "application/octet-stream", "application/json"
_LEVELS = 6


@dataclass(frozen=True)
class Post:
    """One request: which book, what kind of records, and the body."""

    symbol: str
    noun: str
    body: bytes
    kind: str

    def feed(self) -> tuple[Any, float | None]:
        """What it says, and the tick that it states."""
        layout = {"snapshots": book_wire.SNAPSHOTS, "quotes": book_wire.QUOTES, "trades": book_wire.TRADES, "updates": book_wire.UPDATES}
        given = book_wire.records(self.body, self.kind, layout[self.noun])
        return given.feed, given.tick


class _Market:
    """A book of six levels a side that random events change."""

    def __init__(self, seed: int) -> None:
        self.rng, self.mid, self.t = random.Random(seed), 20_000, 1_600_000_000 * SECOND_NS
        self.number = 1000

    def step(self) -> None:
        self.mid += self.rng.choice([-1, 0, 0, 0, 1])
        self.t += self.rng.choice([1, 20, 20, 300, 300, 9000]) * 1_000_000 if self.rng.random() < 0.99 else 30 * SECOND_NS

    def side(self, sign: int) -> list[list[float]]:
        return [[(self.mid - sign * (1 + k)) * 0.25, float(self.rng.randint(1, 99))] for k in range(_LEVELS)]

    def fused(self) -> list[Post]:
        """Some books, quotes or trades, each post of one kind."""
        noun, count = self.rng.choice(["snapshots", "snapshots", "quotes", "trades"]), self.rng.choice([1, 1, 1, 4, 40, 400])
        t, cells = [], []
        for _ in range(count):
            self.step()
            t.append(self.t)
            cells.append([self.side(1), self.side(-1)])
        levels, times = np.array(cells), np.array(t)
        if noun == "snapshots":
            tape = Tape.of_books(times, levels[:, 0].copy(), levels[:, 1].copy(), np.full((count, 2), _LEVELS))
        elif noun == "quotes":
            tape = Tape.of_quotes(times, levels[:, :, 0].reshape(count, 4))
        else:
            tape = Tape.of_trades(times, np.column_stack([levels[:, 0, 0], np.ones(count)]))
        return [Post("FUSED", noun, frame.encoded(fused([tape]), 0.25), FRAMES)]

    def ladder(self) -> list[Post]:
        """Some updates; now and then some are lost, and a snapshot follows."""
        rows = []
        for _ in range(self.rng.choice([1, 1, 5, 80])):
            self.step()
            self.number += 1
            bids, asks = self.side(1), self.side(-1)
            gone = [[self.mid * 0.25, 0.0]]
            whole = {"bids": gone + bids + [[bids[-1][0] - 0.25, 0.0]], "asks": gone + asks + [[asks[-1][0] + 0.25, 0.0]]}
            rows.append({"timestamp": self.t, "U": self.number, "u": self.number, **whole})
        return [Post("LADDER", "updates", json.dumps(rows).encode(), JSON)]

    def snapshot(self) -> Post:
        self.number += 7  # those in between are lost
        row = {"timestamp": self.t, "sequence": self.number, "bids": self.side(1), "asks": self.side(-1)}
        return Post("LADDER", "snapshots", json.dumps([row]).encode(), JSON)


def posts_of(seed: int) -> list[Post]:
    fused_market, ladder_market = _Market(seed), _Market(seed + 1)
    posts = [ladder_market.snapshot()]
    for number in range(3000):
        posts += fused_market.fused() if number % 2 else ladder_market.ladder()
        if number % 100 == 0:
            posts.append(ladder_market.snapshot())
    return posts


class BookStream(Stream):
    """Posts each under a key of its own, so that what a kill left without an answer is not done twice."""

    def __init__(self, server: Victim, feed: list[Post]) -> None:
        super().__init__(server, BOOKS, [])
        self._feed = feed
        self._posts = feed  # type: ignore[assignment]  # its length counts

    def post(self, number: int, link: http.client.HTTPConnection) -> tuple[int, bytes]:
        post = self._feed[number]
        headers = {"Content-Type": post.kind, "Idempotency-Key": f"post {number}"}
        path = f"{BOOKS}/{post.symbol}/{post.noun}?on_error=skip"
        return self._server.ask("POST", path, post.body, headers, on=link)


def served(server: Victim, symbol: str) -> tuple[dict[str, list[Any]], dict[str, Any]]:
    """The features of all events by their columns, and the book as it stands, as the API gives them."""
    found: dict[str, list[Any]] = {}
    since = ""
    while True:
        page = server.json("GET", f"{BOOKS}/{symbol}/features?time=ns&limit=50000{since}")
        following = page.pop("next")
        for name, cells in page.items():
            found.setdefault(name, []).extend(cells if isinstance(cells, list) else [])
        if following is None:
            return found, server.json("GET", f"{BOOKS}/{symbol}")
        since = f"&start={following}"


def control(directory: Path, posts: list[Post]) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """The same posts to one process that nothing interrupts."""
    settings = read(environ={"RPSD_DATA_DIR": str(directory), "RPSD_STORAGE__MIN_FREE_BYTES": "0"})
    with open_services(settings, worker=False) as services:
        for post in posts:
            feed, tick = post.feed()
            services.book.ingest(post.symbol, feed, on_error="skip", tick=tick)
        return {symbol: (services.book.features(symbol, limit=10**7)[0], services.book.info(symbol)) for symbol in SYMBOLS}


def lives(directory: Path, kills: int, entry: tuple[str, ...], seed: int) -> tuple[int, dict[str, int], dict[str, Any]]:
    """Posts done, rows of features that differ from the control by book (the book itself counts as one), and what the file holds."""
    rng, posts = random.Random(seed), posts_of(seed)
    with victim(directory, entry) as server:
        stream = BookStream(server, posts)
        server.start("/health/ready")
        stream.outlive(kills, rng)
        found = {symbol: served(server, symbol) for symbol in SYMBOLS}
        server.stop()
        file = verify_database(server.data / FILE_NAME)
    want = control(directory / "control", posts[: stream.done])
    wrong, rows = {}, 0
    for symbol in SYMBOLS:
        columns, book = found[symbol]
        whole, stood = want[symbol]
        names = [feature.name for feature in FEATURES]
        same = columns["t"] == whole["t"].tolist()
        table = np.array([columns[name] for name in names]).T if same else np.zeros((0, 0))
        differ = int((table != whole["features"]).any(axis=1).sum()) if same else max(len(columns["t"]), whole["t"].size)
        told = {name for name in stood if name not in ("received", "state", "waits_for")}
        wrong[symbol] = differ + int(any(_plain(book[name]) != _plain(stood[name]) for name in told))
        rows += whole["t"].size
    return stream.done, wrong, file | {"features": rows}


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def test_books_go_on_bit_for_bit(tmp_path: Path, record: Record) -> None:
    posts, wrong, file = lives(tmp_path / "server", KILLS, SERVE, seed=21)
    facts = f"{file['tables']['book_chunk']} chunks, integrity_check ok"
    record("order books, server killed", f"{KILLS} kills in {posts} posts; {file['features']} rows of features, {wrong} differ; {facts}")
    assert wrong == dict.fromkeys(SYMBOLS, 0)
    assert file["features"] > 1000


def test_failing_control_a_lost_memory_is_noticed(tmp_path: Path, record: Record) -> None:
    posts, wrong, _ = lives(tmp_path / "server", 4, ("tests.fault.broken_server", "bookless", "serve"), seed=22)
    record("control, server that forgets where order books stood", f"4 kills in {posts} posts; rows that differ: {wrong}")
    assert all(wrong.values())
