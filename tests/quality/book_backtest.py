"""The held-out forecasts put to a test with costs."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from rpsd.book import backtest, forecast, train
from rpsd.core.book import Fees
from rpsd.core.parameters import BacktestParameters, BookParameters, LabelParameters
from tests.captures import TICK
from tests.quality.book_streams import TRAIN, Stream

LATENCY_MS = 10.0
FEES = (Fees(taker_bps=0.0, maker_bps=0.0), Fees(taker_bps=5.0, maker_bps=2.0))
"""None, and those of a small account at the exchange that the captures are from."""


@dataclass(frozen=True, slots=True)
class Tested:
    """One strategy under one pair of fees: the report's head."""

    strategy: str
    fees: Fees
    head: dict[str, Any]


def tested(s: Stream) -> list[Tested]:
    """Taker and maker on the last events, by a model of the first ones; a position is held for a second at most."""
    start = int(TRAIN * s.tape.n)
    params = BookParameters(model="logistic", test_share=0.05, bootstrap=20)
    packet = train.train([(s.before(start), TICK)], LabelParameters(), params, seed=0)
    p = forecast.probabilities(s.features[start:], forecast.opened(packet))
    later = s.before(s.tape.n, start)
    rows = []
    for strategy in ("taker", "maker"):
        plan = BacktestParameters(strategy=strategy, latency_ms=LATENCY_MS, hold_ms=1000.0, size=float(np.median(s.tops[:, 1]) / 100.0))
        rows += [Tested(strategy, fees, backtest.run(later, s.tops[start:], p, plan, fees).head) for fees in FEES]
    return rows
