"""Names of states: Bear, Sideways, Bull, Crisis and Euphoric by rank, and how far the data back each name."""

from collections.abc import Sequence
from itertools import pairwise, permutations
from math import erf, sqrt
from typing import Final

import numpy as np

from rpsd.core.market import Vector
from rpsd.core.model import Packet
from rpsd.regime.state import permuted

NAMES: Final[dict[int, tuple[str, ...]]] = {
    1: ("Single",),
    2: ("Bear", "Bull"),
    3: ("Bear", "Sideways", "Bull"),
    4: ("Crisis", "Bear", "Sideways", "Bull"),
    5: ("Crisis", "Bear", "Sideways", "Bull", "Euphoric"),
}
"""Name of state 0, 1, … of a labelled model: a state number means the same name in every model of k states."""

ALIASES: Final[dict[int, tuple[str, ...]]] = {
    1: ("any_vol",),
    2: ("low_vol", "high_vol"),
    3: ("low_vol", "mid_vol", "high_vol"),
    4: ("low_vol", "mid_low_vol", "mid_high_vol", "high_vol"),
    5: ("low_vol", "mid_low_vol", "mid_vol", "mid_high_vol", "high_vol"),
}
"""Names by rank of volatility, which data settle long before they settle the means."""

DISTINGUISHABLE: Final = 0.95
"""Label confidence below this is low: the usual one-sided level."""

FAR: Final = 1.0
"""Distance in nats beyond which a state is another one than before: two equal variances with means 1.4 deviations apart."""


LEVERAGE: Final = 0.15
"""Percent of mean return that a state is expected to lose for each percent that its deviation lies above the common one."""

MEAN_SPREAD: Final = 0.05
"""Deviation of states' means about that line, in deviations of a return: what is known of them before any return is seen."""


def expected_means(state: Packet) -> Vector:
    """Means (k,) as they are to be expected: those of the data, drawn to the line of LEVERAGE by as much as their errors are large.

    A year of days tells the mean of a wild state to some 0.2 %, more than states differ by; but falls are wilder than rises. Names by the
    data alone would be drawn by lot there and change at refits; where the data settle the means, these are the data's.
    Source: leverage: Black (1976), Proc. Amer. Stat. Assoc., Business and Economic Statistics, 177-181; French, Schwert, Stambaugh (1987),
    J. Financial Economics 19, 3-29; shrinkage: Efron, Morris (1975), JASA 70, 311-319. What it is worth: tests/quality/walk_names.py.
    """
    means, variances, weights = (state.arrays[name] for name in ("means", "variances", "weights"))
    deviations, shares = np.sqrt(variances), weights / weights.sum()
    common, pooled = float(shares @ deviations), float(shares @ means)
    line, spread = pooled - LEVERAGE * (deviations - common), (MEAN_SPREAD * common) ** 2
    trust = spread / (spread + _squared_errors(state))
    return np.asarray(trust * means + (1 - trust) * line)


def named(state: Packet) -> Packet:
    """The model with its states in the order of NAMES, by the evidence in this model alone.

    Crisis is the most volatile state of negative mean, else that of the lowest mean; Euphoric the highest mean above the pooled one among
    the more volatile half of the rest, else the highest mean; the others rank by mean. All means are the expected ones.
    """
    means, variances, weights = expected_means(state), state.arrays["variances"], state.arrays["weights"]
    k = means.size
    rest = np.argsort(means, kind="stable").tolist()
    first, last = [], []
    if k >= 4:
        falling = [i for i in rest if means[i] < 0]
        first = [max(falling, key=lambda i: variances[i]) if falling else rest[0]]
        rest = [i for i in rest if i not in first]
    if k >= 5:
        pooled = float(weights @ means / weights.sum())
        rising = [i for i in rest if means[i] > pooled and variances[i] >= np.median(variances[rest])]
        last = [max(rising or rest, key=lambda i: means[i])]
        rest = [i for i in rest if i not in last]
    return permuted(state, [*first, *rest, *last])


def matched(state: Packet, previous: Packet) -> tuple[Packet, bool]:
    """The model with each state where its nearest state of `previous` (labelled, as many states) stands, and whether names were kept.

    Nearest by the assignment of least total distance. Names are given anew when an assigned state is FAR from its predecessor, or when the
    data contradict a kept name at the level that would otherwise confirm it.
    Source: Hungarian assignment, Kuhn (1955), Naval Research Logistics 2, 83-97; by enumeration here, for at most 120 orders.
    """
    distances = _distances(state, previous)
    k = distances.shape[0]
    order = min(permutations(range(k)), key=lambda order: sum(distances[i, new] for i, new in enumerate(order)))
    kept = permuted(state, order)
    moved = max(distances[i, new] for i, new in enumerate(order))
    if moved > FAR or (k > 1 and confidence(kept).min() < 1 - DISTINGUISHABLE):
        return named(state), False
    return kept, True


def _distances(state: Packet, previous: Packet) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Symmetric Kullback-Leibler divergence in nats of every new emission (columns) from every previous one (rows)."""
    mean, variance = state.arrays["means"][None, :], state.arrays["variances"][None, :]
    mean_before, variance_before = previous.arrays["means"][:, None], previous.arrays["variances"][:, None]
    squared = (mean - mean_before) ** 2
    return (variance_before + squared) / (4 * variance) + (variance + squared) / (4 * variance_before) - 0.5  # type: ignore[no-any-return]


def confidence(state: Packet) -> Vector:
    """For each state (k,) of a labelled model the probability that its name's claim about means is true; 1 for a single state.

    The claim: the means of Crisis and Bear are below and those of Bull and Euphoric above the pooled mean; Bear, Sideways and Bull rank
    as named; Euphoric is above Bull. A mean counts as normal with the error of its estimate, and the least of a state's claims is its
    confidence. Serial dependence within a state is left out: read it as an upper bound.
    """
    means, weights = state.arrays["means"], state.arrays["weights"]
    names, squared_errors = NAMES[means.size], _squared_errors(state)
    pooled = float(weights @ means / weights.sum())
    belief = np.ones(means.size)

    def claim(lower: float, upper: float, squared_error: float, *states: int) -> None:
        chance = 0.5 * (1 + erf((upper - lower) / sqrt(2 * max(squared_error, np.finfo(np.float64).tiny))))
        for i in states:
            belief[i] = min(belief[i], chance)

    for i, name in enumerate(names):
        if name in ("Crisis", "Bear"):
            claim(means[i], pooled, squared_errors[i], i)
        elif name in ("Bull", "Euphoric"):
            claim(pooled, means[i], squared_errors[i], i)
    if "Euphoric" in names:  # a euphoria that earns less than the plain bull market is none
        claim(means[-2], means[-1], squared_errors[-2] + squared_errors[-1], means.size - 1)
    ranked = [i for i, name in enumerate(names) if name in ("Bear", "Sideways", "Bull")]
    for low, high in pairwise(ranked):
        claim(means[low], means[high], squared_errors[low] + squared_errors[high], low, high)
    return belief


def _squared_errors(state: Packet) -> Vector:
    """Variance (k,) of each estimated mean: that of a Gaussian over the expected bars, less for a Student t, whose outliers weigh less.

    Source: Lange, Little, Taylor (1989), JASA 84, 881-896, section 3: information (df + 1) / (df + 3) over the squared scale a bar.
    """
    variances, weights, df = (state.arrays[name] for name in ("variances", "weights", "df"))
    tails = np.clip(df, 2.1, 1e9)  # beyond a billion it is Gaussian, and infinity over infinity is no number
    share = (tails - 2) / tails * (tails + 3) / (tails + 1)
    return np.asarray(variances * share / np.maximum(weights, 1.0))  # a state without bars knows no more than one bar


def aliases(variances: Vector) -> list[str]:
    """The alias of each state (k,) by the rank of its variance."""
    ranks = np.argsort(np.argsort(variances, kind="stable"))
    return [ALIASES[variances.size][rank] for rank in ranks]


def doubtful(names: Sequence[str], beliefs: Vector) -> list[str]:
    """Each name whose confidence is low, with its confidence, for a warning."""
    return [f"{name} {belief:.2f}" for name, belief in zip(names, beliefs, strict=True) if belief < DISTINGUISHABLE]
