"""Where EM begins: groups of the shares asked for, whatever the bars, and models that obey the prior."""

import numpy as np
import pytest

from rpsd.regime.starts import beginnings


@pytest.mark.parametrize("k", [1, 2, 3, 5])
@pytest.mark.parametrize("alike", [0.0, 0.6, 0.97])
def test_no_group_is_empty_even_when_most_bars_are_alike(k: int, alike: float) -> None:
    rng = np.random.default_rng(k)
    x = rng.normal(0, 1, 20 * k) * (rng.random(20 * k) >= alike)
    x[0] = 1.0
    for startprob, transmat, means, variances in beginnings(x, k, 12, (np.ones((k, k)), 1e-3), rng):
        assert np.isfinite(means).all()
        assert variances.min() >= 1e-3
        np.testing.assert_allclose([startprob.sum(), *transmat.sum(axis=1)], 1.0)
        assert transmat.min() > 0.0


def test_the_first_start_ranks_bars_by_volatility() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(0, 1, 900) * np.repeat([0.3, 1.0, 3.0], 300)
    _, transmat, _, variances = next(iter(beginnings(x, 3, 1, (np.zeros((3, 3)), 1e-9), rng)))
    np.testing.assert_allclose(np.sqrt(variances), [0.3, 1.0, 3.0], rtol=0.2)
    assert np.diag(transmat).min() > 0.95
