"""ADWIN: a window over a stream that lets go of its old part when that part's mean is no longer the new one's."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import log, sqrt

from rpsd.core.market import Vector


@dataclass(frozen=True, slots=True)
class AdwinParameters:
    """Confidence, values between two looks, buckets of one size, least part of a cut, values before the first look.

    `anew`: forget everything after an alarm, as river does; otherwise, as in the paper, the new part of the window stays.
    """

    delta: float = 0.002
    every: int = 32
    buckets: int = 5
    least: int = 5
    grace: int = 10
    anew: bool = False


@dataclass(slots=True)
class _Window:
    """Rows of buckets (sum, sum of squares about their mean), row i of 2^i values each, the newest bucket of a row last."""

    rows: list[list[tuple[float, float]]] = field(default_factory=lambda: [[]])
    width: float = 0.0
    total: float = 0.0
    spread: float = 0.0

    def add(self, x: float, most: int) -> None:
        """Take one value in and merge two buckets of every row that is too long."""
        if self.width > 0:
            self.spread += self.width * (x - self.total / self.width) ** 2 / (self.width + 1.0)
        self.width += 1.0
        self.total += x
        self.rows[0].append((x, 0.0))
        for i, row in enumerate(self.rows):
            if len(row) <= most:
                break
            (one, a), (other, b) = row[:2]
            del row[:2]
            if i + 1 == len(self.rows):
                self.rows.append([])
            self.rows[i + 1].append((one + other, a + b + (one - other) ** 2 / 2.0 ** (i + 1)))  # n/2 times the squared gap of means

    def forget(self) -> None:
        """Drop the oldest bucket."""
        n = 2.0 ** (len(self.rows) - 1)
        total, spread = self.rows[-1].pop(0)
        self.width -= n
        self.total -= total
        gap = total / n - self.total / self.width
        self.spread -= spread + n * self.width * gap * gap / (n + self.width)
        if not self.rows[-1]:
            self.rows.pop()

    def cuts(self) -> Iterator[tuple[float, float]]:
        """Size and sum of the old part at each border between buckets, from the oldest on; the newest bucket is never cut off."""
        n = total = 0.0
        for i in range(len(self.rows) - 1, -1, -1):
            row = self.rows[i]
            for bucket in row if i else row[:-1]:
                n += 2.0**i
                total += bucket[0]
                yield n, total


def alarms(x: Vector, params: AdwinParameters) -> list[int]:
    """Places in x (n,), no NaN, at which the window was cut because the mean has changed.

    Causal: an alarm at place t uses x[: t + 1] alone. Deterministic; O(log n) a value at every look. It supposes independent values.
    Source: Bifet and Gavalda (2007), Proc. SIAM Data Mining, 443-448 (ADWIN2, variance bound of section 3.3).
    """
    found: list[int] = []
    window, seen = _Window(), 0
    for t, value in enumerate(x.tolist()):
        window.add(value, params.buckets)
        seen += 1
        if seen % params.every == 0 and window.width > params.grace and _shrunk(window, params):
            found.append(t)
            if params.anew:
                window, seen = _Window(), 0
    return found


def _shrunk(window: _Window, params: AdwinParameters) -> bool:
    """Cut the window as often as its parts differ; whether they ever did."""
    changed = False
    while any(_differ(window, n, total, params) for n, total in window.cuts()):
        window.forget()
        changed = True
    return changed


def _differ(window: _Window, n: float, total: float, params: AdwinParameters) -> bool:
    rest = window.width - n
    if n < params.least or rest < params.least:
        return False
    doubt = log(2.0 * log(window.width) / params.delta)
    harmonic = 1.0 / (n - params.least + 1.0) + 1.0 / (rest - params.least + 1.0)
    bound = sqrt(2.0 * harmonic * (window.spread / window.width) * doubt) + 2.0 / 3.0 * doubt * harmonic
    return abs(total / n - (window.total - total) / rest) > bound
