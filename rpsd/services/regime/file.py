"""Regimes of rows that are stored nowhere, fitted in this process: what a command does with a file."""

import time
from typing import Any

from rpsd.config import Settings
from rpsd.core.errors import BadRange, Fault, UnknownColumn
from rpsd.core.instant import FIRST_NS, LAST_NS
from rpsd.core.market import Samples
from rpsd.core.observed import observed, sources
from rpsd.services.compute import Progress
from rpsd.services.price import price_column, prices_of
from rpsd.services.regime.answer import detected, pictured
from rpsd.services.regime.detection import Wish, asked, question


def detect_apart(
    settings: Settings,
    name: str,
    samples: Samples,
    wish: Wish,
    *,
    column: str | None = None,
    start_ns: int | None = None,
    end_ns: int | None = None,
    progress: Progress,
) -> dict[str, Any]:
    """The answer of `POST /api/v1/detect-regimes` for rows from start_ns to end_ns, both inclusive; the ticker is `name`.

    `column` holds the prices; None: close, adj_close, value or price, else the only column. Raises as RegimeDetection.detect, but for what
    concerns the store and the worker.
    """
    from rpsd.services import tasks

    head = question(settings, wish)
    further = sources(observed(head["columns"]))
    column = column or price_column(tuple(samples.columns), name)
    if absent := [one for one in (column, *further) if one not in samples.columns]:
        raise UnknownColumn(f"{name} has no column {', '.join(absent)}", hint=f"It has: {', '.join(samples.columns)}.")
    if start_ns is not None and end_ns is not None and end_ns <= start_ns:
        raise BadRange("the end is not after the start", errors=[Fault("/end", "not after start")])
    prices = prices_of(samples, column, further).within(FIRST_NS if start_ns is None else start_ns, LAST_NS if end_ns is None else end_ns)
    started = time.perf_counter()
    packet = tasks.regime_detect(asked(head, prices), progress)
    answer = detected(name, head["interval"], packet, wish.ahead) | pictured(packet, prices.t, prices.values, wish.include)
    return answer | {"columns": head["columns"], "cache": "miss", "processing_time": round(time.perf_counter() - started, 6)}
