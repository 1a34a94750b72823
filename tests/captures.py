"""The capture of BTCUSD_PERP in tests/data/book as tapes; that of BTCUSDT is bundled, see rpsd.samples.book_tape."""

import gzip
from functools import lru_cache
from pathlib import Path

import numpy as np

from rpsd.core.book import Grid, Tape, fused
from rpsd.core.market import Times

FOLDER = Path(__file__).parent / "data" / "book"
RAW = FOLDER / "btcusd_perp_raw.jsonl.gz"
TICK = 0.1
LEVELS = 10


@lru_cache(1)
def perp_tapes() -> tuple[Tape, Tape, Tape]:
    """Books of ten levels, best bids and offers, and trades; trades bear the local time alone."""
    table, received, t = _columns("l10", 2)
    bids, asks = (np.ascontiguousarray(side.reshape(-1, 2, LEVELS).transpose(0, 2, 1)) for side in np.split(table, 2, 1))
    books = Tape.of_books(t, bids, asks, np.full((t.size, 2), LEVELS), received)
    quotes, received, t = _columns("bbo", 2)
    trades, printed, _ = _columns("trades", 1)
    return books, Tape.of_quotes(t, quotes, received), Tape.of_trades(printed, trades, printed)


def perp_tape() -> Tape:
    """perp_tapes, fused by the time of reception."""
    return fused(list(perp_tapes()))


def perp_raw() -> bytes:
    """The raw lines `<local ns> <json>` of the first part of the capture."""
    return gzip.decompress(RAW.read_bytes())


def _columns(name: str, times: int) -> tuple[Grid, Times, Times]:
    """The cells (n, c) behind the times, the first time and the last; ns."""
    rows = [line.split(b",") for line in gzip.decompress((FOLDER / f"btcusd_perp_{name}.csv.gz").read_bytes()).splitlines()[1:]]
    t = np.array([[int(cell) for cell in row[:times]] for row in rows])
    cells = np.array([row[times:] for row in rows]).astype(np.float64)
    return cells, t[:, 0].copy(), t[:, -1].copy()
