"""Nothing is trained on whose label reaches into what it is judged by."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpsd.book import validate
from rpsd.core.errors import RandomSplitRefused
from rpsd.core.parameters import BookParameters

STEPS = st.lists(st.integers(0, 5), min_size=20, max_size=80)


def events(steps: list[int], reach: int) -> tuple[np.ndarray, np.ndarray]:
    """Times that may repeat, and when their labels are settled."""
    t = np.cumsum(steps).astype(np.int64) * 1_000_000_000
    return t, t + reach * 1_000_000_000


def test_a_random_split_is_refused_with_the_reason() -> None:
    validate.in_order_of_time(BookParameters())
    with pytest.raises(RandomSplitRefused, match="share its outcome"):
        validate.in_order_of_time(BookParameters(split="random"))


@given(steps=STEPS, reach=st.integers(0, 12), folds=st.integers(2, 6))
def test_the_walk_forward_trains_on_what_was_settled_before(steps: list[int], reach: int, folds: int) -> None:
    t, until = events(steps, reach)
    begin = t.size // 3
    splits = validate.walk_forward(t, until, folds, begin)
    np.testing.assert_array_equal(np.concatenate([split.test for split in splits]), np.arange(begin, t.size))
    for split in splits:
        assert not split.train.size or until[split.train].max() < t[split.test].min()


@given(steps=STEPS, reach=st.integers(0, 12), folds=st.integers(2, 6))
def test_purged_folds_share_no_label_and_keep_the_embargo(steps: list[int], reach: int, folds: int) -> None:
    t, until = events(steps, reach)
    splits, embargo = validate.purged_folds(t, until, folds), validate.embargo_ns(t)
    np.testing.assert_array_equal(np.concatenate([split.test for split in splits]), np.arange(t.size))
    for split in splits:
        first, settled = t[split.test].min(), until[split.test].max()
        is_before, is_after = until[split.train] < first, t[split.train] > settled + embargo
        assert (is_before | is_after).all()


@given(steps=STEPS, reach=st.integers(0, 12))
def test_the_test_block_is_the_latest(steps: list[int], reach: int) -> None:
    t, until = events(steps, reach)
    split = validate.parted(t, until, 0.4)
    assert split.test[-1] == t.size - 1
    assert split.test.size >= 0.4 * t.size - 1
    assert not split.train.size or until[split.train].max() < t[split.test].min()
