"""Tapes of books, quotes and prints drawn at random, and the tops that they show."""

import numpy as np

from rpsd.core.book import Event, Tape, fused

TICK = 0.5
_LEVELS = 4


def drawn(n: int, seed: int, *, spread: int = 3, sizes: int = 5, step_ns: int = 40_000_000) -> tuple[Tape, np.ndarray]:
    """A tape of n events of every kind around a walking mid, and its tops (n, 4); some books want a side, some times repeat."""
    rng = np.random.default_rng(seed)
    t = 10**18 + np.cumsum(rng.integers(0, step_ns, n) * (rng.random(n) < 0.9)).astype(np.int64)
    kind = rng.choice([Event.DEPTH, Event.QUOTE, Event.TRADE], n, p=[0.3, 0.4, 0.3]).astype(np.uint8)
    bid = 1000 + np.cumsum(rng.integers(-1, 2, n))
    ask = bid + rng.integers(1, spread + 1, n)
    tapes, tops, last = [], np.zeros((n, 4)), np.array([bid[0], 1, ask[0], 1]) * [TICK, 1.0, TICK, 1.0]
    for j in range(n):
        at = t[j : j + 1]
        if kind[j] == Event.TRADE:
            side = int(rng.integers(-1, 2))
            price = last[0] if rng.random() < 0.5 else last[2]
            tapes.append(Tape.of_trades(at, np.array([[price + TICK * rng.integers(-1, 2), rng.integers(1, sizes), side]])))
            tops[j] = last
            continue
        has = rng.random(2) < 0.97
        last = np.array([bid[j] * TICK * has[0], rng.integers(1, sizes) * has[0], ask[j] * TICK * has[1], rng.integers(1, sizes) * has[1]])
        tops[j] = last
        if kind[j] == Event.QUOTE:
            tapes.append(Tape.of_quotes(at, last[None]))
            continue
        bids, asks = np.zeros((1, _LEVELS, 2)), np.zeros((1, _LEVELS, 2))
        for side, best, size, sign in ((bids, last[0], last[1], -1), (asks, last[2], last[3], 1)):
            if size > 0:
                side[0, :, 0] = best + sign * TICK * np.arange(_LEVELS)
                side[0, :, 1] = [size, *rng.integers(1, sizes, _LEVELS - 1)]
        counts = np.array([[_LEVELS * int(has[0]), _LEVELS * int(has[1])]])
        tapes.append(Tape.of_books(at, bids, asks, counts))
    return fused(tapes), tops


def guesses(n: int, seed: int, run: int = 12) -> np.ndarray:
    """Probabilities (n, 3) whose decisions last for some events."""
    rng = np.random.default_rng(seed + 1)
    up = np.repeat(rng.random(n // run + 1), run)[:n]
    return np.column_stack([1.0 - up, np.zeros(n), up])


def quoted(*rows: tuple[float, float, float, float, float]) -> tuple[Tape, np.ndarray]:
    """A tape of quotes (milliseconds, bid, size, ask, size) and its tops."""
    table = np.array(rows, np.float64)
    return Tape.of_quotes((table[:, 0] * 1e6).astype(np.int64), table[:, 1:].copy()), table[:, 1:].copy()
