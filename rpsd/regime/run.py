"""One flow from prices to the regime answer."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np

from rpsd.core.errors import Fault, InvalidRequest
from rpsd.core.market import Times, Vector
from rpsd.core.model import Packet
from rpsd.core.observed import RETURN
from rpsd.core.parameters import HmmParameters
from rpsd.core.regime import mode as known_mode
from rpsd.core.regime import states_of
from rpsd.core.result import Matrix, RegimePath, Warned
from rpsd.regime import MODELS, Fit
from rpsd.regime.hmm import filtered, smoothed, stationary, viterbi
from rpsd.regime.labels import NAMES, named
from rpsd.regime.observe import Observations, observations
from rpsd.regime.residual import predictive_probabilities, pseudo_residuals, qq, residual_facts
from rpsd.regime.select import choose
from rpsd.regime.soundness import doubts, sound
from rpsd.regime.statistics import Present, calendar, current, spells, statistics
from rpsd.regime.walk import Walk, burn_in, foretold, walk_forward

ENGINES: Final[Mapping[str, Fit]] = {model.name: model.fit for model in MODELS}
"""The fit of each engine."""
Selection = tuple[dict[str, Any], ...]
"""The table of `auto`, empty otherwise."""

_FAMILIES: Final = {
    ("hmm", "gaussian"): "gaussian_hmm",
    ("hmm", "t"): "student_t_hmm",
    ("jump", "gaussian"): "jump_model",
}


@dataclass(frozen=True, slots=True)
class Labelled:
    """A labelled model with the path it gives, the selection table of `auto`, and what was doubtful on the way."""

    state: Packet
    path: RegimePath
    selection: Selection
    warnings: tuple[Warned, ...]
    walk: Walk | None = None


def detect(
    prices: Vector,
    t: Times,
    *,
    regime_type: str,
    mode: str,
    params: HmmParameters,
    interval: str,
    seed: int,
    refit_every: int = 21,
    include: Collection[str] = (),
    columns: Sequence[str] = RETURN,
    cells: Mapping[str, Vector] | None = None,
) -> Packet:
    """Regimes of prices (n,) at t (n,) in ns UTC, fitted on this range alone; the path has a row for each bar that has a return.

    The model sees `columns` as core.observed names them, made of the prices and the stored columns `cells` (n,) that they need.
    mode `filtered`: causal rows under parameters of the whole range, so hindsight up to its end. `smoothed`: hindsight. `walk_forward`:
    causal throughout; bars of the burn-in have no row. Head: regime_type, n_states, mode, causal, causal_from_ns, trained_until_ns,
    current, states, labels, log_likelihood, aic, bic, converged, iterations, annualisation, selection, warnings, model. Arrays: t, states,
    probabilities (m, k), transition_matrix (k, k), stationary (k,) and the model's startprob, means, variances, weights.
    `include` adds `residuals` (m,), the score of each return in the density foretold for it by the parameters of its row, with `qq`
    (4, at most 201) of their QQ picture and their facts in the head, and `viterbi` (m,), the likeliest path under the last parameters,
    which is hindsight in every mode.
    Raises InvalidRequest, UnknownColumn, NotFinite, NotPositive, TooShort, ConstantSeries, DegenerateFit.
    """
    if refit_every < 1:
        raise InvalidRequest("refit_every is below 1", errors=[Fault("/refit_every", "expected 1 or more")])
    k, mode = states_of(regime_type), known_mode(mode)
    seen = observations(prices, t, interval, k or 1, columns=columns, cells=cells)
    params = replace(params, k=k or 1)
    walks = mode == "walk_forward"
    fitted = _walked(seen, k, params, seed, refit_every) if walks else _at_once(seen, k, params, seed, mode)
    return _included(answered(seen, fitted, regime_type, interval), seen, fitted, include)


def _at_once(seen: Observations, k: int | None, params: HmmParameters, seed: int, mode: str) -> Labelled:
    """The model fitted on all observations, and its filtered or smoothed path."""
    fit = ENGINES[params.engine]
    selection: Selection = ()
    if k is None:
        choice = choose(seen.x, seed)
        params, selection = replace(params, k=choice.k), choice.table
    state = named(sound(fit(seen.x, params, seed=seed, z=seen.z)))
    probabilities = (smoothed if mode == "smoothed" else filtered)(state, seen.rows)
    end = int(seen.t[-1])
    causal_from = None if mode == "smoothed" else end
    return Labelled(state, path_of(seen.t, probabilities, mode, causal_from, end), selection, ())


def _walked(seen: Observations, k: int | None, params: HmmParameters, seed: int, refit_every: int) -> Labelled:
    """The walk-forward path; `auto` chooses on the burn-in alone, or the choice would know the future."""
    fit = ENGINES[params.engine]
    selection: Selection = ()
    if k is None:
        choice = choose(seen.x[: burn_in(1)], seed)
        params, selection = replace(params, k=choice.k), choice.table
    walk = walk_forward(seen.x, params, fit, seed=seed, refit_every=refit_every, z=seen.z)
    t = seen.t[walk.first :]
    path = path_of(t, walk.probabilities, "walk_forward", int(t[0]), int(seen.t[walk.fitted_on - 1]))
    warnings = []
    if walk.first > (usual := burn_in(params.k)):
        warnings.append(
            Warned("burn_in_extended", f"the first sound fit needed {walk.first} returns instead of {usual}; the path starts there")
        )
    if walk.skipped:
        skipped = f"{walk.skipped} of {walk.refits} refits were degenerate; the model before them stayed in use"
        warnings.append(Warned("refit_skipped", skipped))
    return Labelled(walk.state, path, selection, tuple(warnings), walk)


def _included(answer: Packet, seen: Observations, fitted: Labelled, include: Collection[str]) -> Packet:
    """The answer with what was asked for beside it."""
    head, arrays, state = dict(answer.head), dict(answer.arrays), fitted.state
    if "residuals" in include:
        walk, start = fitted.walk, state.arrays["startprob"]
        tails = foretold(walk, seen.x, seen.z) if walk else predictive_probabilities(state, start, seen.x, seen.z)
        arrays["residuals"] = pseudo_residuals(*tails)
        head["residuals"] = residual_facts(arrays["residuals"])
        arrays["qq"] = np.stack(qq(arrays["residuals"]))
    if "viterbi" in include:
        arrays["viterbi"] = viterbi(state, seen.rows)[seen.x.size - fitted.path.t.size :]
    return Packet(head, arrays)


def path_of(t: Times, probabilities: Matrix, mode: str, causal_from_ns: int | None, trained_until_ns: int) -> RegimePath:
    """The path whose state at each bar is the likeliest one."""
    states = probabilities.argmax(axis=1).astype(np.int64)
    return RegimePath(t, states, probabilities, mode, mode == "walk_forward", causal_from_ns, trained_until_ns)


def answered(seen: Observations, fitted: Labelled, regime_type: str, interval: str) -> Packet:
    """The packet of an answer: head and arrays as `detect` tells."""
    state, path = fitted.state, fitted.path
    x = seen.x[seen.x.size - path.t.size :]
    year = calendar(seen.t, interval)
    warnings = [*seen.warnings, *fitted.warnings, *doubts(state, seen.x[: state.head["n"]])]
    head = {
        "regime_type": regime_type,
        "n_states": state.head["k"],
        "labels": list(NAMES[state.head["k"]]),
        "mode": path.mode,
        "causal": path.causal,
        "causal_from_ns": path.causal_from_ns,
        "trained_from_ns": int(seen.t[0]),
        "trained_until_ns": path.trained_until_ns,
        "current": current(NAMES[state.head["k"]], path.probabilities[-1], state.arrays["transmat"], _present(path), interval),
        "states": [
            asdict(row) | {"df": df if np.isfinite(df) else None}
            for row, df in zip(statistics(state, x, path.states, year.bars_per_year), state.arrays["df"].tolist(), strict=True)
        ],
        "annualisation": asdict(year),
        "selection": list(fitted.selection),
        "warnings": [asdict(warning) for warning in warnings],
        "model": f"{_FAMILIES[state.head['kind'], state.head['emission']]}/{state.head['engine']}",
    }
    head |= {
        name: state.head[name] for name in ("log_likelihood", "penalised", "aic", "bic", "converged", "iterations", "started", "scale")
    }
    arrays = {name: state.arrays[name] for name in ("startprob", "location", "dispersion", "df", "means", "variances", "weights")}
    arrays |= {"transition_matrix": state.arrays["transmat"], "stationary": stationary(state)}
    return Packet(head, {**arrays, "t": path.t, "states": path.states, "probabilities": path.probabilities})


def _present(path: RegimePath) -> Present:
    """The spell at the end of the path."""
    since = int(spells(path.states).first[-1])
    return Present(int(path.states[-1]), int(path.t[since]), int(path.t[-1]), path.states.size - since)
