"""The tape of a book on disk: chunks of accepted events in the order of their arrival, small ones folded into larger."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from rpsd.core.book import Tape, joined
from rpsd.core.errors import CorruptData
from rpsd.core.market import Times
from rpsd.store import query
from rpsd.store.blocks import checksum
from rpsd.store.practices import Connection
from rpsd.store.tape import decoded, encoded

CHUNK_EVENTS: Final = 4096
"""Events that a chunk holds at most, and to which small ones are folded."""
SMALL_EVENTS: Final = 512
"""A chunk of fewer events is loose: it waits to be folded."""
MOST_LOOSE: Final = 64
"""So many loose chunks are folded by the write that fills them."""
LOOKED_AT: Final = 4 * MOST_LOOSE
"""Newest chunks that such a write looks at."""
_HALF: Final = CHUNK_EVENTS // 2
_SLICE: Final = 1000  # chunks that one statement of upkeep touches
_FIELDS: Final = "id, book_id, first_ns, last_ns, events, tick, crc, memory, payload"
_RANGE: Final = "WHERE book_id = ?1 AND last_ns >= ?2 AND first_ns <= ?3"


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of tape that is stored as one, packed.

    `first_ns` and `last_ns`: the clock at its first and last event, which is the greatest time that the book has seen by then, so that
    chunks follow each other in time. `tick`: the one its features are told in, None when they have none. `memory`: the packed state of
    the features before it, None where they begin anew.
    """

    first_ns: int
    last_ns: int
    events: int
    tick: float | None
    memory: bytes | None
    payload: bytes

    @classmethod
    def of(cls, tape: Tape, clock: Times, tick: float | None, memory: bytes | None) -> "Chunk":
        """The chunk of a tape (n > 0) with the clock (n,) at its events."""
        return cls(int(clock[0]), int(clock[-1]), tape.n, tick, memory, encoded(tape))

    @property
    def tape(self) -> Tape:
        """Its events. Raises CorruptData."""
        return decoded(self.payload)

    def clock(self, tape: Tape) -> Times:
        """The clock (n,) at the events of its tape, in ns UTC."""
        running: Times = np.maximum.accumulate(np.maximum(tape.t, self.first_ns))
        return running

    @property
    def is_loose(self) -> bool:
        """Whether it is small enough to wait for its neighbours."""
        return self.events < SMALL_EVENTS


def append(c: Connection, book_id: int, chunk: Chunk) -> None:
    """Put a chunk behind those of the book."""
    _insert(c, None, book_id, chunk)


def stream(c: Connection, book_id: int, start_ns: int, end_ns: int) -> Iterator[Chunk]:
    """The chunks that reach into start_ns to end_ns, in the order of arrival. Raises CorruptData."""
    cursor = c.execute(f"SELECT {_FIELDS} FROM book_chunk {_RANGE} ORDER BY id", (book_id, start_ns, end_ns))  # noqa: S608
    try:
        for row in cursor:
            yield _checked(row)
    finally:
        cursor.close()  # an open cursor would hold the read transaction


def newest(c: Connection, book_id: int, start_ns: int, end_ns: int, most: int) -> list[int]:
    """The ids of the newest chunks of the range that together hold at least `most` events, or of all, in the order of arrival."""
    ids, held = [], 0
    cursor = c.execute(f"SELECT id, events FROM book_chunk {_RANGE} ORDER BY id DESC", (book_id, start_ns, end_ns))  # noqa: S608
    try:
        for chunk_id, events in cursor:
            ids.append(chunk_id)
            held += events
            if held >= most:
                break
    finally:
        cursor.close()
    return ids[::-1]


def load(c: Connection, chunk_id: int) -> Chunk:
    """The chunk of that id. Raises CorruptData."""
    return _checked(query.rows(c, f"SELECT {_FIELDS} FROM book_chunk WHERE id = ?", (chunk_id,))[0])  # noqa: S608


def fold(c: Connection, book_id: int, newest: int = -1) -> int:
    """Join neighbours among the chunks that are not half full, as long as features go on; returns how many chunks are gone.

    A chunk at which features begin anew, or whose tick is another, starts one of its own. Only the `newest` so many chunks are looked at,
    -1 for all, and only those are unpacked that are joined: a book of many chunks that cannot be joined costs no more than another.
    """
    gone = 0
    found = query.rows(
        c,
        "SELECT id, events, tick, memory IS NULL FROM book_chunk WHERE book_id = ? ORDER BY id DESC LIMIT ?",
        (book_id, newest),
    )
    run: list[int] = []
    held, before = 0, None
    for chunk_id, events, tick, is_new in reversed(found):
        goes_on = tick == before and (tick is None or not is_new) and held + events <= CHUNK_EVENTS
        if run and not (goes_on and events < _HALF):
            gone += _joined(c, book_id, run)
            run = []
        if events < _HALF:
            run.append(chunk_id)
            held, before = events + (held if len(run) > 1 else 0), tick
    return gone + _joined(c, book_id, run)


def fold_all(c: Connection) -> int:
    """fold() of the books with the most loose chunks, as many as one transaction may take; 0 when none is left with chunks to join."""
    gone = 0
    while not gone and (found := query.rows(c, "SELECT id FROM book WHERE loose > 1 ORDER BY loose DESC LIMIT ?", (_SLICE // 10,))):
        for (book_id,) in found:
            gone += fold(c, book_id)
            c.execute("UPDATE book SET loose = 0 WHERE id = ?", (book_id,))
    return gone


def prune(c: Connection, before_ns: int) -> int:
    """Drop chunks whose last event is older, as many as one transaction may take; returns how many."""
    c.execute("DELETE FROM book_chunk WHERE id IN (SELECT id FROM book_chunk WHERE last_ns < ? LIMIT ?)", (before_ns, _SLICE))
    return c.changes()


def checked(c: Connection, book_id: int) -> Iterator[Chunk]:
    """Every chunk of the book, unpacked once. Raises CorruptData naming the first that is damaged."""
    for chunk in stream(c, book_id, -(2**63), 2**63 - 1):
        if chunk.tape.n != chunk.events:
            raise CorruptData(f"a chunk of order book {book_id} at {chunk.first_ns} ns does not hold {chunk.events} events")
        yield chunk


def _joined(c: Connection, book_id: int, run: list[int]) -> int:
    """Store the chunks of these ids as one in the place of the first; returns how many chunks are gone."""
    if len(run) < 2:
        return 0
    chunks = [load(c, chunk_id) for chunk_id in run]
    first, tape = chunks[0], joined([chunk.tape for chunk in chunks])
    whole = Chunk(first.first_ns, chunks[-1].last_ns, tape.n, first.tick, first.memory, encoded(tape))
    c.executemany("DELETE FROM book_chunk WHERE id = ?", ((chunk_id,) for chunk_id in run))
    _insert(c, run[0], book_id, whole)
    return len(run) - 1


def _insert(c: Connection, chunk_id: int | None, book_id: int, chunk: Chunk) -> None:
    facts = (book_id, chunk.first_ns, chunk.last_ns, chunk.events)
    row = (chunk_id, *facts, chunk.tick, _crc(facts, chunk.memory, chunk.payload), chunk.memory, chunk.payload)
    c.execute("INSERT INTO book_chunk VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def _crc(facts: tuple[int, ...], memory: bytes | None, payload: bytes) -> int:
    return checksum((memory or b"") + payload, *facts, len(memory or b""))


def _checked(row: tuple[Any, ...]) -> Chunk:
    chunk_id, book_id, first_ns, last_ns, events, tick, crc, memory, payload = row
    if _crc((book_id, first_ns, last_ns, events), memory, payload) != crc:
        raise CorruptData(f"chunk {chunk_id} of order book {book_id} does not match its checksum")
    return Chunk(first_ns, last_ns, events, tick, memory, payload)
