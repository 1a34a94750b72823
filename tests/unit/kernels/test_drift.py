"""The kernels of drift equal their references."""

import numpy as np
import pytest

from rpsd.kernels import drift


@pytest.mark.parametrize("kind", ["normal", "ties", "constant", "apart", "zeros"])
@pytest.mark.parametrize(("n", "m"), [(10, 1), (500, 50), (101, 333)])
def test_distances_are_those_of_the_reference(kind: str, n: int, m: int) -> None:
    rng = np.random.default_rng(n)
    x = {
        "normal": rng.normal(size=n + m),
        "ties": rng.integers(0, 7, n + m) / 2.0,
        "constant": np.full(n + m, 3.0),
        "apart": np.concatenate([rng.normal(size=n), 30.0 + rng.normal(size=m)]),
        "zeros": np.where(rng.random(n + m) < 0.8, 0.0, rng.exponential(size=n + m)),
    }[kind]
    before, after = np.sort(x[:n]), np.sort(x[n:])
    drift.distances(before, after, out := np.empty(3))
    np.testing.assert_allclose(out, drift.reference_distances(before, after), rtol=1e-9, atol=1e-12)
