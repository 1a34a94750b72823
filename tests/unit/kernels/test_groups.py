"""The kernels of groups equal their references."""

import numpy as np
import pytest

from rpsd.kernels import groups


@pytest.mark.parametrize("k", [1, 2, 5])
def test_bars_are_divided_and_summed_as_by_the_references(k: int) -> None:
    rng = np.random.default_rng(k)
    x = rng.integers(-8, 9, 300) / 4.0  # with ties at the borders of groups
    least = np.sort(rng.choice(x, k - 1, replace=False))
    group, size, sums, moves = np.empty(300, np.int64), np.empty(k, np.int64), np.empty((2, k)), np.empty((k, k))
    groups.divide(x, least, group, size)
    assert group.tolist() == groups.reference_divide(x, least).tolist()
    assert size.tolist() == np.bincount(group, minlength=k).tolist()
    groups.moments(x, group, sums, moves)
    expected = groups.reference_moments(x, group, k)
    np.testing.assert_allclose(sums, expected[0], rtol=1e-12, atol=1e-12)
    assert moves.tolist() == expected[1].tolist()
