"""From many beginnings to the fitted model of each series: a race in rounds, all runs of a round eight side by side."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from rpsd.core.market import Vector
from rpsd.core.model import Packet
from rpsd.core.parameters import HmmParameters
from rpsd.core.result import Labels, Matrix
from rpsd.kernels import climb, lanes
from rpsd.regime.starts import Moments, beginnings
from rpsd.regime.state import GAUSSIAN_DF, Parameters, parameters, prior_of

SHORT_RUN: Final = 8
"""Evaluations of the first round: enough to leave the beginning, few enough to afford many."""

_START_DF: Final = (30.0, 5.0)
"""Starts take light and heavy tails in turn: what a state is differs between them, and EM from one rarely finds the other's states."""


_LEAST_START: Final = 1e-6
"""A model to go on from was fitted to another first bar: EM could not revive a start that was impossible there."""


@dataclass(frozen=True, slots=True)
class Runs:
    """EM under way. models (runs, rows) as `kernels/lanes` lays them out, whose (runs,) series; traces; converged (runs,)."""

    models: Matrix
    whose: Labels
    traces: tuple[Vector, ...]
    converged: npt.NDArray[np.bool_]

    @classmethod
    def begun(cls, models: Sequence[Vector], whose: Sequence[int]) -> "Runs":
        """Runs that have not been evaluated yet."""
        return cls(np.array(models), np.array(whose, np.int64), (np.empty(0),) * len(models), np.zeros(len(models), np.bool_))

    def chosen(self, index: Labels) -> "Runs":
        """Some of the runs, in the order of the index."""
        return Runs(self.models[index], self.whose[index], tuple(self.traces[i] for i in index), self.converged[index])

    def parameters(self, run: int) -> Parameters:
        """A run's model, in fresh arrays."""
        k = _states(self.models)
        startprob, moves, location, squared, df = np.split(self.models[run].copy(), np.cumsum([k, k * k, k, k]))
        return Parameters(startprob, moves.reshape(k, k), location[:, None], squared[:, None, None], np.repeat(df, k))


class Race:
    """The series xs, each (n,) returns in percent, and what EM believes about their models beforehand."""

    def __init__(self, xs: Sequence[Vector], params: HmmParameters) -> None:
        priors = [prior_of(x, params) for x in xs]
        self._xs, self._params, self._counts = xs, params, priors[0][0]
        self._floors = np.array([floor for _, floor in priors])
        offsets = np.concatenate([[0], np.cumsum([x.size for x in xs])]).astype(np.int64)
        self._data = (np.concatenate(xs), offsets, self._floors, self._counts)

    def fitted(self, warms: Sequence[Packet | None], seed: int) -> Runs:
        """One finished run for each series: of the model to go on from, else of the best of several beginnings.

        With emission auto, states of more than GAUSSIAN_DF degrees of freedom become Gaussian and EM goes on. Hindsight.
        """
        runs = self._beginnings(warms, seed)
        length = SHORT_RUN
        while runs.whose.size > len(self._xs):
            runs, length = self._better_half(self._continued(runs, length)), 2 * length
        runs = self._continued(runs, self._params.max_iterations)
        if self._params.emission == "auto" and (light := runs.models[:, -1] > GAUSSIAN_DF).any():
            rest, turned = runs.chosen(np.flatnonzero(~light)), runs.chosen(np.flatnonzero(light))
            models = [_with_df(model, np.inf) for model in turned.models]
            turned = self._continued(Runs.begun(models, turned.whose.tolist()), self._params.max_iterations)
            runs = _joined(rest, turned)
        return runs

    def _beginnings(self, warms: Sequence[Packet | None], seed: int) -> Runs:
        models, whose = list[Vector](), list[int]()
        tails = (np.inf,) if self._params.emission == "gaussian" else _START_DF
        for i, (x, warm) in enumerate(zip(self._xs, warms, strict=True)):
            if warm is not None:
                started = [_laid_out(parameters(warm), heavy=self._params.emission != "gaussian")]
            else:
                prior, rng = (self._counts, float(self._floors[i])), np.random.default_rng(seed)
                started = [
                    _from_moments(start, tails[number % len(tails)])
                    for number, start in enumerate(beginnings(x, self._params.k, self._params.starts, prior, rng))
                ]
            models += started
            whose += [i] * len(started)
        return Runs.begun(models, whose)

    def _continued(self, runs: Runs, evaluations: int) -> Runs:
        """The runs after at most so many further evaluations of accelerated EM; those that have converged stay as they are."""
        going = np.flatnonzero(~runs.converged)
        models, count = runs.models[going], going.size
        trace, accepted, converged = np.empty((count, evaluations)), np.zeros(count, np.int64), np.zeros(count, np.int64)
        climb.climb(self._data, self._params.tolerance, (models, runs.whose[going], trace, accepted, converged))
        result, traces = replace(runs, models=runs.models.copy(), converged=runs.converged.copy()), list(runs.traces)
        result.models[going], result.converged[going] = models, converged.astype(np.bool_)
        for place, run in enumerate(going.tolist()):
            # the first evaluation is of the model that ended the run so far
            traces[run] = np.concatenate([traces[run][:-1], trace[place, : accepted[place]]])
        return replace(result, traces=tuple(traces))

    def _better_half(self, runs: Runs) -> Runs:
        """Of each series the better half of its runs, by penalised likelihood, those with a state at the variance floor last.

        A long plateau often precedes the highest maximum, so that one short round would choose the wrong start.
        Source: Jamieson, Talwalkar (2016), AISTATS 51, 240-248.
        """
        k = _states(runs.models)
        height = np.array([trace[-1] for trace in runs.traces])
        sound = (runs.models[:, k * (k + 2) : k * (k + 3)] > self._floors[runs.whose][:, None]).all(axis=1)
        order = np.lexsort((-height, ~sound, runs.whose))
        whose = runs.whose[order]
        first, size = np.searchsorted(whose, whose, "left"), np.bincount(whose)[whose]
        return runs.chosen(order[np.arange(order.size) - first < (size + 1) // 2])


def _states(models: Matrix) -> int:
    """The number of states of models (runs, rows)."""
    return next(k for k in range(1, models.shape[1]) if lanes.rows(k) == models.shape[1])


def _from_moments(start: Moments, df: float) -> Vector:
    """A model of Gaussian moments laid out; as Student t, it has their scale."""
    startprob, transmat, means, variances = start
    return np.concatenate([startprob, transmat.ravel(), means, variances, [df]])


def _laid_out(p: Parameters, *, heavy: bool) -> Vector:
    """Parameters of one column laid out, with the emission that is asked for; states share the median of their degrees of freedom."""
    df = float(np.median(p.df))
    startprob = np.maximum(p.startprob, _LEAST_START)
    model = np.concatenate([startprob / startprob.sum(), p.transmat.ravel(), p.location[:, 0], p.dispersion[:, 0, 0], [df]])
    return _with_df(model, min(df, GAUSSIAN_DF) if heavy else np.inf)


def _with_df(model: Vector, df: float) -> Vector:
    """The model (rows,) with other degrees of freedom and the variances that it had."""
    k, before = _states(model[None, :]), float(model[-1])
    inflation = [1.0 if np.isinf(v) else v / (v - 2.0) for v in (max(before, lanes.LEAST_DF), df)]
    changed = model.copy()
    changed[k * (k + 2) : k * (k + 3)] *= inflation[0] / inflation[1]
    changed[-1] = df
    return changed


def _joined(a: Runs, b: Runs) -> Runs:
    """Both, in the order of their series."""
    order = np.argsort(np.concatenate([a.whose, b.whose]), kind="stable")
    together = Runs(
        np.concatenate([a.models, b.models]),
        np.concatenate([a.whose, b.whose]),
        (*a.traces, *b.traces),
        np.concatenate([a.converged, b.converged]),
    )
    return together.chosen(order)
