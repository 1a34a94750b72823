"""What each regime was like over its own spells."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from rpsd.core.market import DAY_NS, INTERVALS, Times, Vector
from rpsd.core.model import Packet
from rpsd.core.result import Labels, Matrix, RegimeStatistics
from rpsd.regime.labels import NAMES, aliases, confidence
from rpsd.regime.state import SCALE

_SESSIONS: Final = 252
"""Sessions a year of a market that closes at weekends."""

_WEEKEND_SHARE: Final = 0.1
"""Two days in seven fall on a weekend; above this share of bars the market never closes."""

_HORIZONS: Final = (1, 5, 21)
"""Bars ahead for which the chance of leaving is told: a day, a week, a month of days."""

_LARGEST_LOG_RETURN: Final = 50.0
"""A yearly log return beyond this says nothing any more, and its exponential must stay finite."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """Bars in a year and how that was found, in words."""

    bars_per_year: float
    rule: str


def calendar(t: Times, interval: str) -> Calendar:
    """Bars per year of a series with bars at t (n,) in ns UTC.

    252 × bars a session, the median over days that have bars; 365 days of bars for a market with bars at weekends; 52 weeks.
    """
    length = INTERVALS[interval]
    if interval == "1w":
        return Calendar(52.0, "52 weeks")
    days = t // DAY_NS
    never_closes = bool(((days + 3) % 7 >= 5).mean() > _WEEKEND_SHARE)  # 1970-01-01 was a Thursday
    if never_closes and length:
        return Calendar(365.0 * DAY_NS / length, f"365 days of {DAY_NS // length} bars: the market never closes")
    if interval == "1d":
        return Calendar(float(_SESSIONS), f"{_SESSIONS} sessions of one bar")
    a_session = float(np.median(np.unique(days, return_counts=True)[1]))
    sessions = 365 if never_closes else _SESSIONS
    return Calendar(sessions * a_session, f"{sessions} sessions of {a_session:g} bars")


@dataclass(frozen=True, slots=True)
class Spells:
    """Maximal runs of one state: first index, length and state of each (m,)."""

    first: Labels
    length: Labels
    state: Labels


def spells(states: Labels) -> Spells:
    """The spells of a path (n,), in order.

    >>> spells(np.array([0, 0, 1, 0])).length.tolist()
    [2, 1, 1]
    """
    first = np.flatnonzero(np.diff(states, prepend=-1)).astype(np.int64)
    return Spells(first, np.diff(first, append=states.size), states[first])


def expected_duration(stay: float) -> float | None:
    """Mean length in bars 1 / (1 - stay) of a geometric spell; None for a state that is never left."""
    return 1 / (1 - stay) if stay < 1 - 1e-12 else None


@dataclass(frozen=True, slots=True)
class Present:
    """The spell that lasts: its state, its first and its latest bar in ns UTC, and how many bars it has."""

    state: int
    since_ns: int
    t_ns: int
    bars: int


def current(labels: Sequence[str], p: Vector, transmat: Matrix, spell: Present, interval: str) -> dict[str, Any]:
    """The regime of the last bar for people: how sure by the probabilities p (k,) there, since when, and how long it may last.

    entropy in nats; days_in_regime counts sessions on daily series, else days from the first bar to the end of the last;
    expected_remaining in bars, None for a state that is never left; leaving: 1 - stay^h for each horizon of h bars. Knows what p knows.
    Source: Rabiner (1989), Proc. IEEE 77(2), equation 5 (the duration of a state is geometric).
    """
    stay, possible = float(transmat[spell.state, spell.state]), p[p > 0]
    days = (spell.t_ns - spell.since_ns + INTERVALS[interval]) / DAY_NS
    return {
        "regime": labels[spell.state],
        "state": spell.state,
        "probabilities": dict(zip(labels, p.tolist(), strict=True)),
        "confidence": float(p[spell.state]),
        "entropy": float(-(possible * np.log(possible)).sum()),
        "since_ns": spell.since_ns,
        "bars_in_regime": spell.bars,
        "days_in_regime": spell.bars if interval == "1d" else round(days, 3),
        "expected_remaining": expected_duration(stay),
        "leaving": {str(horizon): 1 - stay**horizon for horizon in _HORIZONS},
    }


def statistics(state: Packet, x: Vector, states: Labels, bars_per_year: float) -> tuple[RegimeStatistics, ...]:
    """One row for each state of a labelled model, over its own bars of x (n,), log returns in percent, along the path `states` (n,).

    mean and volatility are the model's, in percent per bar. Annual figures are fractions of the state's own bars: compound return, and
    Sharpe ratio of log returns over cash at zero. max_drawdown is the deepest fall from a peak inside one spell, as a fraction ≤ 0.
    Hindsight, as the path and the parameters are.
    """
    return tuple(_of_state(i, state, x, states, bars_per_year) for i in range(state.arrays["means"].size))


def _of_state(i: int, state: Packet, x: Vector, states: Labels, bars_per_year: float) -> RegimeStatistics:
    """The row of state i; what has no bars to be measured on is None."""
    runs = spells(states)
    own, mine = x[states == i] / SCALE, runs.state == i
    lengths = runs.length[mine]
    mean = float(own.mean()) if own.size else None
    deviation = float(own.std(ddof=1)) if own.size > 1 else None
    return RegimeStatistics(
        label=NAMES[state.arrays["means"].size][i],
        alias=aliases(state.arrays["variances"])[i],
        label_confidence=float(confidence(state)[i]),
        mean=float(state.arrays["means"][i]),
        volatility=float(np.sqrt(state.arrays["variances"][i])),
        annual_return=None if mean is None else float(np.expm1(min(mean * bars_per_year, _LARGEST_LOG_RETURN))),
        annual_volatility=None if deviation is None else deviation * float(np.sqrt(bars_per_year)),
        sharpe=mean / deviation * float(np.sqrt(bars_per_year)) if mean is not None and deviation else None,
        max_drawdown=min((_drawdown(x[a : a + m] / SCALE) for a, m in zip(runs.first[mine], lengths, strict=True)), default=None),
        expected_duration=expected_duration(float(state.arrays["transmat"][i, i])),
        occupancy=own.size / x.size,
        episodes=int(lengths.size),
        win_rate=float((own > 0).mean()) if own.size else None,
        mean_duration=float(lengths.mean()) if lengths.size else None,
        median_duration=float(np.median(lengths)) if lengths.size else None,
    )


def _drawdown(log_returns: Vector) -> float:
    """The deepest fall from an earlier peak, the entry price included, as a fraction ≤ 0."""
    wealth = np.concatenate([[0.0], np.cumsum(log_returns)])
    return float(np.expm1((wealth - np.maximum.accumulate(wealth)).min()))
