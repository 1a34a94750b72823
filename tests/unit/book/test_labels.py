"""Labels equal those that a loop over the events finds by the recipe."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpsd.book.features import PAUSE_NS
from rpsd.book.labels import alpha_of, labelled, name_of
from rpsd.core.parameters import LabelParameters

MS = 1_000_000


def tops_of(mids: list[int], spread: int = 2) -> np.ndarray:
    """Quotes around mids in ticks of 0.5; a negative one stands for an empty side."""
    m = np.array(mids, np.float64)
    sizes = np.where(m >= 0, 1.0, 0.0)
    return np.column_stack([(m - spread / 2) * 0.5, sizes, (m + spread / 2) * 0.5, sizes])


def by_loop(t: list[int], mids: list[int], params: LabelParameters, alpha: float) -> list[int | None]:
    """The recipe, event by event; None where the label is unknown."""
    found: list[int | None] = []
    n, k = len(t), params.horizon
    for i in range(n):
        begin = t[i] + round(params.delay_ms * MS)
        base = i if params.delay_ms == 0 else max(j for j in range(n) if t[j] <= begin)
        before, after = [base], []
        if params.label == "next_mid_move":
            after = [j for j in range(base + 1, n) if mids[j] != mids[base]][:1]
        elif params.label == "horizon_events":
            after = [base + k] if base + k < n else []
        elif params.label == "horizon_ms":
            after = [max(j for j in range(n) if t[j] <= begin + k * MS)] if begin + k * MS <= t[-1] else []
        elif base + k < n and i >= k - 1:
            before, after = list(range(i - k + 1, i + 1)), list(range(base + 1, base + k + 1))
        seen = range(min(before), after[-1] + 1) if after else range(0)
        seen = range(min([*seen, i]), max([*seen, i]) + 1)
        is_cut = any(mids[j] < 0 for j in seen) or any(t[j + 1] - t[j] > PAUSE_NS for j in list(seen)[:-1])
        if not after or is_cut:
            found.append(None)
            continue
        change = np.mean([mids[j] for j in after]) - np.mean([mids[j] for j in before])
        found.append(int(change > alpha) - int(change < -alpha))
    return found


PARAMS = st.builds(
    LabelParameters,
    label=st.sampled_from(["next_mid_move", "horizon_events", "horizon_ms", "smoothed"]),
    horizon=st.integers(1, 5),
    delay_ms=st.sampled_from([0.0, 1.0, 3.0]),
)


@given(
    steps=st.lists(st.sampled_from([0, 1, 2, 3000, 6000]), min_size=1, max_size=30),
    mids=st.lists(st.sampled_from([10, 10, 11, 12, 14, -1]), min_size=30, max_size=30),
    params=PARAMS,
)
def test_labels_equal_the_loop(steps: list[int], mids: list[int], params: LabelParameters) -> None:
    t = (np.cumsum(steps) * MS).tolist()
    mids = mids[: len(t)]
    found = labelled(np.array(t), tops_of(mids), 0.5, params, alpha=1.0)
    told = [int(y) if known else None for y, known in zip(found.y, found.known, strict=True)]
    assert told == by_loop(t, mids, params, 0.0 if params.label == "next_mid_move" else 1.0)
    assert (found.until[found.known] > np.flatnonzero(found.known) - 1).all()
    assert (np.diff(found.cluster) >= 0).all()


def test_every_event_before_a_move_is_of_its_cluster() -> None:
    found = labelled(np.arange(7) * MS, tops_of([10, 10, 11, 11, 10, 10, 10]), 0.5, LabelParameters())
    assert found.y.tolist() == [1, 1, -1, -1, 0, 0, 0]
    assert found.known.tolist() == [True] * 4 + [False] * 3
    assert found.cluster[:4].tolist() == [0, 0, 1, 1]


def test_a_cluster_of_a_horizon_holds_a_whole_label_and_a_move() -> None:
    found = labelled(np.arange(8) * MS, tops_of([10, 10, 10, 10, 11, 11, 12, 12]), 0.5, LabelParameters(label="horizon_events", horizon=2))
    assert found.cluster.tolist() == [0, 0, 0, 0, 0, 1, 1, 1]


def test_unknown_labels_do_not_stretch_a_cluster() -> None:
    mids = [10, 11, 12] * 10
    found = labelled(np.arange(30) * MS, tops_of(mids), 0.5, LabelParameters(label="smoothed", horizon=3))
    assert not found.known[0]
    assert np.bincount(found.cluster[found.known]).max() <= 4


def test_alpha_is_half_the_mean_spread_but_at_least_half_a_tick() -> None:
    assert alpha_of(tops_of([10, 11], spread=6), 0.5) == 3.0
    assert alpha_of(tops_of([10, 11], spread=1), 0.5) == 0.5
    assert alpha_of(tops_of([-1]), 0.5) == 0.5


@pytest.mark.parametrize(
    ("params", "name"),
    [
        (LabelParameters(), "next_mid_move"),
        (LabelParameters(label="horizon_events"), "horizon_10_events"),
        (LabelParameters(label="smoothed", horizon=50), "smoothed_50_events"),
    ],
)
def test_names_of_labels(params: LabelParameters, name: str) -> None:
    assert name_of(params) == name


def test_an_empty_tape_has_no_labels() -> None:
    for label in ("next_mid_move", "horizon_events", "horizon_ms", "smoothed"):
        assert labelled(np.empty(0, np.int64), np.empty((0, 4)), 0.5, LabelParameters(label=label)).y.size == 0
