"""Live scores of a regime model: the density that stood before each bar, whatever the bars are split into."""

import numpy as np
import pytest

from rpsd.core.market import DAY_NS
from rpsd.core.parameters import HmmParameters
from rpsd.regime import hmm
from rpsd.regime.score import live_scores
from rpsd.regime.train import train
from tests.unit.services.conftest import daily, two_moods

FITTED = 500


@pytest.fixture(scope="module")
def bars():
    return daily(two_moods(560))


@pytest.fixture(scope="module")
def model(bars):
    window = slice(0, FITTED)
    return train(bars.columns["close"][window], bars.t[window], regime_type="2_state", interval="1d", params=HmmParameters(), seed=0)


def scored(model, bars, begin=0, end=560):
    return live_scores(model, bars.t[begin:end], bars.columns["close"][begin:end], {})


def test_each_bar_after_the_training_has_the_density_that_stood_before_it(model, bars):
    t, values = scored(model, bars)
    assert t.tolist() == bars.t[FITTED:].tolist()
    x = 100 * np.diff(np.log(bars.columns["close"][FITTED - 1 :]))
    p, mean = model.arrays["alpha"], model.arrays["location"][:, 0]
    p = hmm.ahead(model, p)
    assert np.isinf(model.arrays["df"]).all()
    spread = np.sqrt(model.arrays["variances"])
    densities = np.exp(-0.5 * ((x[0] - mean) / spread) ** 2) / (spread * np.sqrt(2 * np.pi))
    assert values[0] == pytest.approx(np.log(p @ densities), rel=1e-12)


def test_bars_of_the_training_do_not_count_and_later_ones_change_nothing(model, bars):
    whole = scored(model, bars)
    for begin, end in ((FITTED, 560), (FITTED - 30, 560), (0, 530)):
        t, values = scored(model, bars, begin, end)
        assert values.tobytes() == whole[1][: t.size].tobytes()
    assert scored(model, bars, 0, FITTED)[0].size == 0
    assert scored(model, bars, 0, 0)[0].size == 0


def test_a_bar_without_a_price_is_passed_over(model, bars):
    prices = bars.columns["close"].copy()
    prices[FITTED + 3] = np.nan
    t, values = live_scores(model, bars.t, prices, {})
    assert FITTED + 3 not in ((t - bars.t[0]) // DAY_NS).tolist()
    assert np.isfinite(values).all()
    assert t.size == 59
