"""Incremental updates for the tests of the ladder: written by hand, and those of the raw capture."""

import json
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from rpsd.core.book import NO_SEQUENCE, Updates
from tests import captures

MS_NS = 1_000_000


class Message(NamedTuple):
    """One message; each change is side, price, size."""

    first: int
    last: int
    previous: int
    is_snapshot: bool
    changes: tuple[tuple[int, float, float], ...]
    t: int = 0
    received: int = 0


def messages(*told: Message) -> Updates:
    """The messages in order; those without a time come a millisecond after another by their ids."""
    changes = [change for message in told for change in message.changes]
    columns = [[getattr(message, name) for message in told] for name in ("t", "received", "first", "last", "previous")]
    t, *others = (np.array(column, np.int64) for column in columns)
    t = np.where(t == 0, MS_NS * (np.maximum(others[2], 0) + 1000), t)
    start = np.cumsum([0] + [len(message.changes) for message in told])
    side, price, size = (np.array([change[k] for change in changes]) for k in range(3))
    flags = np.array([message.is_snapshot for message in told], np.bool_)
    return Updates(t, *others, flags, start, side.astype(np.int8), price.astype(np.float64), size.astype(np.float64))


def piece(updates: Updates, begin: int, stop: int) -> Updates:
    """The messages [begin, stop)."""
    rows, start = slice(begin, stop), updates.start[begin : stop + 1]
    columns = {name: getattr(updates, name)[rows] for name in ("t", "received", "first", "last", "previous", "is_snapshot")}
    columns |= {name: getattr(updates, name)[start[0] : start[-1]] for name in ("side", "price", "size")}
    return replace(updates, **columns, start=start - start[0])


@lru_cache(1)
def raw_updates() -> Updates:
    """The depth messages and the snapshot of the raw capture."""
    told = []
    for line in captures.perp_raw().splitlines():
        received, text = line.split(b" ", 1)
        data = json.loads(text)
        body = data.get("data", data)
        if body.get("e", "depthUpdate") != "depthUpdate":
            continue
        is_snapshot = "lastUpdateId" in body
        bids, asks = (body["bids"], body["asks"]) if is_snapshot else (body["b"], body["a"])
        changes = tuple((side, float(p), float(q)) for side, levels in ((1, bids), (-1, asks)) for p, q in levels)
        ids = (NO_SEQUENCE, body["lastUpdateId"], NO_SEQUENCE) if is_snapshot else (body["U"], body["u"], body["pu"])
        told.append(Message(*ids, is_snapshot, changes, body["T"] * MS_NS, int(received)))
    return messages(*told)
