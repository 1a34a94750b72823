"""Formulas of order books written out from their papers, one event at a time and without arrays: slow, and independent of the product."""

import math
from collections.abc import Sequence
from itertools import pairwise, product

Top = tuple[float, float, float, float]
"""Bid, bid size, ask, ask size."""


def order_flow(tops: Sequence[Top]) -> list[float]:
    """e_n of each change of the best quotes, n - 1 of them. Source: Cont, Kukanov, Stoikov (2014), section 2.1."""
    found = []
    for (bid0, q0, ask0, r0), (bid, q, ask, r) in pairwise(tops):
        e = 0.0
        if bid >= bid0:
            e += q
        if bid <= bid0:
            e -= q0
        if ask <= ask0:
            e -= r
        if ask >= ask0:
            e += r0
        found.append(e)
    return found


def queue_imbalance(bids: Sequence[float], asks: Sequence[float]) -> float:
    """(q^b - q^a) / (q^b + q^a) of sizes added up. Source: Gould and Bonart (2016), Market Microstructure and Liquidity 2, equation 1."""
    b, a = sum(bids), sum(asks)
    return 0.0 if b + a == 0.0 else (b - a) / (b + a)


def weighted_mid(top: Top) -> float:
    """The mid weighted by the sizes of the other side. Source: Gatheral and Oomen (2010), Finance Stoch. 14, section 2."""
    bid, q, ask, r = top
    return (bid * r + ask * q) / (q + r)


def solved(matrix: Sequence[Sequence[float]], right: Sequence[float]) -> list[float]:
    """x of matrix x = right, by Gauss and Jordan with pivots."""
    rows = [[*map(float, row), float(b)] for row, b in zip(matrix, right, strict=True)]
    n = len(rows)
    for i in range(n):
        pivot = max(range(i, n), key=lambda j: abs(rows[j][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [value / rows[i][i] for value in rows[i]]
        for j in range(n):
            if j != i:
                rows[j] = [v - rows[j][i] * w for v, w in zip(rows[j], rows[i], strict=True)]
    return [row[n] for row in rows]


def micro_adjustment(stay: Sequence[Sequence[float]], jump: Sequence[dict[float, float]], land: Sequence[Sequence[float]]) -> list[float]:
    """The expected move of the mid in the limit, by state: the sum over i of B^i G1, until it changes by less than 1e-12.

    stay[x][y]: probability that the next state is y and the mid has not moved; jump[x][k]: that the mid moves by k; land[x][y]: that it
    moves and the state is then y. Source: Stoikov (2018), Quantitative Finance 18, section 3.
    """
    n = len(stay)
    rest = [[(i == j) - stay[i][j] for j in range(n)] for i in range(n)]
    first = solved(rest, [sum(k * p for k, p in moves.items()) for moves in jump])
    columns = [solved(rest, [land[x][y] for x in range(n)]) for y in range(n)]
    total, term = list(first), list(first)
    while max(map(abs, term)) > 1e-12:
        term = [sum(columns[y][x] * term[y] for y in range(n)) for x in range(n)]
        total = [a + b for a, b in zip(total, term, strict=True)]
    return total


def auc(up: Sequence[bool], p: Sequence[float]) -> float:
    """The share of pairs of a rise and a fall that p puts in the right order; a tie counts half. Source: Hanley and McNeil (1982)."""
    ups, downs = [v for v, u in zip(p, up, strict=True) if u], [v for v, u in zip(p, up, strict=True) if not u]
    return sum((a > b) + 0.5 * (a == b) for a, b in product(ups, downs)) / (len(ups) * len(downs))


def mcc(up: Sequence[bool], called: Sequence[bool]) -> float:
    """The correlation of two yes-and-no answers, from the four counts. Source: Matthews (1975), Biochim. Biophys. Acta 405."""
    pairs = list(zip(up, called, strict=True))
    tp, tn = pairs.count((True, True)), pairs.count((False, False))
    fp, fn = pairs.count((False, True)), pairs.count((True, False))
    below = math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return (tp * tn - fp * fn) / below if below else 0.0


def brier(up: Sequence[bool], p: Sequence[float]) -> float:
    """Mean squared error of the probability of a rise. Source: Brier (1950), Mon. Weather Rev. 78."""
    return sum((v - u) ** 2 for u, v in zip(up, p, strict=True)) / len(p)


def log_loss(up: Sequence[bool], p: Sequence[float]) -> float:
    """Mean of minus the logarithm of the probability that was given to what happened, nats."""
    return -sum(math.log(v if u else 1.0 - v) for u, v in zip(up, p, strict=True)) / len(p)


def calibration_error(up: Sequence[bool], p: Sequence[float], bins: int) -> float:
    """Mean distance of what was said from what happened over bins of one width, by their counts. Source: Naeini and others (2015)."""
    error = 0.0
    for i in range(bins):
        inside = [(v, u) for u, v in zip(up, p, strict=True) if i / bins <= v < (i + 1) / bins or (i == bins - 1 and v == 1.0)]
        if inside:
            said, happened = sum(v for v, _ in inside) / len(inside), sum(u for _, u in inside) / len(inside)
            error += len(inside) / len(p) * abs(said - happened)
    return error
