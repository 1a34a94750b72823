"""The textbook distances between two windows."""

import numpy as np
import pytest

from rpsd.core.errors import TooShort
from rpsd.drift.ks import ks
from rpsd.drift.psi import psi
from rpsd.drift.shift import shift
from rpsd.drift.wasserstein import wasserstein


def test_what_lies_outside_the_reference_counts() -> None:
    """Half the mass thirty deviations away is HIGH by any band."""
    rng = np.random.default_rng(0)
    before, after = rng.normal(size=500), rng.normal(size=500)
    after[::2] += 30.0
    assert psi(before, after) > 1.0
    assert psi(before, rng.normal(size=500)) < 0.1


def test_distances_are_those_of_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(1)
    before, after = np.round(rng.normal(size=300), 1), np.round(rng.normal(0.3, 2.0, size=77), 1)
    assert ks(before, after) == pytest.approx(stats.ks_2samp(before, after).statistic, abs=1e-12)
    assert wasserstein(before, after) == pytest.approx(stats.wasserstein_distance(before, after), rel=1e-9)


def test_a_constant_reference_is_measured_in_units() -> None:
    assert shift(np.full(5, 2.0), np.full(5, 3.5)) == (1.5, 0.0)


@pytest.mark.parametrize("distance", [psi, ks, wasserstein, shift])
def test_nothing_to_compare_is_refused(distance: object) -> None:
    with pytest.raises(TooShort):
        distance(np.arange(20.0), np.empty(0))  # type: ignore[operator]
