"""`fixed_lag`: the local-level smoother that waits for a few samples. Causal but for its stated delay."""

import numpy as np

from rpsd.core.catalogue import Method, Stream
from rpsd.core.market import Vector
from rpsd.core.parameters import FixedLagParameters
from rpsd.core.result import Matrix
from rpsd.denoise.kalman import weaken
from rpsd.kernels import kalman

_ROWS = 5  # of each sample kept: x̂, gain, noise variance, innovation, y


def start(params: FixedLagParameters) -> Vector:
    """State before the first sample: that of the filter, then what it knew of the last `lag` samples, NaN until there are some."""
    return np.concatenate([kalman.start(), np.full(_ROWS * params.lag, np.nan)])


def advance(state: Vector, y: Vector, params: FixedLagParameters) -> tuple[Vector, Vector]:
    """Value and standard deviation of its error (n,) of the samples `lag` before those of y (n,), NaN where there are none. O(n lag)."""
    split = state.size - _ROWS * params.lag
    rows = np.empty((_ROWS, params.lag + y.size))
    rows[:, : params.lag] = state[split:].reshape(_ROWS, params.lag)
    x, gains, noises, innovations, observed = rows[:, params.lag :]
    observed[:] = y
    found = np.empty((3, y.size))
    before = state[1]
    block = -(-params.window // kalman.BLOCKS)
    kalman.level(np.require(y, np.float64, ["C", "W"]), params.ratio, params.refit_every, block, state[:split], *found)
    x[:], gains[:], noises[:] = found
    if y.size:
        innovations[0] = y[0] - before  # of the very first sample it is never used: nothing before it waits for it
        innovations[1:] = y[1:] - x[:-1]
    answer = _read(rows, y.size, params)
    state[split:] = rows[:, y.size :].ravel()
    return answer


def flush(state: Vector, params: FixedLagParameters) -> tuple[Vector, Vector]:
    """Value and standard deviation of its error of the last min(lag, seen) samples, from what has been seen so far, oldest first."""
    rows = state[state.size - _ROWS * params.lag :].reshape(_ROWS, params.lag)
    return _read(rows[:, params.lag - min(params.lag, int(state[0])) :].copy(), None, params)


def _read(rows: Matrix, count: int | None, params: FixedLagParameters) -> tuple[Vector, Vector]:
    """What the rows (5, m) say of their first `count` samples, or of all, with at most `lag` samples after each."""
    m = rows.shape[1]
    values, shares = (np.empty(m if count is None else count) for _ in range(2))
    kalman.lagged(rows, params.lag, values, shares)
    noises = rows[2][np.minimum(np.arange(values.size) + params.lag, m - 1)]
    return weaken(rows[4][: values.size], values, shares, noises, params.strength)


def run(y: Vector, params: FixedLagParameters) -> Vector:
    """x̂ (n,) of y (n,), finite, one session, any unit: x̂_t uses y_0..y_{t + lag} as far as there are. O(n) at a given lag, O(n lag).

    Causal once `lag` more samples have come: run(y[:m])[:m - lag] equals run(y)[:m - lag] bit for bit. Filter of `kalman`,
    model level; x̂_{s|s+d} = x̂_s + k_s sum_j (1 - k_{s+1})...(1 - k_{s+j}) v_{s+j}, j = 1..d, v the innovations, k the gains.
    Source: Anderson and Moore (1979), Optimal Filtering, 7.3; Durbin and Koopman (2012), 4.4.
    """
    state = start(params)
    waited, _ = advance(state, y, params)
    return np.concatenate([waited[params.lag :], flush(state, params)[0]])


METHOD = Method(
    name="fixed_lag",
    causal=False,
    params=FixedLagParameters,
    run=run,
    source="Anderson and Moore (1979), Optimal Filtering, 7.3",
    cost="O(n)",
    summary="Local-level smoother that waits for a few samples and says so; five already buy nearly the whole smoother.",
    stream=Stream(start, advance, flush),
    delay=lambda params: int(params.lag),
)
