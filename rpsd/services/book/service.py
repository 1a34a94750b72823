"""Order books in the user's words: take in what a feed told, say where a book stands, and give its tape and features back."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from rpsd.config import Settings
from rpsd.core import instant, market
from rpsd.core.book import RULES, BookInfo, Event, Phase, Rule, Tape, Updates, joined
from rpsd.core.errors import BadParameter, BadRange, Fault, InvalidRequest, UnknownBook
from rpsd.core.market import SECOND_NS
from rpsd.services.book import live as book_live
from rpsd.services.book.answer import described, fault_row, latest_of
from rpsd.services.book.live import LiveBook, LiveBooks, Stand, phase_at
from rpsd.services.book.taking import MOST_NAMED, How, Taken, taken
from rpsd.store import audit, book, book_chunk
from rpsd.store.db import Connection, Database
from rpsd.store.idempotency import Once, answered, run_once
from rpsd.store.tape import cut
from rpsd.telemetry import Metrics

EVER: Final = (-(2**63), 2**63 - 1)
_LARGEST_TICK: Final = 1e9


class BookService:
    """Everything about live order books. One writer a book; what is answered is durable, and only then does the live state move."""

    def __init__(self, settings: Settings, database: Database, metrics: Metrics, clock: Callable[[], int]) -> None:
        self._settings, self._database, self._metrics, self._clock = settings, database, metrics, clock
        self._deadline = settings.server.request_timeout
        self._books = LiveBooks()
        self.on_moved: Callable[[str], None] = lambda _: None
        """Called with the symbol of a book that was written to, once that is durable; must return at once."""
        self.staleness_ns = int(settings.books.staleness * SECOND_NS)

    def ingest(
        self,
        symbol: str,
        feed: Tape | Updates | Sequence[Tape | Updates],
        *,
        on_error: str = "reject",
        by: str = "",
        once: Once | None = None,
        tick: float | None = None,
    ) -> dict[str, Any]:
        """Take in records of one feed, in the order of their arrival; the first create the book. All or nothing unless on_error is skip.

        `tick`: the price step, stated once and for all; else it is inferred. Answer: accepted, repaired, skipped (duplicates), rejected
        (the first hundred: row, rule, reason), counts by rule, state, last. Durable when this returns; the same request under the same
        `once` gets the first answer. Raises BadSymbol, BadParameter (tick), BadBook (a record breaks a rule), BookGap (updates are
        missing), IdempotencyConflict, DiskFull, Unavailable. O(n).
        """
        symbol, now_ns = market.symbol(symbol), self._clock()
        pieces = [feed] if isinstance(feed, Tape | Updates) else list(feed)
        with self._books.writing(symbol):
            first = None if once is None else self._database.read(lambda c: answered(c, once, now_ns))
            if first is not None:
                return first
            stand = self._books.found(symbol, lambda: self._read(symbol)) or book_live.fresh(symbol)
            done = taken(stand, pieces, self._how(stand, on_error, tick, now_ns))
            try:
                answer, moved = self._database.write(lambda c: self._write(c, stand, done, once, by, now_ns)).result()
            except BaseException:
                self._books.drop(symbol)  # what is on disk counts, and it is read anew
                raise
            self._books.put(symbol, moved)
        self.on_moved(symbol)
        self._count(done)
        if done.refusal is not None:
            raise done.refusal
        return answer

    def live(self, symbol: str) -> LiveBook:
        """The book as of now, from memory or the store; stale when it was last told longer ago than books.staleness. Raises UnknownBook."""
        symbol = market.symbol(symbol)
        if (stand := self._books.held(symbol)) is None:
            with self._books.writing(symbol):
                stand = self._books.found(symbol, lambda: self._read(symbol))
        if stand is None:
            raise UnknownBook(f"there is no order book of {symbol}")
        return stand.live.asked(self._clock(), self.staleness_ns)

    def at_hand(self, symbol: str) -> LiveBook | None:
        """live() when it lies in memory, else None: it neither reads nor waits, so that it may be called on the event loop."""
        stand = self._books.held(symbol)
        return None if stand is None else stand.live.asked(self._clock(), self.staleness_ns)

    def info(self, symbol: str) -> dict[str, Any]:
        """State, tick, range, totals, faults by rule, and the fused book with its features after the last event. Raises UnknownBook."""
        live = self.live(symbol)
        kept = self._database.read(lambda c: book.require(c, live.symbol))
        return described(kept.info, live.phase) | latest_of(live, kept)

    def page(self, after: str | None = None, limit: int = 100) -> tuple[list[dict[str, Any]], str | None]:
        """Up to `limit` books by symbol, and the cursor of the next page."""
        found = self._database.read(lambda c: book.page(c, after or "", limit + 1))
        rows = [described(info, self._phase(info)) for info in found[:limit]]
        return rows, found[limit - 1].symbol if len(found) > limit else None

    def faults(self, symbol: str, rule: str | None = None, limit: int = 100) -> tuple[dict[str, int], list[dict[str, Any]]]:
        """Bad records by rule, and the newest that were put aside, of one rule when it is given. Raises UnknownBook, InvalidRequest."""
        symbol = market.symbol(symbol)
        if rule is not None and rule not in (words := [known.word for known in RULES if known is not Rule.ACCEPTED]):
            reason = f"expected one of {', '.join(words)}"
            raise InvalidRequest(f"rule: {reason}", errors=[Fault("/query/rule", reason)])

        def read(c: Connection) -> tuple[dict[str, int], list[dict[str, Any]]]:
            info = book.require(c, symbol).info
            return dict(info.faults), [fault_row(fault) for fault in book.faults(c, info.id, rule, limit)]

        return self._database.read(read)

    def features(
        self, symbol: str, start_ns: int | None = None, end_ns: int | None = None, limit: int = 10_000
    ) -> tuple[dict[str, np.ndarray[Any, Any]], int | None]:
        """Features of the first events of a range (both ends inclusive), computed anew from the tape, and the start of the rest or None.

        Columns: t (n,) the clock in ns, kind (n,), features (n, 27), tops (n, 4). The clock is the greatest time so far, so that rows are
        in its order; rows of one moment are not torn apart. Events from before the tick was known have none and are left out.
        Raises UnknownBook, BadRange, InvalidRequest (more rows at one moment than the limit), DeadlineExceeded.
        """
        from rpsd.book.features import FEATURES, BookMemory, run

        symbol = market.symbol(symbol)
        start, end = _range(start_ns, end_ns)

        def read(c: Connection) -> list[tuple[Any, ...]]:
            parts, held = [], 0
            for chunk in book_chunk.stream(c, book.require(c, symbol).info.id, start, end):
                if chunk.tick is None:
                    continue
                tape = chunk.tape
                memory = BookMemory.fresh() if chunk.memory is None else BookMemory.unpack(chunk.memory)
                rows, tops, _ = run(tape, chunk.tick, memory)
                clock = chunk.clock(tape)
                begin, stop = np.searchsorted(clock, start, "left"), np.searchsorted(clock, end, "right")
                parts.append((clock[begin:stop], tape.kind[begin:stop], rows[begin:stop], tops[begin:stop]))
                held += int(stop - begin)
                if held > limit:
                    break
            return parts

        parts = self._database.read(read, deadline_seconds=self._deadline)
        empty = (np.empty(0, np.int64), np.empty(0, np.uint8), np.empty((0, len(FEATURES))), np.empty((0, 4)))
        whole = [np.concatenate(columns) for columns in zip(empty, *parts, strict=True)]
        n, following = _page_end(whole[0], limit)
        return {name: column[:n] for name, column in zip(("t", "kind", "features", "tops"), whole, strict=True)}, following

    def stretches(
        self, symbol: str, start_ns: int | None = None, end_ns: int | None = None, most: int = 1_000_000
    ) -> list[tuple[Tape, float]]:
        """The newest `most` events of a range as tapes over which features go on, each with its tick, in the order of arrival.

        A gap or another tick ends a tape. Events from before the tick was known are left out. Raises UnknownBook, BadRange.
        """
        symbol = market.symbol(symbol)
        start, end = _range(start_ns, end_ns)

        def read(c: Connection) -> list[list[book_chunk.Chunk]]:
            info = book.require(c, symbol).info
            found: list[list[book_chunk.Chunk]] = []
            for chunk_id in book_chunk.newest(c, info.id, start, end, most):
                chunk = book_chunk.load(c, chunk_id)
                if not found or chunk.memory is None or chunk.tick != found[-1][-1].tick:
                    found.append([])
                found[-1].append(chunk)
            return found

        made, left = [], most
        for run in reversed(self._database.read(read, deadline_seconds=self._deadline)):
            tick = run[0].tick
            tapes = [_between(chunk, start, end) for chunk in run]
            if tick is not None and left > 0 and (tape := joined(tapes)).n:
                made.append((cut(tape, max(0, tape.n - left), tape.n), tick))
                left -= made[-1][0].n
        return made[::-1]

    def tape(self, symbol: str, start_ns: int | None = None, end_ns: int | None = None, most: int = 1_000_000) -> Tape:
        """The newest `most` events of a range as one tape, across gaps. Raises UnknownBook, BadRange."""
        nothing = Tape.of_trades(np.empty(0, np.int64), np.empty((0, 3)))
        return joined([tape for tape, _ in self.stretches(symbol, start_ns, end_ns, most)] or [nothing])

    def delete(self, symbol: str, by: str) -> None:
        """Drop the book with its tape; audited. Raises UnknownBook."""
        symbol, now_ns = market.symbol(symbol), self._clock()

        def drop(c: Connection) -> None:
            events = book.require(c, symbol).info.events
            book.delete(c, symbol)
            audit.append(c, by, "book.delete", symbol, {"events": events}, now_ns)

        with self._books.writing(symbol):
            self._database.write(drop).result()
            self._books.drop(symbol)

    def _read(self, symbol: str) -> Stand | None:
        return self._database.read(lambda c: book_live.opened(c, symbol))

    def _phase(self, info: BookInfo) -> Phase:
        told = [ns for ns in (info.last_ns, info.received_ns) if ns is not None]
        return phase_at(info.phase, min(told, default=None), self._clock(), self.staleness_ns)

    def _how(self, stand: Stand, on_error: str, tick: float | None, now_ns: int) -> How:
        from rpsd.book.validity import Limits

        if tick is not None and not 0.0 < tick <= _LARGEST_TICK:
            raise BadParameter("tick: expected a number above 0", errors=[Fault("/query/tick", "expected a number above 0")])
        told = stand.kept.info.tick if tick is None and stand.kept.is_told else tick
        books = self._settings.books
        return How(on_error == "skip", Limits(told, self.staleness_ns, books.spread_medians, books.levels), now_ns)

    def _write(self, c: Connection, stand: Stand, done: Taken, once: Once | None, by: str, now_ns: int) -> tuple[dict[str, Any], Stand]:
        """The request's rows in one transaction; its answer, and where the book stands now."""
        moved: list[Stand] = []

        def put() -> dict[str, Any]:
            if stand.kept.version == 0:
                audit.append(c, by, "book.create", stand.kept.info.symbol, {}, now_ns)
            kept = book.put(c, done.stand.kept, now_ns)
            for chunk in done.chunks:
                book_chunk.append(c, kept.info.id, chunk)
            if done.refusal is None:
                book.note(c, kept.info.id, done.faults)
            if done.stand.ladder is not stand.ladder:
                book.put_ladder(c, kept.info.id, None if done.stand.ladder is None else done.stand.ladder.pack())
            if kept.loose >= book_chunk.MOST_LOOSE:
                book_chunk.fold(c, kept.info.id, book_chunk.LOOKED_AT)
                kept = book.put(c, replace(kept, loose=0), now_ns)
            moved.append(replace(done.stand, kept=kept))
            return self._answer(done)

        if done.refusal is not None:
            return put(), moved[0]  # an answer of an error is not kept: the request may be sent again
        answer, _ = run_once(c, once, now_ns, put)
        return answer, moved[0]

    def _answer(self, done: Taken) -> dict[str, Any]:
        info = done.stand.kept.info
        return {
            "accepted": done.accepted,
            "repaired": done.repaired,
            "skipped": done.counts[Rule.DUPLICATE],
            "rejected": [
                {"row": fault.row, "rule": fault.rule, "reason": RULES[Rule[fault.rule.upper()]]} for fault in done.faults[:MOST_NAMED]
            ],
            "counts": {rule.word: n for rule, n in sorted(done.counts.items()) if n},
            "state": done.stand.live.asked(self._clock(), self.staleness_ns).phase.value,
            "last": None if info.last_ns is None else instant.text(info.last_ns),
        }

    def _count(self, done: Taken) -> None:
        for event, n in zip(Event, done.kinds, strict=True):
            self._metrics.book_events_total.labels(event.name.lower()).inc(n)
        for rule, n in done.counts.items():
            self._metrics.book_faults_total.labels(rule.word).inc(n)


def _range(start_ns: int | None, end_ns: int | None) -> tuple[int, int]:
    """Both ends as numbers. Raises BadRange."""
    start, end = EVER[0] if start_ns is None else start_ns, EVER[1] if end_ns is None else end_ns
    if end < start:
        raise BadRange("the end lies before the start", errors=[Fault("/end", "before the start")])
    return start, end


def _between(chunk: book_chunk.Chunk, start: int, end: int) -> Tape:
    """The chunk's events whose clock lies in the range."""
    tape = chunk.tape
    clock = chunk.clock(tape)
    return cut(tape, int(np.searchsorted(clock, start, "left")), int(np.searchsorted(clock, end, "right")))


def _page_end(clock: market.Times, limit: int) -> tuple[int, int | None]:
    """How many rows the page holds, and where the rest begins; rows of one moment are not torn apart. Raises InvalidRequest."""
    if clock.size <= limit:
        return clock.size, None
    n = int(np.searchsorted(clock, clock[limit], "left"))
    if n == 0:
        reason = "more rows than this lie at one time"
        raise InvalidRequest(f"limit: {reason}", errors=[Fault("/query/limit", reason)], hint="Ask for a higher limit.")
    return n, int(clock[limit])
