"""The micro-price table against its paper: transitions counted one by one, both sums in full."""

from collections import Counter, defaultdict
from itertools import pairwise

import pytest

from rpsd.book.microprice import fit
from rpsd.samples import book_tapes
from tests.captures import TICK
from tests.golden.book.papers import micro_adjustment, queue_imbalance

BUCKETS, SPREADS = 2, 2
State = tuple[int, int, int]
"""Side of the imbalance, its bucket, and the spread's."""


def state(top: list[float]) -> tuple[State, int]:
    """Of a quote that leans to one side, and twice its mid in ticks."""
    bid, q, ask, r = top
    lean = queue_imbalance([q], [r])
    spread = round((ask - bid) / TICK)
    return (1 if lean > 0 else -1, min(int(abs(lean) * BUCKETS), BUCKETS - 1), min(spread, SPREADS) - 1), round((bid + ask) / TICK)


def test_the_table_is_the_papers() -> None:
    tops = book_tapes()[1].quotes[:20_000]
    tops = tops[tops[:, 1] != tops[:, 3]]
    counted: Counter[tuple[State, State, float]] = Counter()
    for (here, mid), (there, then) in pairwise(map(state, tops.tolist())):
        move = (then - mid) / 2
        counted[here, there, move] += 1
        counted[(-here[0], *here[1:]), (-there[0], *there[1:]), -move] += 1  # the mirror
    states = [(side, bucket, spread) for side in (1, -1) for bucket in range(BUCKETS) for spread in range(SPREADS)]
    total = {s: 1 + sum(n for (here, _, _), n in counted.items() if here == s) for s in states}  # and one step that leads nowhere
    stay, land = ([[0.0] * len(states) for _ in states] for _ in range(2))
    jump: list[dict[float, float]] = [defaultdict(float) for _ in states]
    for (here, there, move), n in counted.items():
        i, j, share = states.index(here), states.index(there), n / total[here]
        (land if move else stay)[i][j] += share
        jump[i][move] += share
    assert max(abs(move) for _, _, move in counted) > 1
    expected = micro_adjustment(stay, jump, land)
    found = fit(tops, TICK, buckets=BUCKETS, spreads=SPREADS, largest=1e9).table
    assert found.ravel().tolist() == pytest.approx(expected[: BUCKETS * SPREADS], rel=1e-8)
