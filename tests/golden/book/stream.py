"""The 27 features event by event with lists and dictionaries, written from the manual's table; no code of the product but the tape."""

import math
from dataclasses import dataclass, field

from rpsd.core.book import Event, Tape
from tests.golden.book.papers import order_flow, queue_imbalance

Side = list[tuple[int, float]]
"""Price in ticks and size, the best first."""


@dataclass
class Stream:
    """A fused book and what happened to it."""

    tick: float
    bids: Side = field(default_factory=list)
    asks: Side = field(default_factory=list)
    quote: tuple[int, float, int, float] | None = None
    quoted_at: int = 0
    clock: int | None = None
    moved_at: int | None = None
    direction: float = 0.0
    mid: float | None = None
    top_mean: float = 0.0
    top_events: int = 0
    sums: dict[str, float] = field(default_factory=lambda: dict.fromkeys(DECAY, 0.0))

    def see(self, tape: Tape, i: int) -> list[float]:
        """Event i of the tape, then all features."""
        t, row, kind = int(tape.t[i]), int(tape.row[i]), int(tape.kind[i])
        seconds = max(0.0, (t - self.clock) / 1e9) if self.clock is not None else 0.0
        self.clock = t if self.clock is None else max(self.clock, t)
        for name, decay in DECAY.items():
            self.sums[name] *= math.exp(-seconds / decay)
        self.sums["rate"] += 1.0
        before = (list(self.bids), list(self.asks))
        event_flow = 0.0
        if kind == Event.DEPTH:
            n_b, n_a = (int(c) for c in tape.counts[row])
            self.bids = [(round(p / self.tick), float(s)) for p, s in tape.bids[row, : min(n_b, 10)]]
            self.asks = [(round(p / self.tick), float(s)) for p, s in tape.asks[row, : min(n_a, 10)]]
            if self.quote is not None and t < self.quoted_at:
                self.put_quote()
        elif kind == Event.QUOTE:
            bid, q, ask, r = tape.quotes[row].tolist()
            self.quote, self.quoted_at = (round(bid / self.tick), q, round(ask / self.tick), r), t
            self.put_quote()
        if kind != Event.TRADE:
            event_flow = self.compare(*before)
        return self.features(event_flow)

    def put_quote(self) -> None:
        """The quote becomes the top; what stood better is gone."""
        assert self.quote is not None
        bid, q, ask, r = self.quote
        self.bids = [(bid, q), *((p, s) for p, s in self.bids if p < bid)][:10]
        self.asks = [(ask, r), *((p, s) for p, s in self.asks if p > ask)][:10]

    def compare(self, bids: Side, asks: Side) -> float:
        """Order flow and moves against the book before."""
        self.top_events = min(self.top_events + 1, 1000)
        self.top_mean += ((self.bids[0][1] + self.asks[0][1]) / 2.0 - self.top_mean) / self.top_events
        flow = 0.0
        if bids:
            for name, level in LEVELS.items():
                tops = [
                    level_of(b, level, bids, self.bids) + level_of(a, level, asks, self.asks)
                    for b, a in ((bids, asks), (self.bids, self.asks))
                ]
                e = order_flow(tops)[0]
                self.sums[name] += e
                flow = e if name == "ofi_f" else flow
        mid = (self.bids[0][0] + self.asks[0][0]) / 2.0
        if self.mid is not None and mid != self.mid:
            move = mid - self.mid
            self.sums["mom_f"] += move
            self.sums["mom_s"] += move
            self.sums["vol_s"] += move**2
            self.direction, self.moved_at = math.copysign(1.0, move), self.clock
        self.mid = mid
        return flow

    def features(self, event_flow: float) -> list[float]:
        """In the order of the manual."""
        bids, asks = ([s for _, s in side] for side in (self.bids, self.asks))
        spread = self.asks[0][0] - self.bids[0][0]
        assert self.mid is not None
        assert self.clock is not None
        five = list(zip(self.bids[:5], self.asks[:5], strict=False))
        crossed = sum(a * q + b * r for (b, q), (a, r) in five) / sum(q + r for (_, q), (_, r) in five)
        weighted = [sum(0.6**k * s for k, s in enumerate(side)) for side in (bids, asks)]
        slope = [
            math.log1p(sum(s for _, s in side) / (abs(side[-1][0] - side[0][0]) + 1.0) / self.top_mean) for side in (self.bids, self.asks)
        ]
        gap = [abs(side[1][0] - side[0][0]) if len(side) > 1 else 0.0 for side in (self.bids, self.asks)]
        return [
            float(spread),
            *(queue_imbalance(bids[:k], asks[:k]) for k in (1, 3, 5, 10)),
            queue_imbalance(weighted[:1], weighted[1:]),
            0.5 * spread * queue_imbalance(bids[:1], asks[:1]),
            crossed - self.mid,
            (bids[0] + asks[0]) / (sum(bids) + sum(asks)),
            *slope,
            *gap,
            event_flow / self.top_mean,
            *(self.sums[name] / self.top_mean for name in LEVELS),
            self.sums["mom_f"],
            self.sums["mom_s"],
            math.sqrt(self.sums["vol_s"] / 10.0),
            math.log1p(self.sums["rate"]),
            math.log1p((self.clock - self.moved_at) / 1e6) if self.moved_at is not None else 0.0,
            self.direction,
        ]


def level_of(side: Side, level: int, before: Side, after: Side) -> tuple[float, float]:
    """That level of the side, or nothing at all where it is not known before and after: then nothing is known to have changed."""
    return side[level] if level < min(len(before), len(after)) else (0.0, 0.0)


LEVELS = {"ofi_f": 0, "ofi_m": 0, "ofi_s": 0, "ofi1_m": 1, "ofi2_m": 2, "ofi3_m": 3, "ofi5_m": 5}
DECAY = {"ofi_f": 0.2, "ofi_m": 1.0, "ofi_s": 10.0, **dict.fromkeys(("ofi1_m", "ofi2_m", "ofi3_m", "ofi5_m"), 1.0)} | {
    "mom_f": 0.2,
    "mom_s": 10.0,
    "vol_s": 10.0,
    "rate": 1.0,
}
