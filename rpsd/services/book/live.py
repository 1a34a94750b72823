"""Where live books stand, unpacked and in memory: as many as fit, the rest waits in the store."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from rpsd.core.book import Phase
from rpsd.core.market import Vector
from rpsd.store import book
from rpsd.store.book import Kept
from rpsd.store.db import Connection

if TYPE_CHECKING:  # numerics wait for the warm-up
    from rpsd.book.features import BookMemory
    from rpsd.book.ladder import Ladder
    from rpsd.book.validity import Watch

MOST_BYTES: Final = 32 << 20
"""Memory of all live states together."""
STATE_BYTES: Final = 1024
"""What the states of features and validator of one book fill at most, packed."""
_LOCKS: Final = 256
_TOP: Final = 4
_BESIDE: Final = 4096  # bytes of the objects around the packed states


def phase_at(phase: Phase, told_ns: int | None, now_ns: int, staleness_ns: int) -> Phase:
    """The phase at the moment now_ns of a book that stood in `phase` when it was last told, at told_ns.

    A book that was told after now_ns, by more than staleness_ns, is as stale: the clock was set back, and nobody knows its age.
    """
    old = told_ns is not None and abs(now_ns - told_ns) > staleness_ns
    return Phase.STALE if old and phase is Phase.VALID else phase


@dataclass(frozen=True, slots=True)
class LiveBook:
    """A live book as predictions see it. `features` (27,) and `tops` (4,) bid, size, ask, size after the last event, zeros before any.

    `phase` is that of the moment it was asked for; `last_ns` is the clock, the greatest time of an event; `told_ns` is the time of the last
    book or quote, or of its arrival when that was earlier; `version` changes with the book.
    """

    symbol: str
    tick: float | None
    memory: "BookMemory | None"
    features: Vector
    tops: Vector
    phase: Phase
    last_ns: int | None
    told_ns: int | None
    version: int

    def asked(self, now_ns: int, staleness_ns: int) -> "LiveBook":
        """The book at the moment now_ns: a valid one that was last told more than staleness_ns ago is stale."""
        phase = phase_at(self.phase, self.told_ns, now_ns, staleness_ns)
        return self if phase is self.phase else replace(self, phase=phase)


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a book stands between two requests: its row, and what the row holds packed. None: before the first event, or after a gap."""

    kept: Kept
    watch: "Watch"
    memory: "BookMemory | None" = None
    ladder: "Ladder | None" = None
    latest: Vector = field(default_factory=lambda: np.zeros(0))

    @property
    def live(self) -> LiveBook:
        """The book as predictions see it; the phase is that after the last event."""
        info = self.kept.info
        features, tops = self.latest[:-_TOP], self.latest[-_TOP:]
        version = (info.id << 32) + self.kept.version  # another book of the same name has another id
        return LiveBook(info.symbol, info.tick, self.memory, features, tops, info.phase, info.last_ns, self.told_ns, version)

    @property
    def told_ns(self) -> int | None:
        """When the book was last told: trades tell nothing of it, and a feed whose clock is ahead is no younger than its arrival."""
        times = [ns for ns in (self.watch.told_ns, self.kept.info.received_ns) if ns is not None]
        return min(times, default=None)

    @property
    def weight(self) -> int:
        """Bytes in memory, about."""
        packed = (self.kept.memory, self.kept.watch, self.kept.latest)
        return _BESIDE + 2 * sum(len(state) for state in packed if state is not None) + (self.ladder.weight if self.ladder else 0)


def opened(c: Connection, symbol: str) -> Stand | None:
    """Where the book of the symbol stands by the store, or None when it was never fed. Raises CorruptData."""
    from rpsd.book.features import FEATURES, BookMemory
    from rpsd.book.validity import Watch

    if (kept := book.find(c, symbol)) is None:
        return None
    packed = book.ladder(c, kept.info.id)
    return Stand(
        kept,
        Watch.fresh() if kept.watch is None else Watch.unpack(kept.watch),
        None if kept.memory is None else BookMemory.unpack(kept.memory),
        None if packed is None else _ladder(packed),
        np.zeros(len(FEATURES) + _TOP) if kept.latest is None else np.frombuffer(kept.latest, "<f8"),
    )


def _ladder(packed: bytes) -> "Ladder":
    from rpsd.book.ladder import Ladder

    return Ladder.unpack(packed)


def fresh(symbol: str) -> Stand:
    """A book that was never fed."""
    from rpsd.book.features import FEATURES
    from rpsd.book.validity import Watch

    return Stand(Kept.new(symbol), Watch.fresh(), latest=np.zeros(len(FEATURES) + _TOP))


class LiveBooks:
    """The states in memory, the least recently used go first; and the locks under which books are written, one writer a book."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._held: OrderedDict[str, Stand] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self._writers = [threading.Lock() for _ in range(_LOCKS)]

    def writing(self, symbol: str) -> AbstractContextManager[bool]:
        """The lock under which the book is read, computed and committed; books share locks."""
        return self._writers[hash(symbol) % _LOCKS]

    def held(self, symbol: str) -> Stand | None:
        """The state in memory, or None when the store must be asked. Never waits for a writer."""
        with self._lock:
            if (stand := self._held.get(symbol)) is not None:
                self._held.move_to_end(symbol)
            return stand

    def put(self, symbol: str, stand: Stand) -> None:
        """Hold what was committed, or read under the writing lock."""
        with self._lock:
            self._out(symbol)
            self._held[symbol] = stand
            self._bytes += stand.weight
            while self._bytes > self._most and len(self._held) > 1:
                self._out(next(iter(self._held)))

    def drop(self, symbol: str) -> None:
        """Forget the state; the store's counts."""
        with self._lock:
            self._out(symbol)

    def found(self, symbol: str, read: Callable[[], Stand | None]) -> Stand | None:
        """The state in memory or else by the store, which is held from then on. Call it under writing()."""
        if (stand := self.held(symbol)) is None and (stand := read()) is not None:
            self.put(symbol, stand)
        return stand

    def _out(self, symbol: str) -> None:
        if (stand := self._held.pop(symbol, None)) is not None:
            self._bytes -= stand.weight

    def __len__(self) -> int:
        return len(self._held)
