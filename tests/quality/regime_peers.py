"""Other people's regime models, the truth itself and the simplest thing that could work, to measure against.

Each is fitted on the seen part of a draw and then decodes the whole of it with its parameters as they are. `make peers` installs the
libraries; of them rpsd imports hmmlearn alone.
"""

import logging
import warnings
from dataclasses import dataclass

import numpy as np
from scipy import stats

from rpsd.core.market import Vector
from rpsd.core.result import Labels, Matrix
from tests.quality.scenarios import Draw, Scenario

STARTS = 10
ITERATIONS = 500
PENALTY = 50.0  # of a jump, as Shu, Yu and Mulvey (2024) set it for daily returns
TUNED = 2.0  # the best of 2, 5, 10, 20 and 50 on other draws of the scenarios


@dataclass(frozen=True, slots=True)
class Decoded:
    """The likeliest state of every bar of a draw (n,), by the filter and in hindsight; numbers mean nothing until they are aligned."""

    filtered: Labels
    smoothed: Labels


def hamilton(startprob: Vector, transmat: Matrix, log_density: Matrix) -> tuple[Matrix, Matrix]:
    """Filtered and smoothed probabilities (n, k) from log densities (n, k): the textbook recursions, written apart from rpsd's.

    Source: Hamilton (1994), Time Series Analysis, equations 22.4.5 and 22.4.14.
    """
    density = np.exp(log_density - log_density.max(axis=1, keepdims=True))
    filtered, predicted = np.empty_like(density), np.empty_like(density)
    ahead = startprob
    for t, row in enumerate(density):
        predicted[t] = ahead
        joint = ahead * row
        filtered[t] = joint / joint.sum()
        ahead = filtered[t] @ transmat
    smoothed = filtered.copy()
    for t in range(len(density) - 2, -1, -1):
        smoothed[t] = filtered[t] * (transmat @ (smoothed[t + 1] / np.maximum(predicted[t + 1], 1e-300)))
    return filtered, smoothed


def likeliest(filtered: Matrix, smoothed: Matrix) -> Decoded:
    """The states of greatest probability."""
    return Decoded(filtered.argmax(axis=1), smoothed.argmax(axis=1))


def oracle(drawn: Draw, scenario: Scenario) -> Decoded:
    """Who knows every parameter: nobody can be expected to do better."""
    centred = (drawn.x[:, None] - np.array(scenario.means)) / np.array(scenario.deviations)
    if np.isinf(scenario.df):
        log_density = stats.norm.logpdf(centred)
    else:
        unit = np.sqrt((scenario.df - 2.0) / scenario.df)  # the scale of a t variable of variance one
        log_density = stats.t.logpdf(centred / unit, scenario.df)
    return likeliest(*hamilton(scenario.stationary, scenario.transmat, log_density - np.log(scenario.deviations)))


def ranked_volatility(drawn: Draw, k: int, half_life: float = 10.0) -> Decoded:
    """The trivial baseline: exponentially weighted volatility, cut at the quantiles that make k equal groups of the seen bars. Causal."""
    decay, variance, level = 0.5 ** (1.0 / half_life), drawn.seen.var(), np.empty(drawn.x.size)
    for t, value in enumerate(drawn.x):
        variance = decay * variance + (1.0 - decay) * value**2
        level[t] = variance
    edges = np.quantile(level[: drawn.train], np.arange(1, k) / k)
    group = np.searchsorted(edges, level).astype(np.int64)
    return Decoded(group, group)


def hmmlearn_lines(drawn: Draw, k: int) -> dict[str, Decoded]:
    """hmmlearn as its users call it: defaults on raw returns, 500 iterations on raw and on percent returns, the best of ten starts."""
    from hmmlearn.hmm import GaussianHMM

    logging.getLogger("hmmlearn").setLevel(logging.ERROR)  # it reports rounding at the optimum as a fall of the likelihood

    def fitted(scale: float, seed: int, **settings: object) -> tuple[float, Decoded]:
        model, x = GaussianHMM(k, random_state=seed, **settings), scale * drawn.x[:, None]
        try:
            model.fit(x[: drawn.train])
            score = float(model.score(x[: drawn.train]))
            return score, _decoded_by_hmmlearn(model, x)
        except ValueError:  # a collapsed state leaves it with parameters that it then refuses itself
            return -np.inf, _one_state(drawn)

    long = {"n_iter": ITERATIONS, "implementation": "scaling"}  # the other implementation gives the same, three times slower
    runs = [fitted(1.0, seed, **long) for seed in range(STARTS)]
    return {
        "hmmlearn, defaults, raw returns": fitted(0.01, 0)[1],
        "hmmlearn, n_iter=500, raw returns": fitted(0.01, 0, **long)[1],
        "hmmlearn, n_iter=500, percent": runs[0][1],
        "hmmlearn, the best of 10, percent": max(runs, key=lambda run: run[0])[1],
    }


def _decoded_by_hmmlearn(model: object, x: Matrix) -> Decoded:
    """hmmlearn smooths but has no filter: with its parameters the textbook one is run."""
    means, variances = model.means_[:, 0], model.covars_.reshape(len(model.means_), -1)[:, 0]  # type: ignore[attr-defined]
    log_density = stats.norm.logpdf(x, means, np.sqrt(variances))
    filtered, _ = hamilton(model.startprob_, model.transmat_, log_density)  # type: ignore[attr-defined]
    return Decoded(filtered.argmax(axis=1), model.predict_proba(x).argmax(axis=1))  # type: ignore[attr-defined]


def statsmodels_switching(drawn: Draw, k: int) -> Decoded:
    """statsmodels' MarkovRegression with switching mean and variance, fitted as it comes."""
    from statsmodels.tools.sm_exceptions import ModelWarning
    from statsmodels.tsa.regime_switching.markov_regression import MarkovRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ModelWarning)  # of optimisers that stop early: the answer is what its user gets
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            found = MarkovRegression(drawn.seen, k, switching_variance=True).fit(disp=0)
            whole = MarkovRegression(drawn.x, k, switching_variance=True).smooth(found.params)
        except (np.linalg.LinAlgError, ValueError):
            return _one_state(drawn)
    return likeliest(np.nan_to_num(whole.filtered_marginal_probabilities), np.nan_to_num(whole.smoothed_marginal_probabilities))


def jumpmodels_lines(drawn: Draw, k: int) -> dict[str, Decoded]:
    """The jumpmodels package as its authors use it, and tuned to the scenarios: their volatility and mean, under the penalty that suits."""
    return {
        "jumpmodels, its authors' features": _jumpmodels(drawn, k, downside(drawn.x), PENALTY),
        "jumpmodels, mean and volatility": _jumpmodels(drawn, k, mean_and_volatility(drawn.x), TUNED),
    }


def _jumpmodels(drawn: Draw, k: int, features: Matrix, penalty: float) -> Decoded:
    """Features standardised by the seen bars and cut at three deviations, the discrete model; its online answer is the filtered one."""
    from jumpmodels.jump import JumpModel

    seen = features[: drawn.train]
    z = np.clip((features - seen.mean(axis=0)) / seen.std(axis=0), -3.0, 3.0)
    model = JumpModel(n_components=k, jump_penalty=penalty, random_state=0).fit(z[: drawn.train], ret_ser=drawn.seen)
    return Decoded(np.asarray(model.predict_online(z), np.int64), np.asarray(model.predict(z), np.int64))


def weighted_mean(x: Vector, half_life: float) -> Vector:
    """Exponentially weighted mean of x up to each bar (n,), the weights summing to one from the first bar on. Causal."""
    decay, total, weight, mean = 0.5 ** (1.0 / half_life), 0.0, 0.0, np.empty(x.size)
    for t, value in enumerate(x):
        total, weight = decay * total + value, decay * weight + 1.0
        mean[t] = total / weight
    return mean


def downside(x: Vector) -> Matrix:
    """Downside deviation (half-life 10, its logarithm) and Sortino ratios (20 and 60), (n, 3). Causal.

    Source: Shu, Yu, Mulvey (2024), Downside risk reduction using regime-switching signals, J. Asset Management 25, table 2.
    """
    deviation = {h: np.sqrt(np.maximum(weighted_mean(np.minimum(x, 0.0) ** 2, h), 1e-8)) for h in (10.0, 20.0, 60.0)}
    ratios = [weighted_mean(x, h) / deviation[h] for h in (20.0, 60.0)]
    return np.column_stack([np.log(deviation[10.0]), *ratios])


def mean_and_volatility(x: Vector) -> Matrix:
    """Logarithm of the weighted volatility and the weighted mean, half-life 10, (n, 2). Causal."""
    return np.column_stack([0.5 * np.log(np.maximum(weighted_mean(x**2, 10.0), 1e-8)), weighted_mean(x, 10.0)])


def _one_state(drawn: Draw) -> Decoded:
    """The answer of who failed."""
    nothing = np.zeros(drawn.x.size, np.int64)
    return Decoded(nothing, nothing)
