"""Figures against their bars: one line each, read by people and by scripts."""

import operator
import time
from collections.abc import Callable
from typing import Any

_HOLDS: dict[str, Callable[[float, float], bool]] = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt}


def bar(name: str, value: float, op: str, bound: float) -> bool:
    """Print `BAR name value op bound ok|FALLS SHORT` and tell whether the bar holds."""
    holds = _HOLDS[op](value, bound)
    print(f"BAR {name} {value:.4g} {op} {bound:.4g} {'ok' if holds else 'FALLS SHORT'}", flush=True)
    return holds


def seconds(work: Callable[[], Any], repeats: int = 9) -> float:
    """Median time of one call, after one call that does not count."""
    work()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return sorted(times)[len(times) // 2]


def ratio(work: Callable[[], Any], peer: Callable[[], Any], repeats: int = 9) -> tuple[float, float, float]:
    """(median of work over median of peer, both medians in seconds), the two called in turn so that they share the machine's mood."""
    work()
    peer()
    ours, theirs = [], []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        middle = time.perf_counter()
        peer()
        ours.append(middle - begin)
        theirs.append(time.perf_counter() - middle)
    a, b = sorted(ours)[repeats // 2], sorted(theirs)[repeats // 2]
    return a / b, a, b


def ratio_of_blocks(work: Callable[[], Any], peer: Callable[[], Any], blocks: int = 3) -> tuple[float, float, float]:
    """As ratio(), but each is called many times before the other: for arrays so large that the other's leave cold memory behind.

    Called in turn, PyWavelets' transform of a million points takes 40 ms instead of 9, and every ratio to it looks better than it is.
    """
    pairs = [(seconds(work), seconds(peer)) for _ in range(blocks)]
    a, b = (sorted(column)[blocks // 2] for column in zip(*pairs, strict=True))
    return a / b, a, b


def ratio_of_least(work: Callable[[], Any], peer: Callable[[], Any], repeats: int = 51) -> tuple[float, float, float]:
    """As ratio(), with the least time of each: for work of several milliseconds against work of one.

    On a busy machine the longer one is interrupted in every call and the shorter one in few; medians would compare interruptions.
    """
    ours, theirs = [], []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        middle = time.perf_counter()
        peer()
        ours.append(middle - begin)
        theirs.append(time.perf_counter() - middle)
    return min(ours) / min(theirs), min(ours), min(theirs)
