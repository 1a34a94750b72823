"""Order books in the shape of the contract."""

import math
from typing import TYPE_CHECKING, Any

from rpsd.core import instant
from rpsd.core.book import RULES, BookInfo, Phase, Rule
from rpsd.services.book.live import LiveBook
from rpsd.store.book import FaultRecord, Kept

if TYPE_CHECKING:  # numerics wait for the warm-up
    from rpsd.book.features import BookFeature

WAITS: dict[Phase, str | None] = {
    Phase.EMPTY: "a first snapshot, quote or update",
    Phase.SYNCING: "a book with both sides, a snapshot to apply updates to, or more prices to tell the tick",
    Phase.VALID: None,
    Phase.GAP: "a snapshot with its update id, then the updates that follow it",
    Phase.AUCTION: "a book that is neither crossed nor locked",
    Phase.STALE: "a record of now",
}
"""What a book in this phase needs before it is predicted from."""


def described(info: BookInfo, phase: Phase) -> dict[str, Any]:
    """What the list tells of a book in this phase."""
    moments = {"first": info.first_ns, "last": info.last_ns, "received": info.received_ns}
    return {
        "symbol": info.symbol,
        "state": phase.value,
        "waits_for": WAITS[phase],
        "tick": info.tick,
        "levels": info.levels,
        "events": info.events,
        **{name: None if ns is None else instant.text(ns) for name, ns in moments.items()},
        "faults": dict(info.faults),
    }


def latest_of(live: LiveBook, kept: Kept) -> dict[str, Any]:
    """The fused book, prices and sizes with the best first, and the features after the last event; null while there are none."""
    from rpsd.book.features import FEATURES, SCHEMA, book_of

    beside = {"repaired": kept.repaired, "negative_latency": kept.negative_latency, "schema": SCHEMA}
    if live.memory is None or live.tick is None:
        return beside | {"bids": [], "asks": [], "features": None}
    bids, asks = book_of(live.memory, live.tick)
    names = (feature.name for feature in FEATURES)
    return beside | {"bids": bids.tolist(), "asks": asks.tolist(), "features": dict(zip(names, live.features.tolist(), strict=True))}


def catalogue() -> dict[str, Any]:
    """Every feature with what is to be known of it, those beside the 27 as `further`; an open end of its range is null."""
    from rpsd.book.features import FEATURES, FURTHER, SCHEMA

    return {"schema": SCHEMA, "features": [_told(one) for one in FEATURES], "further": [_told(one) for one in FURTHER]}


def _told(feature: "BookFeature") -> dict[str, Any]:
    low, high = (None if math.isinf(end) else end for end in (feature.low, feature.high))
    beside = {"parity": feature.parity, "low": low, "high": high, "source": feature.source}
    return {"name": feature.name, "formula": feature.formula, "unit": feature.unit or None, **beside}


def fault_row(fault: FaultRecord) -> dict[str, Any]:
    """A record that was put aside."""
    t = None if fault.t_ns is None or not instant.FIRST_NS <= fault.t_ns <= instant.LAST_NS else instant.text(fault.t_ns)
    reason = RULES[Rule[fault.rule.upper()]]
    return {"rule": fault.rule, "reason": reason, "row": fault.row, "t": t, "noted": instant.text(fault.noted_ns), "excerpt": fault.excerpt}
