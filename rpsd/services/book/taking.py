"""What a request does to a book, computed before anything is written: verdicts, chunks of tape, and where the book stands then."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from rpsd.core.book import NO_SEQUENCE, RULES, Event, Integers, Phase, Rule, Tape, Updates, woven
from rpsd.core.errors import BadBook, BookGap, Fault, RpsdError
from rpsd.services.book.excerpt import excerpt, message_excerpt
from rpsd.services.book.live import Stand
from rpsd.store.book import FaultRecord
from rpsd.store.book_chunk import CHUNK_EVENTS, Chunk
from rpsd.store.tape import cut

if TYPE_CHECKING:  # numerics wait for the warm-up
    from rpsd.book.ladder import Ladder
    from rpsd.book.validity import Judged, Limits

MOST_NAMED: Final = 100
"""Records that an answer names; `counts` tells of all."""
_GOOD: Final = (Rule.ACCEPTED, Rule.EMPTY)
_NEVER: Final = -(2**63)
_BID_SIZE, _ASK_SIZE = -3, -1  # in Stand.latest
_PART: Final = 1 << 15
"""Messages that pass the ladder at once."""


@dataclass(frozen=True, slots=True)
class How:
    """How a request is taken: what a bad record does, what the validator holds records against, and the clock."""

    skip: bool
    limits: "Limits"
    now_ns: int


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of it. `stand`: where the book stands afterwards, its row not yet written. `places`: of the bad records, with their rules.

    With a `refusal` nothing of the request is kept but what the watch learnt of the bad records and, after a gap, that there is one.
    """

    stand: Stand
    chunks: tuple[Chunk, ...] = ()
    kinds: tuple[int, ...] = (0, 0, 0)
    counts: Counter[Rule] = field(default_factory=Counter)
    faults: tuple[FaultRecord, ...] = ()
    repaired: int = 0
    negative_latency: int = 0
    refusal: RpsdError | None = None

    @property
    def accepted(self) -> int:
        """Events that were stored."""
        return sum(self.kinds)


def taken(stand: Stand, feed: Sequence[Tape | Updates], how: How) -> Taken:
    """The pieces of a request in their order, on top of where the book stands; nothing is written.

    Records are counted through all pieces. Books with update ids begin a ladder when they come alone, as a snapshot does that updates are
    to follow, and go through it where there is one.
    """
    course = _Course(stand, how)
    for piece in feed:
        if isinstance(piece, Updates):
            course.follow_all(piece)
        elif _has_ids(piece) and (course.ladder is not None or piece.n == 1):
            course.restate(piece)
        else:
            course.judge(piece, np.arange(piece.n))
            course.row += piece.n
    return course.outcome()


def _has_ids(tape: Tape) -> bool:
    """Whether every event is a book with an update id: what a ladder can go on from."""
    return bool(tape.n and (tape.kind == Event.DEPTH).all() and (tape.sequence != NO_SEQUENCE).all())


class _Course:
    """The state of a book on its way through the pieces of one request."""

    def __init__(self, stand: Stand, how: How) -> None:
        self.before, self.how = stand, how
        self.watch, self.memory, self.ladder, self.latest = stand.watch, stand.memory, stand.ladder, stand.latest
        self.tick = stand.kept.info.tick
        self.clock = _NEVER if stand.kept.info.last_ns is None else stand.kept.info.last_ns
        self.levels = stand.kept.info.levels
        self.row = 0
        self.chunks: list[Chunk] = []
        self.kinds = np.zeros(len(Event), np.int64)
        self.counts: Counter[Rule] = Counter()
        self.faults: list[FaultRecord] = []
        self.bad: list[Tape] = []
        self.repaired = self.negative_latency = 0
        self.has_gap = False

    def follow_all(self, updates: Updates) -> None:
        """Take incremental updates, many of them in parts: each message makes a book, and some bytes may have been a message."""
        if updates.beside is not None:
            self.follow(updates)
            return
        for at in range(0, updates.n, _PART):
            self.follow(updates.part(at, min(at + _PART, updates.n)))

    def follow(self, updates: Updates) -> None:
        """Take incremental updates through the ladder."""
        from rpsd.book.ladder import Ladder, follow

        followed = follow(updates, self.ladder or Ladder.fresh(), self.how.limits.levels)
        self.ladder = followed.ladder
        gaps = np.concatenate([[0], np.cumsum(followed.codes == Rule.GAP)])  # before each message, and after all
        for place in np.flatnonzero(~np.isin(followed.codes, _GOOD)).tolist():
            self._note(Rule(int(followed.codes[place])), place, int(updates.t[place]), lambda at=place: message_excerpt(updates, at))
        tape, message = woven(followed.tape, followed.message, updates), _woven_places(followed.message, updates)
        if tape.n == 0:
            self._lost(bool(gaps[-1]))
        else:
            self.judge(tape, message, np.diff(gaps[message], prepend=0) > 0)
            self._lost(bool(gaps[-1] > gaps[message[-1]]))
        self.row += updates.n

    def restate(self, tape: Tape) -> None:
        """Take books with update ids of a feed that goes through the ladder: each states the whole book anew."""
        self.follow(_snapshots(tape))

    def judge(self, tape: Tape, places: Integers, fresh: npt.NDArray[np.bool_] | None = None) -> None:
        """Judge a tape whose events have these places in the piece; features begin anew at the events that are `fresh`."""
        from rpsd.book.validity import judge

        judged = judge(tape, self.how.limits, self.watch, now_ns=self.how.now_ns)
        self.watch = judged.watch
        self.repaired += judged.repaired
        self.negative_latency += judged.negative_latency
        wrong = ~np.isin(judged.codes, _GOOD)
        for at in np.flatnonzero(wrong).tolist():
            self._note(Rule(int(judged.codes[at])), int(places[at]), int(tape.t[at]), lambda at=at: excerpt(tape, at))
        refused = wrong & (judged.codes != Rule.DUPLICATE)
        if refused.any():
            self.bad.append(tape.taken(refused))
        self.counts[Rule.EMPTY] += int((judged.codes == Rule.EMPTY).sum())
        if fresh is not None and fresh.any():
            fresh = _carried(fresh, judged.accepted)
        self._compute(judged, fresh)

    def _compute(self, judged: "Judged", fresh: npt.NDArray[np.bool_] | None) -> None:
        """Features of the accepted events, in chunks that keep the state before them."""
        kept = judged.kept
        if not kept.n:
            return
        clock = np.maximum.accumulate(np.maximum(kept.t, self.clock))
        for run in judged.runs:
            begins = [run.start] if fresh is None else [run.start, *(np.flatnonzero(fresh[run.start : run.stop]) + run.start).tolist()]
            for begin, end in zip(begins, [*begins[1:], run.stop], strict=True):
                goes_on = begin == 0 and run.continues and run.tick == self.tick and not (fresh is not None and fresh[0])
                if not goes_on:
                    self.memory = None
                self.tick = run.tick
                for at in range(begin, end, CHUNK_EVENTS):
                    stop = min(at + CHUNK_EVENTS, end)
                    self._chunk(cut(kept, at, stop), clock[at:stop])
        self.clock, self.levels = int(clock[-1]), max(self.levels, int(kept.counts.max(initial=0)))
        self.kinds += np.bincount(kept.kind, minlength=len(Event))

    def _chunk(self, tape: Tape, clock: Integers) -> None:
        from rpsd.book.features import BookMemory, run

        before = None if self.memory is None else self.memory.pack()
        self.chunks.append(Chunk.of(tape, clock, self.tick, before))
        if self.tick is not None:
            features, tops, self.memory = run(tape, self.tick, self.memory or BookMemory.fresh())
            self.latest = np.concatenate([features[-1], tops[-1]])

    def _lost(self, is_gap: bool) -> None:
        """After a gap the features begin anew, and what was last known of the book holds no more."""
        if is_gap:
            self.memory, self.latest, self.has_gap = None, np.zeros_like(self.latest), True

    def _note(self, rule: Rule, place: int, t_ns: int, excerpt_of: Any) -> None:
        self.counts[rule] += 1
        if rule is not Rule.DUPLICATE:
            text = excerpt_of() if len(self.faults) < 1000 else ""
            self.faults.append(FaultRecord(rule.word, self.row + place, t_ns, self.how.now_ns, text))

    def phase(self) -> Phase:
        """Where the book stands: by the ladder where it waits for something, else by the records.

        A book whose features rest on no two sides, as after a gap, is not valid, whatever the records before it were.
        """
        if self.ladder is not None and self.ladder.phase in (Phase.GAP, Phase.SYNCING):
            waits: Phase = self.ladder.phase
            return waits
        phase = self.watch.phase
        is_known = self.tick is not None and self.latest[_BID_SIZE] > 0.0 and self.latest[_ASK_SIZE] > 0.0
        return Phase.SYNCING if phase == Phase.VALID and not is_known else phase

    def outcome(self) -> Taken:
        """All of it, or with a refusal what remains of it."""
        if self.faults and not self.how.skip:
            return self._refused()
        stand = self._stood(self.watch, self.before.kept.info.events + int(self.kinds.sum()))
        n = (int(self.kinds[0]), int(self.kinds[1]), int(self.kinds[2]))
        return Taken(stand, tuple(self.chunks), n, self.counts, tuple(self.faults), self.repaired, self.negative_latency)

    def _stood(self, watch: Any, events: int) -> Stand:
        kept = self.before.kept
        counted = Counter(kept.info.faults)
        counted.update({rule.word: n for rule, n in self.counts.items() if n})
        came = self.how.now_ns if self.kinds[[Event.DEPTH, Event.QUOTE]].any() else kept.info.received_ns
        last = None if self.clock == _NEVER else self.clock
        info = replace(kept.info, phase=self.phase(), tick=self.tick, levels=self.levels, last_ns=last)
        info = replace(info, received_ns=came, events=events, faults=dict(counted))
        return Stand(
            replace(
                kept,
                info=info,
                is_told=self.how.limits.tick is not None,
                repaired=kept.repaired + self.repaired,
                negative_latency=kept.negative_latency + self.negative_latency,
                loose=kept.loose + sum(chunk.is_loose for chunk in self.chunks),
                memory=None if self.memory is None else self.memory.pack(),
                watch=watch.pack(),
                latest=self.latest.astype("<f8").tobytes(),
            ),
            watch,
            self.memory,
            self.ladder,
            self.latest,
        )

    def _refused(self) -> Taken:
        """Nothing is kept, but the watch sees the bad records alone: three crossed ones make an auction, many off the tick another tick.

        After a gap the ladder is kept as well: it waits for a snapshot, and holds the updates that may follow it. A snapshot in the same
        request is not kept, and heals nothing.
        """
        from rpsd.book.validity import judge

        bare = _Course(self.before, self.how)
        for tape in self.bad:
            bare.watch = judge(tape, self.how.limits, bare.watch, now_ns=self.how.now_ns).watch
        bare.counts = Counter({rule: n for rule, n in self.counts.items() if rule not in (*_GOOD, Rule.DUPLICATE)})
        error: type[RpsdError] = BadBook
        if self.counts[Rule.GAP]:
            error, bare.ladder = BookGap, self._waiting()
            bare._lost(is_gap=True)
        return Taken(bare._stood(bare.watch, self.before.kept.info.events), counts=bare.counts, refusal=_refusal(error, self.faults))

    def _waiting(self) -> "Ladder":
        """The ladder after a refused gap."""
        from rpsd.book.ladder import Ladder

        assert self.ladder is not None  # only a ladder tells of gaps
        return self.ladder if self.ladder.phase is Phase.GAP else Ladder(Phase.GAP, self.ladder.last)


def _refusal(error: type[RpsdError], faults: Sequence[FaultRecord]) -> RpsdError:
    """The error that names the first hundred bad records."""
    named = [Fault(f"/{fault.row}", RULES[Rule[fault.rule.upper()]]) for fault in faults[:MOST_NAMED]]
    first = next((fault for fault in faults if error is not BookGap or fault.rule == Rule.GAP.word), faults[0])
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    detail = f"record {first.row}: {RULES[Rule[first.rule.upper()]]}: {first.excerpt}{more}; nothing was stored"
    return error(detail, errors=named)


def _carried(fresh: npt.NDArray[np.bool_], accepted: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """`fresh` (n,) of the accepted events: a beginning whose event is not accepted passes to the next that is."""
    groups = np.cumsum(fresh)[accepted]
    moved: npt.NDArray[np.bool_] = np.diff(groups, prepend=0) > 0
    return moved


def _woven_places(message: Integers, updates: Updates) -> Integers:
    """The message that each event of the woven tape came with, or after which number of messages it came beside them."""
    if updates.beside is None or not updates.beside.n:
        return message
    order = np.argsort(np.concatenate([2 * message + 1, 2 * updates.after]), kind="stable")
    places: Integers = np.minimum(np.concatenate([message, updates.after]), max(updates.n - 1, 0))[order]
    return places


def _snapshots(tape: Tape) -> Updates:
    """Books with update ids as messages that state the whole book."""
    books = tape.row
    counts = tape.counts[books]
    held = np.arange(tape.levels) < counts[:, :, None]  # (n, 2, levels)
    both = np.stack([tape.bids[books], tape.asks[books]], axis=1)  # (n, 2, levels, 2)
    start = np.concatenate([[0], np.cumsum(counts.sum(axis=1))])
    side = np.broadcast_to(np.array([1, -1], np.int8)[None, :, None], held.shape)[held]
    none = np.full(tape.n, NO_SEQUENCE, np.int64)
    whole = np.ones(tape.n, np.bool_)
    return Updates(tape.t, tape.received, none, tape.sequence, none, whole, start, side, both[held][:, 0], both[held][:, 1])
