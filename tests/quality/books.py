"""Measure features, models, validator and backtest of order books on the captures and write the manual's chapter: `make quality-book`.

The exit is 0 whenever everything ran: a bar that falls short is a finding to read.
"""

import argparse
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np

from rpsd.book.impact import windows
from rpsd.core.book import Event
from tests.bench.harness import bar
from tests.captures import TICK
from tests.quality import book_backtest, book_faults, book_leak, book_models
from tests.quality.book_measure import Impact, impact, regressed
from tests.quality.book_streams import CAPTURES, Stream, stream
from tests.quality.books_chapter import Found, render
from tests.quality.measure import pool
from tests.unit.book.messages import raw_updates

CHAPTER = Path(__file__).resolve().parents[2] / "rpsd" / "manual" / "books_quality.md"
TABLES = ("facts", "impacts", "judged", "delays", "splits", "scaled", "seen", "tested")
BY_DEPTH = "each event by its depth"
AUC = {"btcusd_perp": 0.725, "btcusdt": 0.755}


def facts(s: Stream) -> tuple[int, ...]:
    """Seconds, events by kind, moves, and the share of events with a spread of one tick, in percent."""
    kinds = np.bincount(s.tape.kind, minlength=3).tolist()
    one = round(100.0 * float(np.mean(s.column("spread_t") == 1.0)))
    return (int((s.t[-1] - s.t[0]) // 1_000_000_000), *kinds, int((np.diff(s.mid) != 0.0).sum()), one)


def impacts(s: Stream) -> list[tuple[str, float, Impact]]:
    """By all quotes over one and ten seconds, and by books alone over ten."""
    known = (s.tops[:, 1] > 0.0) & (s.tape.kind != Event.TRADE)
    books = s.tape.kind == Event.DEPTH
    best = np.column_stack([s.tape.bids[:, 0], s.tape.asks[:, 0]])
    fused = [("books and quotes", seconds, impact(s.t[known], s.tops[known], seconds, TICK)) for seconds in (1.0, 10.0)]
    by_event = regressed(*windows(s.tape, TICK))
    return [*fused, ("books", 10.0, impact(s.t[books], best, 10.0, TICK)), (BY_DEPTH, 10.0, by_event)]


@dataclass(frozen=True, slots=True)
class OfStream:
    """The tables of one stream, in the order of Found."""

    facts: tuple[int, ...]
    impacts: list[tuple[str, float, Impact]]
    judged: dict[str, book_models.Judged]
    delays: list[book_models.Delayed]
    splits: list[book_leak.Split]
    scaled: tuple[book_leak.Scaled, book_leak.Scaled]
    seen: book_leak.Seen
    faults: list[book_faults.Classified]
    tested: list[book_backtest.Tested]


def of_stream(name: str, each: int) -> OfStream:
    """Everything of one stream."""
    s = stream(name)
    scaled = (book_leak.scaled_features(s), book_leak.scaled_price(s))
    return OfStream(
        facts(s), impacts(s), book_models.judge(s), book_models.decay(s), book_leak.splits(s), scaled, book_leak.depth_only(s),
        book_faults.classify(name, s.tape, each), book_backtest.tested(s),
    )  # fmt: skip


def measured(each: int) -> Found:
    """Every table, the streams side by side."""
    with pool(len(CAPTURES)) as executor:
        parts = dict(zip(CAPTURES, executor.map(partial(of_stream, each=each), CAPTURES), strict=True))
    tables = ({name: getattr(part, table) for name, part in parts.items()} for table in TABLES)
    faults = [*(one for part in parts.values() for one in part.faults), book_faults.gaps("btcusd_perp", raw_updates(), each)]
    streams, impact, judged, delays, splits, scaled, seen, tested = tables
    return Found(f"{datetime.now(UTC):%Y-%m-%d}", streams, impact, judged, delays, splits, scaled, seen, faults, tested)


def note(found: Found, name: str, value: float, op: str, bound: float) -> None:
    """Print a bar and keep it for the chapter."""
    found.bars.append((name, value, op, bound, bar(name, value, op, bound)))


def compare(found: Found) -> None:
    """What was to be reached."""
    for name in found.streams:
        model = found.judged[name]["`logistic`"]
        note(found, f"auc_{name}", float(model.held_out.values[0]), ">=", AUC[name])
        note(found, f"ece_{name}", float(model.held_out.values[4]), "<=", 0.05)
        note(found, f"ece_of_up_{name}", float(model.held_out.values[5]), "<=", 0.05)
        for what, seconds, i in found.impacts[name]:
            if (
                seconds == 10.0 and what == BY_DEPTH
            ):  # the definition of the product's features; the other rows are beside it for comparison
                note(found, f"ofi_r2_{name}", i.same, ">=", 0.60)
            if seconds == 10.0:
                note(found, f"ofi_r2_next_{name}_{what.replace(' ', '_')}", i.following, "<=", 0.04)
        random = max(split.random[0] for split in found.splits[name])
        note(found, f"leak_shows_{name}", random - max(split.honest[0] for split in found.splits[name]), ">=", 0.1)
    note(found, "faults_called_otherwise", float(sum(c.injected - c.hits for c in found.faults)), "<=", 0.0)
    note(found, "faults_false", float(sum(c.false for c in found.faults)), "<=", 0.0)


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=book_faults.EACH, help="faults of each kind")
    parser.add_argument("--out", type=Path, default=CHAPTER, help="where the chapter is written")
    options = parser.parse_args()
    found = measured(options.each)
    compare(found)
    chapter = render(found)
    print(chapter)
    options.out.write_text(chapter, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
