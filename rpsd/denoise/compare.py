"""Settings side by side on one series: what each shows in hindsight, what it would have shown at the time, and what that pretends.

The value that a setting would have shown at row t is found by asking it again with the rows up to t alone. That costs a whole run for
each such row, so it is done at a bounded number of rows, the endpoints, and on at most WINDOW rows behind each.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rpsd.core.market import Times, Vector
from rpsd.core.result import DenoiseResult
from rpsd.denoise import revision, run
from rpsd.denoise import scale as scales

WINDOW: Final = 4096
"""Rows behind an endpoint that it may look at: the whole past until there is more."""
_CLEAR: Final = 2.0  # standard errors from which one setting counts as better than another

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Figure:
    """A statistic with its standard error where nothing is there to be found, over `n` rows; None where it is not defined."""

    value: float | None
    standard_error: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Side:
    """One setting: its result in hindsight, x̂ as of each endpoint (m,), and the figures that tell the two apart.

    `revision`: rms(x̂_{t|T} - x̂_{t|t}) / sigma over the endpoints, with noise, guardrails and choice of method asked anew at each.
    `leakage`: correlation of the correction x̂_t - y_t with the next move y_{t+1} - y_t, over all t in hindsight, and as of the endpoints
    (of a causal method over all t as well). `sharpe`: mean over standard deviation, per row, of holding sign(x̂_t - x̂_{t-1})
    over the next move. `foresight`: mean squared error of x̂_{t|t} as a forecast of y_{t+1}, over that of y_t; `misses` (m,) are its terms.
    """

    label: str
    result: DenoiseResult
    as_of: Vector
    revision: float | None
    leakage: Figure
    leakage_as_of: Figure
    sharpe: Figure
    sharpe_as_of: Figure
    foresight: float | None
    misses: Vector


def endpoints(n: int, most: int) -> Rows:
    """Rows (m,), m <= most, evenly spread from the first quarter to the last but one: the last has no next move and nothing to revise."""
    first = max(scales.SHORTEST, n // 4)
    if n - 2 < first:
        return np.empty(0, dtype=np.int64)
    return np.unique(np.linspace(first, n - 2, min(most, n - 1 - first)).astype(np.int64))


def side(label: str, y: Vector, t: Times | None, how: Mapping[str, Any], rows: Rows, go_on: Callable[[], None] = lambda: None) -> Side:
    """Run the setting `how`, arguments of `run.denoise`, on y (n,) at times t (n,), and again as of each of the rows.

    `on_failure: reject` acts as flag, so that what failed can be looked at. `go_on` is called before each run and may raise.
    Raises as run.denoise. O(n + rows WINDOW).
    """
    go_on()
    rules = how["guardrails"]
    how = {**how, "guardrails": replace(rules, on_failure="flag") if rules.on_failure == "reject" else rules}
    result = run.denoise(y, t=t, **how)
    as_of, before = _as_of(y, t, {**how, "scale": result.scale}, rows, result, go_on)
    on_log = result.scale != "price"
    seen, shown, then, earlier = (np.log(v) if on_log else v for v in (y, result.values, as_of, before))
    moves = np.diff(seen)
    sigma = _sigma(y, t, how, result)
    revised = revision.measured(shown[rows], then, sigma)
    misses = (seen[rows + 1] - then) ** 2
    idle = _mean(moves[rows] ** 2)
    foresight = _mean(misses) / idle if idle else None
    leakage, sharpe = _correlation((shown - seen)[:-1], moves), _sharpe(np.diff(shown)[:-1], moves[1:])
    leakage_as_of, sharpe_as_of = leakage, sharpe  # a causal column is its own, at every row
    if not result.causal:
        leakage_as_of, sharpe_as_of = _correlation(then - seen[rows], moves[rows]), _sharpe(then - earlier, moves[rows])
    return Side(label, result, as_of, revised, leakage, leakage_as_of, sharpe, sharpe_as_of, foresight, misses)


def summary(sides: Sequence[Side]) -> dict[str, Any]:
    """Which setting to prefer: for looking back and for live use, each by a criterion that looking ahead cannot improve, and why."""
    return {"looking_back": _looking_back(sides), "live": _live(sides)}


def risk(result: DenoiseResult) -> float | None:
    """Estimated mean squared error over the noise variance: 1 for the original, None where nothing was estimated."""
    if result.action == "returned_original":
        return 1.0
    found = result.guardrails.get("risk")
    return None if found is None else found.value


def _looking_back(sides: Sequence[Side]) -> dict[str, Any]:
    risks = {s.label: r for s in sides if (r := risk(s.result)) is not None and (s.result.passed or s.result.action == "returned_original")}
    if not risks:
        return {"best": None, "criterion": "risk", "reason": "no setting has an estimated risk and passed guardrails"}
    best = min(risks, key=lambda label: risks[label])
    reason = f"lowest estimated error among the settings that pass: {risks[best]:.3g} of the noise variance, where doing nothing has 1"
    return {"best": best, "criterion": "risk", "reason": reason}


def _live(sides: Sequence[Side]) -> dict[str, Any]:
    known = [s for s in sides if s.foresight is not None]
    if not known:
        return {"best": None, "criterion": "foresight", "reason": "the series is too short for endpoints, or does not move"}
    ranked = sorted(known, key=lambda s: float(s.foresight or 0.0))
    best, close = ranked[0], []
    for other in ranked[1:]:
        gaps = other.misses - best.misses
        gaps = gaps[~np.isnan(gaps)]
        error = float(gaps.std()) / np.sqrt(gaps.size)
        if float(gaps.mean()) <= _CLEAR * error:
            close.append(other.label)
    reason = f"as of each endpoint it foretells the next value best: {best.foresight:.3g} of the squared error of the last value itself"
    if close:
        reason += f"; within two standard errors of it: {', '.join(close)}"
    return {"best": best.label, "criterion": "foresight", "reason": reason, "not_clearly_worse": close}


def _as_of(
    y: Vector, t: Times | None, how: Mapping[str, Any], rows: Rows, result: DenoiseResult, go_on: Callable[[], None]
) -> tuple[Vector, Vector]:
    """x̂_{t|t} and x̂_{t-1|t} (m,) of each row; a causal result is its own."""
    if result.causal:
        return result.values[rows], result.values[rows - 1]
    as_of, before = np.empty(rows.size), np.empty(rows.size)
    for at, row in enumerate(rows.tolist()):
        go_on()
        seen = slice(max(0, row + 1 - WINDOW), row + 1)
        then = run.denoise(y[seen], t=None if t is None else t[seen], **how)
        as_of[at], before[at] = then.values[-1], then.values[-2]
    return as_of, before


def _sigma(y: Vector, t: Times | None, how: Mapping[str, Any], result: DenoiseResult) -> float:
    """Noise of the series on the result's scale; estimated here where no guardrail needed it."""
    if result.noise_sigma > 0.0 or result.action == "returned_original":
        return result.noise_sigma
    judged = replace(how["guardrails"], policy="calibrated", on_failure="flag")
    probe = run.denoise(y, t=t, **{**how, "scale": result.scale, "guardrails": judged})
    return probe.noise_sigma


def _mean(x: Vector) -> float:
    known = x[~np.isnan(x)]
    return float(known.mean()) if known.size else 0.0


def _both(a: Vector, b: Vector) -> tuple[Vector, Vector]:
    known = ~(np.isnan(a) | np.isnan(b))
    return a[known], b[known]


def _correlation(a: Vector, b: Vector) -> Figure:
    """Pearson's correlation of a and b (m,); its standard error 1 / sqrt(m) if there is none."""
    a, b = _both(a, b)
    if a.size < 3 or not a.std() > 0.0 or not b.std() > 0.0:
        return Figure(None, None, int(a.size))
    return Figure(float(np.corrcoef(a, b)[0, 1]), float(1.0 / np.sqrt(a.size)), int(a.size))


def _sharpe(slopes: Vector, moves: Vector) -> Figure:
    """Mean over standard deviation of sign(slope) times the next move (m,); its standard error 1 / sqrt(m) if there is no skill."""
    slopes, moves = _both(slopes, moves)
    gains = np.sign(slopes) * moves
    if gains.size < 3 or not gains.std() > 0.0:
        return Figure(None, None, int(gains.size))
    return Figure(float(gains.mean() / gains.std()), float(1.0 / np.sqrt(gains.size)), int(gains.size))
