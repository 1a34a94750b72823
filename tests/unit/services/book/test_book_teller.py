"""What is told of books: where they stand after their last write, at a bounded pace, and never by whoever writes."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rpsd.core.book import Tape
from rpsd.services.book import telling
from rpsd.services.book.telling import BookTeller
from rpsd.services.events import Listener
from rpsd.services.wiring import Services
from tests.conftest import Clock
from tests.flow.web.book_model import serve


def tape(n: int, end_ns: int, seed: int = 1) -> Tape:
    """Books of two levels 10 ms apart, tick 0.5, the last at end_ns."""
    rng = np.random.default_rng(seed)
    mid = 1000.0 + np.cumsum(rng.integers(-1, 2, n))
    bids, asks = (
        np.stack([(mid[:, None] + sign * (1 + np.arange(2))) * 0.5, rng.integers(1, 50, (n, 2)).astype(float)], axis=-1) for sign in (-1, 1)
    )
    return Tape.of_books(end_ns - np.arange(n)[::-1] * 10_000_000, bids, asks, np.full((n, 2), 2))


def heard(reader: Listener, enough: Callable[[list[Any]], bool]) -> list[Any]:
    """The events of the reader until there are enough of them."""
    found: list[Any] = []
    until = time.monotonic() + 60.0
    while not enough(found):
        assert time.monotonic() < until, found
        found += reader.take(1.0)
    return found


@pytest.fixture
def teller(services: Services) -> Any:
    made = BookTeller(services.events, services.book, services.forecast, pace_seconds=0.2)
    yield made
    made.close()


def test_the_last_write_is_always_told_as_the_book_is_read(services: Services, clock: Clock, teller: BookTeller) -> None:
    whole = tape(400, clock())
    began = time.monotonic()
    with services.events.listen(["book:SB.A"]) as reader:
        for at in range(0, 400, 4):
            part = Tape.of_books(whole.t[at : at + 4], whole.bids[at : at + 4], whole.asks[at : at + 4], whole.counts[at : at + 4])
            services.book.ingest("SB.A", part, tick=0.5)
        info = services.book.info("SB.A")
        found = heard(reader, lambda events: bool(events) and events[-1].data["last"] == info["last"])
        took = time.monotonic() - began
    best = found[-1].data
    assert (best["bid"], best["ask"], best["state"]) == (info["bids"][0], info["asks"][0], info["state"])
    lasts = [event.data["last"] for event in found]
    assert lasts == sorted(set(lasts))
    assert len(found) <= took / 0.2 + 2


def test_a_book_that_nobody_hears_starts_no_thread(services: Services, clock: Clock, teller: BookTeller) -> None:
    services.book.ingest("SB.A", tape(5, clock()), tick=0.5)
    assert teller._thread is None
    assert not teller._waiting


def test_predictions_are_those_that_a_question_gets_and_a_refusal_is_told_once(
    services: Services, clock: Clock, teller: BookTeller
) -> None:
    whole = tape(40, clock())
    with services.events.listen(["prediction:SB.A"]) as reader:

        def post(at: int) -> None:
            part = slice(at, at + 10)
            services.book.ingest("SB.A", Tape.of_books(whole.t[part], whole.bids[part], whole.asks[part], whole.counts[part]), tick=0.5)

        post(0)
        [refused] = heard(reader, lambda events: len(events) == 1)
        assert refused.data["symbol"] == "SB.A"
        assert refused.data["error"]["code"] == "no_model"
        post(10)
        time.sleep(0.5)
        assert reader.take() == []
        serve(services, "book:SB.A:next_mid_move")
        for at in (20, 30):
            post(at)
            told = heard(reader, bool)[-1].data
            want = json.loads(services.forecast.live(services.forecast.question("SB.A", None)).text)
            passing = {"latency_ms", "cache_hit", "age_seconds"}
            assert {key: told[key] for key in told.keys() - passing} == {key: want[key] for key in want.keys() - passing}


def test_a_teller_that_is_slow_or_fails_keeps_no_write_waiting(
    services: Services, clock: Clock, teller: BookTeller, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, inside, real = threading.Event(), threading.Event(), telling._top
    calls: list[int] = []

    def slow(live: Any) -> dict[str, Any]:
        calls.append(1)
        inside.set()
        assert held.wait(60)
        if len(calls) == 1:
            raise RuntimeError("once")
        return real(live)

    monkeypatch.setattr(telling, "_top", slow)
    whole = tape(20, clock())
    with services.events.listen(["book:SB.A"]) as reader:
        for at in range(20):
            part = slice(at, at + 1)
            services.book.ingest("SB.A", Tape.of_books(whole.t[part], whole.bids[part], whole.asks[part], whole.counts[part]), tick=0.5)
            assert at or inside.wait(60)  # the first is being told, and stays so
        held.set()
        info = services.book.info("SB.A")
        found = heard(reader, bool)
    assert len(calls) == 2
    assert [event.data["last"] for event in found] == [info["last"]]


def test_a_book_that_is_gone_is_not_told(services: Services, clock: Clock, teller: BookTeller) -> None:
    services.book.ingest("SB.A", tape(5, clock()), tick=0.5)
    with services.events.listen(["book:SB.A"]) as reader:
        services.book.delete("SB.A", "test")
        teller.note("SB.A")
        services.book.ingest("SB.B", tape(5, clock()), tick=0.5)
        assert reader.take(0.5) == []
