"""The list of order books: where each stands, its whole ladder, and the records that were put aside."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from rpsd.core.book import BookInfo, Phase
from rpsd.core.errors import CorruptData, StateConflict, UnknownBook
from rpsd.store import query
from rpsd.store.blocks import checksum
from rpsd.store.practices import Connection

MOST_FAULTS: Final = 1000
"""Records that are kept of what was put aside, for each book."""
_FIRST: Final = "(SELECT first_ns FROM book_chunk WHERE book_id = book.id ORDER BY id LIMIT 1)"
_INFO: Final = f"book.id, symbol, phase, tick, levels, {_FIRST}, last_ns, received_ns, events, faults"
_FIELDS: Final = f"{_INFO}, version, is_told, repaired, negative_latency, loose, memory, watch, latest, crc"
_UPDATE: Final = """UPDATE book SET phase = ?, tick = ?, levels = ?, last_ns = ?, received_ns = ?, events = ?, faults = ?,
  version = version + 1, is_told = ?, repaired = ?, negative_latency = ?, loose = ?, memory = ?, watch = ?, latest = ?, crc = ?
  WHERE id = ? AND version = ?"""
_INSERT: Final = """INSERT INTO book (symbol, phase, levels, events, faults, version, is_told, repaired, negative_latency, loose, crc,
  created_ns) VALUES (?, 'empty', 0, 0, '{}', 1, 0, 0, 0, 0, 0, ?)"""


@dataclass(frozen=True, slots=True)
class Kept:
    """A book as its row holds it. `version` is that of the row, 0 before it exists; the three states are packed, None before the first.

    `memory`: of the features, None also after a gap. `watch`: of the validator. `latest`: features and top after the last event.
    `is_told`: the tick was stated by a caller. `loose`: small chunks that wait to be folded.
    """

    info: BookInfo
    version: int = 0
    is_told: bool = False
    repaired: int = 0
    negative_latency: int = 0
    loose: int = 0
    memory: bytes | None = None
    watch: bytes | None = None
    latest: bytes | None = None

    @classmethod
    def new(cls, symbol: str) -> "Kept":
        """A book that was never fed."""
        return cls(BookInfo(0, symbol, Phase.EMPTY, None, 0, None, None, None, 0, {}))


@dataclass(frozen=True, slots=True)
class FaultRecord:
    """A record that was put aside: its rule, its place in the request, its time (None where it has none), and how it begins."""

    rule: str
    row: int
    t_ns: int | None
    noted_ns: int
    excerpt: str


def find(c: Connection, symbol: str) -> Kept | None:
    """The book of the symbol, or None. Raises CorruptData."""
    found = query.rows(c, f"SELECT {_FIELDS} FROM book WHERE symbol = ?", (symbol,))  # noqa: S608  (names of this file)
    return _checked(found[0]) if found else None


def require(c: Connection, symbol: str) -> Kept:
    """The book of the symbol. Raises UnknownBook, CorruptData."""
    if (kept := find(c, symbol)) is None:
        raise UnknownBook(f"there is no order book of {symbol}")
    return kept


def page(c: Connection, after: str, limit: int) -> list[BookInfo]:
    """Up to `limit` books after that symbol, by symbol."""
    found = query.rows(c, f"SELECT {_INFO} FROM book WHERE symbol > ? ORDER BY symbol LIMIT ?", (after, limit))  # noqa: S608
    return [_info(row) for row in found]


def put(c: Connection, kept: Kept, now_ns: int) -> Kept:
    """Write the book's row, new when its version is 0; returns it as it stands now.

    Raises StateConflict when the row is not of kept.version any more: what is written was computed from another state.
    """
    info = kept.info
    if kept.version == 0:
        c.execute(_INSERT, (info.symbol, now_ns))
        info, kept = replace(info, id=c.last_insert_rowid()), replace(kept, version=1)
    facts = (info.phase.value, info.tick, info.levels, info.last_ns, info.received_ns, info.events, _json(info.faults))
    counts = (int(kept.is_told), kept.repaired, kept.negative_latency, kept.loose)
    states = (kept.memory, kept.watch, kept.latest)
    c.execute(_UPDATE, (*facts, *counts, *states, _crc(info.id, *states), info.id, kept.version))
    if not c.changes():
        raise StateConflict(f"the order book of {info.symbol} was changed by another request", hint="Send the request again.")
    return replace(kept, info=info, version=kept.version + 1)


def ladder(c: Connection, book_id: int) -> bytes | None:
    """The packed ladder of a book that is fed by updates, else None. Raises CorruptData."""
    found = query.rows(c, "SELECT crc, state FROM book_ladder WHERE book_id = ?", (book_id,))
    if not found:
        return None
    crc, state = found[0]
    if checksum(state, book_id) != crc:
        raise CorruptData(f"the ladder of order book {book_id} does not match its checksum")
    packed: bytes = state
    return packed


def put_ladder(c: Connection, book_id: int, state: bytes | None) -> None:
    """Keep the packed ladder, or with None forget it."""
    if state is None:
        c.execute("DELETE FROM book_ladder WHERE book_id = ?", (book_id,))
    else:
        c.execute("INSERT OR REPLACE INTO book_ladder VALUES (?, ?, ?)", (book_id, checksum(state, book_id), state))


def note(c: Connection, book_id: int, faults: Sequence[FaultRecord]) -> None:
    """List records that were put aside; the oldest beyond MOST_FAULTS go."""
    rows = ((book_id, f.rule, f.row, f.t_ns, f.noted_ns, f.excerpt) for f in faults[-MOST_FAULTS:])
    c.executemany("INSERT INTO book_fault (book_id, rule, row, t_ns, noted_ns, excerpt) VALUES (?, ?, ?, ?, ?, ?)", rows)
    c.execute(
        """DELETE FROM book_fault WHERE book_id = ?1 AND id <=
           (SELECT id FROM book_fault WHERE book_id = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)""",
        (book_id, MOST_FAULTS),
    )


def faults(c: Connection, book_id: int, rule: str | None, limit: int) -> list[FaultRecord]:
    """The newest records that were put aside, the newest first; of one rule when it is given."""
    found = query.rows(
        c,
        """SELECT rule, row, t_ns, noted_ns, excerpt FROM book_fault
           WHERE book_id = ?1 AND (?2 IS NULL OR rule = ?2) ORDER BY id DESC LIMIT ?3""",
        (book_id, rule, limit),
    )
    return [FaultRecord(*row) for row in found]


def delete(c: Connection, symbol: str) -> None:
    """Drop the book with its tape and its faults. Raises UnknownBook."""
    c.execute("DELETE FROM book WHERE symbol = ?", (symbol,))
    if not c.changes():
        raise UnknownBook(f"there is no order book of {symbol}")


def _json(faults: Mapping[str, int]) -> str:
    return json.dumps(dict(faults), separators=(",", ":"))


def _crc(book_id: int, *states: bytes | None) -> int:
    sizes = (-1 if state is None else len(state) for state in states)
    return checksum(b"".join(state or b"" for state in states), book_id, *sizes)


def _info(row: Sequence[Any]) -> BookInfo:
    book_id, symbol, phase, tick, levels, first_ns, last_ns, received_ns, events, counts = row
    return BookInfo(book_id, symbol, Phase(phase), tick, levels, first_ns, last_ns, received_ns, events, json.loads(counts))


def _checked(row: tuple[Any, ...]) -> Kept:
    *info, version, is_told, repaired, negative_latency, loose, memory, watch, latest, crc = row
    kept = Kept(_info(info), version, bool(is_told), repaired, negative_latency, loose, memory, watch, latest)
    if _crc(kept.info.id, memory, watch, latest) != crc:
        raise CorruptData(f"where the order book of {kept.info.symbol} stands does not match its checksum")
    return kept
