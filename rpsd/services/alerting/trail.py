"""What counters said at the looks of the last while, so that their growth in a window can be told."""

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from typing import Final

_MOST: Final = 1500
"""Looks that are kept; a longer stretch is kept more coarsely."""

Counts = tuple[float, ...]


class Trail:
    """Counts (k,) by time in seconds, which never fall, over the last `span_seconds`. All of them began with 0 at `born`.

    A clock that is set back takes what was kept with it: the looks stay in order, as far apart as they were.
    """

    def __init__(self, span_seconds: float, born: float) -> None:
        self.born = born
        self._span, self._step = span_seconds, span_seconds / _MOST
        self._looks: deque[tuple[float, Counts]] = deque()

    def add(self, now: float, counts: Sequence[float]) -> None:
        """Keep what the counters say now."""
        if self._looks and (back := self._looks[-1][0] - now) > 0:
            self._looks = deque((when - back, held) for when, held in self._looks)
            self.born -= back
        if len(self._looks) > 1 and now - self._looks[-2][0] < self._step:
            self._looks.pop()  # the last look always stays, its forerunner only at its due distance
        self._looks.append((now, tuple(counts)))
        while len(self._looks) > 1 and self._looks[1][0] <= now - self._span:  # one look from before the span begins it
            self._looks.popleft()

    def growth(self, start: float, end: float) -> Counts:
        """By how much they grew from start to end, each taken at the last look before; () when there was none."""
        after, before = self._at(end), self._at(start)
        if not after:
            return ()
        return tuple(new - old for new, old in zip(after, before or (0.0,) * len(after), strict=False))

    def _at(self, when: float) -> Counts:
        place = bisect_right(self._looks, when, key=lambda look: look[0])
        return self._looks[place - 1][1] if place else ()
