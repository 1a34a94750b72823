"""The ladder: the rebuilt book equals the independent one, every rule of sequence, what waits, and the same in any pieces."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpsd.book.ladder import MOST_WAITING, Followed, Ladder, follow
from rpsd.book.validity import Limits, Watch, judge
from rpsd.core.book import NO_SEQUENCE, Phase, Rule
from rpsd.core.errors import CorruptData
from rpsd.kernels import ladder as rungs
from tests import captures
from tests.unit.book.messages import Message, messages, piece, raw_updates

SNAPSHOT = Message(0, 10, -1, True, ((1, 99.0, 1.0), (1, 98.0, 2.0), (-1, 101.0, 3.0), (-1, 102.0, 4.0)))


def after(*told: Message, ladder: Ladder | None = None) -> Followed:
    return follow(messages(*told), ladder or Ladder.fresh(), 2)


def words(followed: Followed) -> list[str]:
    return [Rule(code).word for code in followed.codes]


def spot(first: int, last: int, *changes: tuple[int, float, float]) -> Message:
    return Message(first, last, NO_SEQUENCE, False, changes or ((1, 99.0, float(last)),))


def futures(previous: int, last: int, *changes: tuple[int, float, float]) -> Message:
    return Message(last, last, previous, False, changes or ((1, 99.0, float(last)),))


def test_the_raw_capture_gives_the_books_of_another_reconstruction() -> None:
    updates, books = raw_updates(), captures.perp_tapes()[0]
    followed = follow(updates, Ladder.fresh(), captures.LEVELS)
    assert not followed.codes.any()
    assert followed.ladder.phase is Phase.VALID
    tape, n = followed.tape, followed.tape.n - 1  # the other begins after the snapshot, and goes on after the raw lines end
    assert n > 26_000
    for name in ("t", "received", "bids", "asks", "counts"):
        assert np.array_equal(getattr(tape, name)[1:], getattr(books, name)[:n]), name
    assert judge(tape, Limits(captures.TICK), Watch.fresh()).counts == {}


def test_any_pieces_give_the_same() -> None:
    updates = piece(raw_updates(), 0, 300)
    whole, ladder, bids, codes = follow(updates, Ladder.fresh(), 5), Ladder.fresh(), [], []
    for start, stop in ((0, 7), (7, 25), (25, 26), (26, 40), (40, 300)):
        part = follow(piece(updates, start, stop), Ladder.unpack(ladder.pack()), 5)
        ladder = part.ladder
        bids.append(part.tape.bids)
        codes.append(part.codes)
    assert np.array_equal(np.concatenate(bids), whole.tape.bids)
    assert np.array_equal(np.concatenate(codes), whole.codes)
    assert ladder.pack() == whole.ladder.pack()


def test_a_snapshot_and_what_follows() -> None:
    followed = after(SNAPSHOT, spot(11, 11, (1, 99.0, 0.0), (1, 98.5, 7.0)), spot(12, 14, (-1, 100.0, 1.0), (-1, 102.0, 0.0)))
    assert words(followed) == ["accepted"] * 3
    assert followed.tape.bids[:, :, 0].tolist() == [[99.0, 98.0], [98.5, 98.0], [98.5, 98.0]]
    assert followed.tape.asks[2].tolist() == [[100.0, 1.0], [101.0, 3.0]]
    assert followed.tape.sequence.tolist() == [10, 11, 14]
    assert followed.message.tolist() == [0, 1, 2]
    assert followed.ladder.phase is Phase.VALID


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (spot(11, 12), "accepted"),
        (spot(9, 12), "accepted"),  # sizes are absolute: a part that is known does no harm
        (spot(9, 10), "duplicate"),
        (spot(12, 12), "gap"),
        (futures(10, 12), "accepted"),
        (futures(8, 12), "accepted"),
        (futures(8, 10), "duplicate"),
        (futures(11, 12), "gap"),
    ],
)
def test_the_first_update_after_a_snapshot(told: Message, expected: str) -> None:
    assert words(after(SNAPSHOT, told)) == ["accepted", expected]


@pytest.mark.parametrize(
    ("told", "expected"),
    [(spot(13, 13), "accepted"), (spot(14, 14), "gap"), (futures(12, 13), "accepted"), (futures(11, 13), "gap"), (futures(13, 14), "gap")],
)
def test_a_later_update(told: Message, expected: str) -> None:
    assert words(after(SNAPSHOT, spot(11, 12), told)) == ["accepted", "accepted", expected]


def test_after_a_gap_only_a_snapshot_helps() -> None:
    followed = after(SNAPSHOT, spot(12, 12), spot(13, 13))
    assert words(followed) == ["accepted", "gap", "gap"]
    assert followed.ladder.phase is Phase.GAP
    assert followed.tape.n == 1
    again = after(SNAPSHOT, ladder=followed.ladder)
    assert words(again) == ["gap"]  # it is as old as before: 11 is still missing
    assert again.tape.n == 0
    newer = after(Message(0, 12, -1, True, SNAPSHOT.changes), spot(14, 14), ladder=again.ladder)
    assert words(newer) == ["accepted", "accepted"]
    assert newer.tape.sequence.tolist() == [12, 13, 14]  # 13 had waited
    assert newer.message.tolist() == [0, 0, 1]
    assert newer.ladder.phase is Phase.VALID
    assert newer.ladder.waiting.n == 0


def test_updates_before_the_snapshot_wait() -> None:
    before = after(spot(8, 9), spot(10, 11), spot(12, 12))
    assert words(before) == ["accepted"] * 3
    assert before.ladder.phase is Phase.SYNCING
    assert before.tape.n == 0
    followed = after(SNAPSHOT, ladder=before.ladder)
    assert followed.tape.sequence.tolist() == [10, 11, 12]
    assert followed.ladder.phase is Phase.VALID
    assert (np.diff(followed.tape.t) >= 0).all()  # though the snapshot came later


def test_what_waits_is_bounded() -> None:
    many = after(*(spot(k, k) for k in range(1, MOST_WAITING + 100)))
    assert many.ladder.waiting.n == MOST_WAITING
    wide = tuple((1, 1.0 + k, 1.0) for k in range(20_000))
    assert after(*(spot(k, k, *wide) for k in range(1, 6))).ladder.waiting.n == 3


def test_a_snapshot_that_would_take_the_book_back() -> None:
    followed = after(SNAPSHOT, spot(11, 12), SNAPSHOT, spot(13, 13))
    assert words(followed) == ["accepted", "accepted", "out_of_order", "accepted"]
    assert followed.ladder.last == 13


def test_a_feed_without_ids() -> None:
    bare = Message(-1, -1, -1, False, ((-1, 100.5, 2.0),))
    followed = after(bare, Message(-1, -1, -1, True, SNAPSHOT.changes), bare, bare)
    assert words(followed) == ["gap", "accepted", "accepted", "accepted"]
    assert followed.tape.asks[-1].tolist() == [[100.5, 2.0], [101.0, 3.0]]
    assert after(bare).ladder.phase is Phase.SYNCING


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ((1, np.nan, 1.0), "not_finite"),
        ((1, 99.0, np.inf), "not_finite"),
        ((1, 0.0, 1.0), "zero_price"),
        ((-1, 99.0, -1.0), "negative_size"),
    ],
)
def test_a_message_that_cannot_be_applied_is_missing(change: tuple[int, float, float], rule: str) -> None:
    followed = after(SNAPSHOT, spot(11, 11, change), spot(12, 12))
    assert words(followed) == ["accepted", rule, "gap"]
    assert followed.ladder.phase is Phase.GAP
    assert words(after(Message(0, 10, -1, True, (change,)))) == [rule]


@settings(max_examples=200, deadline=None)
@given(
    changes=st.lists(st.tuples(st.sampled_from([1, -1]), st.integers(1, 30), st.integers(0, 3)), min_size=1, max_size=120),
    split=st.integers(1, 7),
)
def test_the_kernel_keeps_the_book_of_the_reference(changes: list[tuple[int, int, int]], split: int) -> None:
    reference, told = rungs.Reference(), []
    expected = []
    for k in range(0, len(changes), split):
        some = [(side, float(price), float(size)) for side, price, size in changes[k : k + split]]
        for change in some:
            reference.set(*change)
        told.append(spot(11 + len(told), 11 + len(told), *some))
        expected.append([reference.top(side, 4) for side in (1, -1)])
    followed = follow(messages(Message(0, 10, -1, True, ()), *told), Ladder.fresh(), 4)
    for k, (bids, asks) in enumerate(expected, start=1):
        assert followed.tape.counts[k].tolist() == [len(bids), len(asks)]
        assert followed.tape.bids[k, : len(bids)].tolist() == [list(level) for level in bids]
        assert followed.tape.asks[k, : len(asks)].tolist() == [list(level) for level in asks]


ids = st.integers(-1, 12)


@settings(max_examples=300, deadline=None)
@given(first=ids, last=ids, previous=ids, known=ids, is_fresh=st.booleans())
def test_the_kernel_reads_ids_as_the_reference(first: int, last: int, previous: int, known: int, is_fresh: bool) -> None:
    expected = rungs.reference_continues(first, last, previous, known, is_fresh)
    ladder = Ladder(Phase.VALID, known, is_fresh)
    followed = follow(messages(Message(first, last, previous, False, ((1, 1.0, 1.0),))), ladder, 1)
    assert followed.codes.tolist() == [expected]


def test_the_deepest_levels_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rpsd.book.ladder.MOST_DEPTH", 3)
    told = [spot(11 + k, 11 + k, (1, price, 1.0)) for k, price in enumerate([97.0, 100.0, 96.0])]
    ladder = after(SNAPSHOT, *told).ladder
    assert ladder.bids[:, 0].tolist() == [98.0, 99.0, 100.0]


def test_bytes_that_are_no_ladder() -> None:
    packed = after(SNAPSHOT, spot(12, 12)).ladder.pack()
    assert Ladder.unpack(packed).pack() == packed
    for wrong in (b"", packed[:-1], packed + b"x", b"\xff" + packed[1:]):
        with pytest.raises(CorruptData):
            Ladder.unpack(wrong)


def test_a_snapshot_before_each_update_costs_what_it_would_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each walk sees its own stretch: were it to see the whole feed, thousands of snapshots would take minutes."""
    seen: list[int] = []
    walk = rungs.walk

    def counted(ids: np.ndarray, *more: object) -> int:
        seen.append(len(ids))
        return int(walk(ids, *more))

    monkeypatch.setattr(rungs, "walk", counted)
    told: list[Message] = []
    for number in range(0, 200, 2):
        told.append(Message(-1, number + 1, -1, True, ((1, 99.0, 1.0), (-1, 100.0, 1.0))))
        told.append(Message(number + 2, number + 2, -1, False, ((1, 99.0, float(number + 2)),)))
    followed = after(*told)
    assert followed.tape.n == 200
    assert followed.tape.bids[:, 0, 1].tolist() == [1.0 if at % 2 == 0 else float(at + 1) for at in range(200)]
    assert sum(seen) == 100
