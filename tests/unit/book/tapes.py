"""Random tapes of books: sound ones, and ones with empty, one-sided and single-level books."""

import numpy as np
from hypothesis import strategies as st

from rpsd.core.book import NO_SEQUENCE, Event, Tape

TICK = 0.1
BASE_NS = 1_700_000_000_000_000_000


def tape_of(rng: np.random.Generator, n: int, *, levels: int = 12, degenerate: bool = False, numbered: bool = False) -> Tape:
    """n events around a mid that walks; sound books unless degenerate ones are asked for."""
    kind = rng.choice([0, 1, 2], size=n, p=[0.45, 0.45, 0.1]).astype(np.uint8)
    steps = rng.choice([0, 0, 1_000_000, 40_000_000, 700_000_000, -3_000_000], size=n)
    t = BASE_NS + np.cumsum(steps) + rng.choice([0, 0, 0, 9_000_000_000], size=n).cumsum() * (rng.random() < 0.3)
    mid = 1000 + np.cumsum(rng.choice([-2, -1, 0, 0, 0, 1, 2], size=n))
    bids, asks, counts, quotes, trades = [], [], [], [], []
    row = np.empty(n, np.int64)
    for i in range(n):
        size = rng.choice([0.5, 1.0, 3.0, 250.0, rng.random()], size=(2, levels))
        gaps = rng.integers(1, 4, size=(2, levels)).cumsum(axis=1)
        present = rng.integers(0 if degenerate else 1, levels + 1, size=2) if rng.random() < 0.5 else np.full(2, levels)
        inside = np.arange(levels) < present[:, None]
        prices = np.array([mid[i] - gaps[0] + 1, mid[i] + gaps[1]]) * TICK
        sides = np.where(inside[..., None], np.stack([prices, size], axis=-1), 0.0)
        if kind[i] == Event.DEPTH:
            row[i] = len(bids)
            bids.append(sides[0]), asks.append(sides[1]), counts.append(present)
        elif kind[i] == Event.QUOTE:
            row[i] = len(quotes)
            quotes.append(sides[:, 0].ravel() if degenerate or present.all() else np.zeros(4))
        else:
            row[i] = len(trades)
            trades.append([mid[i] * TICK, 1.0, rng.choice([-1.0, 1.0])])
    sequence = np.cumsum(rng.integers(0, 3, n)) - rng.choice([0, 0, 2], n) + 5 if numbered else np.full(n, NO_SEQUENCE)
    cubes = [np.array(side, float).reshape(len(side), levels, 2) for side in (bids, asks)]
    tables = (np.array(counts, np.int64).reshape(-1, 2), np.array(quotes, float).reshape(-1, 4), np.array(trades, float).reshape(-1, 3))
    return Tape(kind, t, np.zeros(n, np.int64), sequence, row, *cubes, *tables)


@st.composite
def tapes(draw: st.DrawFn, most: int = 60) -> Tape:
    """Tapes of up to `most` events, of 1 to 14 levels."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n, levels = draw(st.integers(1, most)), draw(st.integers(1, 14))
    return tape_of(rng, n, levels=levels, degenerate=draw(st.booleans()), numbered=draw(st.booleans()))


def part(tape: Tape, start: int, stop: int) -> Tape:
    """Events start:stop of the tape."""
    place = np.arange(tape.n)
    return tape.taken((place >= start) & (place < stop))
