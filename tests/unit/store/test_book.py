"""Order books in the store: tapes come back bit for bit, chunks fold where features go on, and a row moves by its version."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpsd.core.book import Event, Phase, Tape, fused, joined
from rpsd.core.errors import CorruptData, StateConflict, UnknownBook
from rpsd.store import book, book_chunk, query
from rpsd.store.book_chunk import Chunk
from rpsd.store.db import Connection
from rpsd.store.tape import cut, decoded, encoded
from rpsd.store.verify import verify_books

FIELDS = ("kind", "t", "received", "sequence", "row", "bids", "asks", "counts", "quotes", "trades")
EVER = (-(2**63), 2**63 - 1)


def a_tape(n: int, seed: int = 1, levels: int = 3) -> Tape:
    """n events of all kinds in a row."""
    rng = np.random.default_rng(seed)
    t = np.cumsum(rng.integers(0, 100, n)) + 10**18
    kinds = rng.integers(0, 3, n)
    cut = [np.flatnonzero(kinds == event) for event in Event]
    cubes = [rng.normal(100, 1, (cut[0].size, levels, 2)) for _ in range(2)]
    tapes = [
        Tape.of_books(t[cut[0]], *cubes, rng.integers(0, levels + 1, (cut[0].size, 2)), received=t[cut[0]] + 5),
        Tape.of_quotes(t[cut[1]], rng.normal(100, 1, (cut[1].size, 4)), sequence=np.arange(cut[1].size)),
        Tape.of_trades(t[cut[2]], rng.normal(100, 1, (cut[2].size, 3))),
    ]
    return fused([tape for tape in tapes if tape.n] or tapes[:1])


def same(a: Tape, b: Tape) -> bool:
    return all(
        getattr(a, name).tobytes() == getattr(b, name).tobytes() and getattr(a, name).shape == getattr(b, name).shape for name in FIELDS
    )


@given(st.integers(0, 300), st.integers(0, 2**32), st.integers(1, 50))
def test_a_tape_comes_back_bit_for_bit(n: int, seed: int, levels: int) -> None:
    tape = a_tape(n, seed, levels)
    assert same(decoded(encoded(tape)), tape)


def test_odd_numbers_come_back_too() -> None:
    t = np.array([2**63 - 1, -(2**63), 0])
    odd = np.array([[np.nan, -0.0, np.inf, 5e-324]] * 3)
    tape = Tape.of_quotes(t, odd, sequence=t[::-1].copy())
    assert same(decoded(encoded(tape)), tape)


@pytest.mark.parametrize("damage", [lambda p: p[:-3], lambda p: b"", lambda p: encoded(a_tape(5))[:20], lambda p: p[::-1]])
def test_a_damaged_payload_is_none(damage: "object") -> None:
    with pytest.raises(CorruptData):
        decoded(damage(encoded(a_tape(40))))  # type: ignore[operator]


def test_joining_keeps_the_order_of_arrival() -> None:
    whole = joined([a_tape(40, 1, 3), a_tape(50, 2, 5), a_tape(1, 3, 1)])
    assert (whole.n, whole.levels) == (91, 5)
    for event in Event:
        rows = whole.row[whole.kind == event]
        assert rows.tolist() == list(range(rows.size))
    assert np.array_equal(whole.t[40:90], a_tape(50, 2, 5).t)


@given(st.integers(0, 60), st.integers(0, 60))
def test_a_cut_is_what_a_choice_is(a: int, b: int) -> None:
    tape, (start, stop) = a_tape(60), sorted((a, b))
    assert same(cut(tape, start, stop), tape.taken((np.arange(60) >= start) & (np.arange(60) < stop)))


def fed(c: Connection, symbol: str = "A") -> book.Kept:
    return book.put(c, book.Kept.new(symbol), 7)


def test_a_row_moves_by_its_version(c: Connection) -> None:
    kept = fed(c)
    assert book.find(c, "A") == kept
    moved = replace(kept, info=replace(kept.info, phase=Phase.VALID, tick=0.5, faults={"crossed": 2}), memory=b"m", watch=b"w", loose=3)
    now = book.put(c, moved, 8)
    assert (now.version, book.require(c, "A")) == (kept.version + 1, now)
    with pytest.raises(StateConflict):
        book.put(c, moved, 9)
    assert book.page(c, "", 10) == [now.info]
    book.delete(c, "A")
    assert book.find(c, "A") is None
    for ask in (book.require, book.delete):
        with pytest.raises(UnknownBook):
            ask(c, "A")


def test_a_damaged_state_is_named(c: Connection) -> None:
    kept = fed(c)
    book.put(c, replace(kept, memory=b"memory", watch=b"watch"), 8)
    book.put_ladder(c, kept.info.id, b"ladder")
    assert book.ladder(c, kept.info.id) == b"ladder"
    c.execute("UPDATE book SET memory = x'00'")
    c.execute("UPDATE book_ladder SET state = x'00'")
    with pytest.raises(CorruptData, match="order book of A"):
        book.require(c, "A")
    with pytest.raises(CorruptData, match="ladder"):
        book.ladder(c, kept.info.id)
    book.put_ladder(c, kept.info.id, None)
    assert book.ladder(c, kept.info.id) is None


def test_only_the_newest_faults_are_kept(c: Connection) -> None:
    kept, other = fed(c), fed(c, "B")
    made = [book.FaultRecord("crossed" if row % 2 else "locked", row, row, 1, "…") for row in range(700)]
    for _ in range(2):
        book.note(c, kept.info.id, made)
    book.note(c, other.info.id, made[:1])
    assert query.value(c, "SELECT count(*) FROM book_fault") == book.MOST_FAULTS + 1
    found = book.faults(c, kept.info.id, None, 2000)
    assert [fault.row for fault in found[:701]] == [*range(699, -1, -1), 699]
    assert {fault.rule for fault in book.faults(c, kept.info.id, "locked", 5)} == {"locked"}
    assert book.faults(c, other.info.id, None, 9) == made[:1]


def chunks_of(c: Connection, kept: book.Kept, tape: Tape, sizes: list[int], fresh: set[int] = frozenset()) -> None:  # type: ignore[assignment]
    """The tape as chunks of these sizes; those in `fresh` begin anew."""
    at, clock = 0, np.maximum.accumulate(tape.t)
    for number, size in enumerate(sizes):
        keep = np.zeros(tape.n, np.bool_)
        keep[at : at + size] = True
        memory = None if number in fresh else b"state %d" % number
        book_chunk.append(c, kept.info.id, Chunk.of(tape.taken(keep), clock[at : at + size], 0.5, memory))
        at += size


def test_loose_chunks_fold_where_features_go_on(c: Connection) -> None:
    kept, tape = fed(c), a_tape(3000)
    sizes = [1, 5, 2100, 3, 4, 500, 1, 1]
    chunks_of(c, kept, tape, [*sizes, 3000 - sum(sizes)], fresh={0, 4})
    assert book_chunk.fold(c, kept.info.id) == 5
    held = list(book_chunk.stream(c, kept.info.id, *EVER))
    assert [chunk.events for chunk in held] == [6, 2100, 3, 891]
    assert [chunk.memory for chunk in held] == [None, b"state 2", b"state 3", None]
    assert same(joined([chunk.tape for chunk in held]), tape)
    verify_books(c)
    assert book_chunk.fold(c, kept.info.id) == 0


def test_chunks_of_any_sizes_fold_to_full_ones(c: Connection) -> None:
    kept, tape = fed(c), a_tape(6000)
    chunks_of(c, kept, tape, [400, 600] * 6)
    assert book_chunk.fold(c, kept.info.id, 4) == 3  # the newest four
    assert book_chunk.fold(c, kept.info.id) == 7
    held = list(book_chunk.stream(c, kept.info.id, *EVER))
    assert [chunk.events for chunk in held] == [4000, 2000]
    assert same(joined([chunk.tape for chunk in held]), tape)


def test_chunks_that_cannot_be_joined_are_not_even_read(c: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, tape = fed(c), a_tape(100)
    chunks_of(c, kept, tape, [1] * 100, fresh=set(range(100)))
    monkeypatch.setattr(book_chunk, "load", None)
    assert book_chunk.fold(c, kept.info.id) == 0


def test_books_with_nothing_to_join_do_not_keep_others_from_it(c: Connection) -> None:
    kept = [fed(c, f"A{number}") for number in range(150)]
    for one in kept:
        chunks_of(c, one, a_tape(3), [1, 1, 1], fresh=set() if one is kept[-1] else {0, 1, 2})
    c.execute("UPDATE book SET loose = 3")
    c.execute("UPDATE book SET loose = 2 WHERE id = ?", (kept[-1].info.id,))
    assert book_chunk.fold_all(c) == 2
    assert book_chunk.fold_all(c) == 0


def test_a_range_meets_the_chunks_that_reach_into_it(c: Connection) -> None:
    kept, tape = fed(c), a_tape(400)
    chunks_of(c, kept, tape, [100] * 4)
    second = list(book_chunk.stream(c, kept.info.id, int(tape.t[110]), int(tape.t[120])))
    assert len(second) == 1
    assert same(second[0].tape, tape.taken(np.arange(400) // 100 == 1))
    ids = book_chunk.newest(c, kept.info.id, *EVER, 150)
    assert [book_chunk.load(c, chunk_id).first_ns for chunk_id in ids] == [int(tape.t[200]), int(tape.t[300])]


def test_old_chunks_go_and_the_book_knows_its_first(c: Connection) -> None:
    kept, tape = fed(c), a_tape(400)
    chunks_of(c, kept, tape, [100] * 4)
    assert book_chunk.prune(c, int(tape.t[199]) + 1) == 2
    assert book.require(c, "A").info.first_ns == int(tape.t[200])
    assert book_chunk.prune(c, 2**62) == 2
    assert book.require(c, "A").info.first_ns is None


@pytest.mark.parametrize(
    "harm", ["UPDATE book_chunk SET events = 9", "UPDATE book_chunk SET memory = x'01'", "UPDATE book SET watch = x'01'"]
)
def test_damage_is_found(c: Connection, harm: str) -> None:
    kept = fed(c)
    book.put(c, replace(kept, watch=b"watch"), 1)
    chunks_of(c, kept, a_tape(40), [40])
    verify_books(c)
    c.execute(harm)
    with pytest.raises(CorruptData, match="order book"):
        verify_books(c)
