"""Every detector of drift keeps what the catalogue claims."""

import numpy as np
import pytest

from rpsd.drift import DETECTORS, Detector

DISTANCES = [one for one in DETECTORS if one.params is None]
STREAMS = [one for one in DETECTORS if one.params is not None]


def named(detector: Detector) -> str:
    return detector.name


@pytest.mark.parametrize("detector", DETECTORS, ids=named)
def test_it_has_a_summary_and_a_source(detector: Detector) -> None:
    assert detector.summary.endswith(".")
    assert "Source:" in (detector.run.__doc__ or "")
    assert any(character.isdigit() for character in detector.source)


@pytest.mark.parametrize("detector", DISTANCES, ids=named)
def test_distances_leave_their_arguments_alone_and_know_no_order_within_a_window(detector: Detector) -> None:
    rng = np.random.default_rng(0)
    before, after = rng.normal(size=200), rng.normal(0.5, 2.0, size=60)
    kept = before.copy(), after.copy()
    first = np.array(detector.run(before, after))
    assert np.array_equal(before, kept[0])
    assert np.array_equal(after, kept[1])
    np.testing.assert_allclose(detector.run(rng.permutation(before), rng.permutation(after)), first, rtol=1e-12)


@pytest.mark.parametrize("detector", DISTANCES, ids=named)
def test_equal_windows_are_not_apart(detector: Detector) -> None:
    x = np.random.default_rng(1).normal(size=100)
    assert np.isin(np.atleast_1d(detector.run(x, x)), (0.0, 1.0)).all()


@pytest.mark.parametrize("detector", STREAMS, ids=named)
@pytest.mark.parametrize("until", [0, 1, 700, 1100])
def test_streams_never_look_ahead(detector: Detector, until: int) -> None:
    x = np.random.default_rng(2).normal(size=1500)
    x[600:] += 2.0
    assert detector.params is not None
    whole = detector.run(x, detector.params())
    assert detector.run(x[:until], detector.params()) == [t for t in whole if t < until]
    assert any(600 <= t < 800 for t in whole)
