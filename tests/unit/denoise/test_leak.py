"""Nothing can be earned on random walks: whoever earns by the direction of x̂ has looked ahead."""

from collections.abc import Callable

import numpy as np
import pytest

from rpsd.core.catalogue import Method
from rpsd.core.market import Vector
from rpsd.denoise import METHODS

SURE = 3.0  # standard errors
WALKS, LENGTH = 12, 1500


def t_value(estimate: Callable[[Vector], Vector], delay: int = 0) -> float:
    """Mean profit in standard errors of holding sign(x̂_t - x̂_{t-1}), known at t + delay, over the step that follows."""
    profits = []
    for seed in range(WALKS):
        y = 1000.0 + np.cumsum(np.random.default_rng((77, seed)).normal(size=LENGTH))
        held = np.sign(np.diff(estimate(y)))[: LENGTH - 2 - delay]
        profits.append(held * np.diff(y)[1 + delay :])
    pooled = np.concatenate(profits)
    spread = float(pooled.std())
    return float(pooled.mean() / spread * np.sqrt(pooled.size)) if spread > 0.0 else 0.0


def delay(method: Method) -> int:
    """Samples that the method waits."""
    return method.delay(method.params()) if method.delay else 0


@pytest.mark.parametrize("method", [m for m in METHODS if m.stream], ids=lambda m: m.name)
def test_nothing_is_earned_without_the_future(method: Method) -> None:
    assert abs(t_value(lambda y: method.run(y, method.params()), delay(method))) < SURE


@pytest.mark.parametrize("name", ["wavelet", "fixed_lag"])
def test_hindsight_earns(name: str) -> None:
    """The control: taken for causal, a hindsight method and one that hides its delay are caught."""
    method = {m.name: m for m in METHODS}[name]
    settings = {"ratio": 0.25} if name == "fixed_lag" else {}
    assert t_value(lambda y: method.run(y, method.params(**settings))) > SURE


def test_smoother_at_a_given_ratio_earns() -> None:
    """On a pure walk the likeliest smoother is the walk itself; made to smooth, it sees ahead."""
    method = {m.name: m for m in METHODS}["kalman_smoother"]
    assert t_value(lambda y: method.run(y, method.params(ratio=0.25))) > SURE
