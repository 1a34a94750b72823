"""Which events may be trained on before which are judged: in order of time, with labels purged that reach into the test."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from rpsd.core.book import Integers
from rpsd.core.errors import RandomSplitRefused
from rpsd.core.market import SECOND_NS, Times
from rpsd.core.parameters import BookParameters

_MEMORY_NS: Final = 10 * SECOND_NS  # the longest decay of a feature
_MOST_EMBARGO: Final = 0.02  # of the time that the events span


@dataclass(frozen=True, slots=True)
class Split:
    """Places of the events to train on, and of those to judge by."""

    train: Integers
    test: Integers


def in_order_of_time(params: BookParameters) -> None:
    """Raises RandomSplitRefused when the validation is asked to shuffle: events before one move share its outcome."""
    if params.split == "random":
        told = "events before one move share its outcome; drawn at random, the test would hold the outcomes of the training"
        raise RandomSplitRefused(f"{told}, and its figures would be of memory, not of skill")


def embargo_ns(t: Times) -> int:
    """How long after a test block nothing is trained on: ten seconds, which features remember, but at most 2 % of the span of t (n,).

    Source: López de Prado (2018), Advances in Financial Machine Learning, section 7.4.2.
    """
    return min(_MEMORY_NS, int(_MOST_EMBARGO * float(t[-1] - t[0]))) if t.size else 0


def parted(t: Times, until_ns: Times, share: float) -> Split:
    """The last share of the events as the test, and those before it whose label was settled before the test begins.

    t (n,): times of the events, not falling; until_ns (n,): when their labels are settled. Events of one time stay together.
    """
    cut = int(np.searchsorted(t, t[min(round((1 - share) * t.size), t.size - 1)])) if t.size else 0
    return _after(t, until_ns, cut, t.size)


def walk_forward(t: Times, until_ns: Times, folds: int, begin: int) -> list[Split]:
    """The events from place `begin` on in blocks of about as many, each judged by all that was settled before the block begins.

    Source: López de Prado (2018), sections 7.4.1 and 12.2, the purged walk-forward.
    """
    edges = [begin + edge for edge in _edges(t[begin:], folds)]
    return [_after(t, until_ns, low, high) for low, high in pairwise(edges) if low < high]


def purged_folds(t: Times, until_ns: Times, folds: int) -> list[Split]:
    """Each of so many blocks is judged by all others, without labels that overlap with it and without the embargo after it.

    For choices within the training part. Source: López de Prado (2018), section 7.4.
    """
    edges, embargo, places = _edges(t, folds), embargo_ns(t), np.arange(t.size)
    splits = []
    for low, high in pairwise(edges):
        if low == high:
            continue
        settled = until_ns[low:high].max()
        is_before: npt.NDArray[np.bool_] = (places < low) & (until_ns < t[low])
        is_after: npt.NDArray[np.bool_] = (places >= high) & (t > settled + embargo)
        splits.append(Split(np.flatnonzero(is_before | is_after), np.arange(low, high)))
    return splits


def _edges(t: Times, blocks: int) -> list[int]:
    """Where blocks of about as many events begin, and the end; events of one time are never parted."""
    inner = [int(np.searchsorted(t, t[i * t.size // blocks])) for i in range(1, blocks)] if t.size else []
    return [0, *inner, t.size]


def _after(t: Times, until_ns: Times, low: int, high: int) -> Split:
    settled = np.flatnonzero(until_ns[:low] < t[low]) if low < t.size else np.arange(low)
    return Split(settled, np.arange(low, high))
