"""Page-Hinkley and ADWIN against river itself, on streams beyond the recorded ones."""

import numpy as np
import pytest

from rpsd.drift import adwin, page_hinkley

river = pytest.importorskip("river.drift")


@pytest.mark.parametrize("seed", range(20))
def test_alarms_are_those_of_river(seed: int) -> None:
    rng = np.random.default_rng([seed, 9])
    x = rng.normal(size=2000) * rng.choice([0.1, 1.0, 10.0])
    x[rng.integers(100, 1900) :] += rng.normal() * x.std()
    for ours, theirs in (
        (adwin.alarms(x, adwin.AdwinParameters(anew=True)), river.ADWIN()),
        (page_hinkley.alarms(x, page_hinkley.PageHinkleyParameters()), river.PageHinkley()),
    ):
        found = []
        for t, value in enumerate(x):
            theirs.update(float(value))
            if theirs.drift_detected:
                found.append(t)
        assert ours == found
