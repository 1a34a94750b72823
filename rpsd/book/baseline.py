"""What a predictor must beat: the usual outcome, the last direction once more, and the imbalance of the best quotes alone."""

from typing import Final

import numpy as np

from rpsd.book import logistic
from rpsd.core.book import Grid, Integers

BASELINES: Final = ("majority", "last_direction", "queue_imbalance")


def probabilities(x: Grid, y: Integers, new: Grid) -> dict[str, Grid]:
    """Probabilities (m, 3) of each baseline for new (m, 27), from features x (n, 27) and outcomes y (n,) of the training part.

    majority: the shares of the outcomes. last_direction: how often a move went on as the last one did, and the share of flat.
    queue_imbalance: the logistic of qi1 alone. Source: Gould and Bonart (2016), Market Microstructure and Liquidity 2(2).
    """
    shares = np.bincount(y + 1, minlength=3) / y.size
    return {
        "majority": np.tile(shares, (len(new), 1)),
        "last_direction": _persistence(x, y, new, float(shares[1])),
        "queue_imbalance": _imbalance(x, y, new),
    }


def _persistence(x: Grid, y: Integers, new: Grid, flat: float) -> Grid:
    last = int(logistic.columns(["lastdir"])[0])
    known = (y != 0) & (x[:, last] != 0)
    again = float((y[known] == x[known, last]).mean()) if known.any() else 0.5
    up = np.where(new[:, last] > 0, again, np.where(new[:, last] < 0, 1 - again, 0.5))
    return np.column_stack([(1 - flat) * (1 - up), np.full(len(new), flat), (1 - flat) * up])


def _imbalance(x: Grid, y: Integers, new: Grid) -> Grid:
    scores = logistic.scores(new, logistic.fit(x, y, 0.0, ["qi1"]))
    up = 0.5 * (1 + np.tanh(0.5 * scores[:, 0]))
    moves = np.ones(len(new)) if np.isinf(scores[:, 1]).all() else 0.5 * (1 + np.tanh(0.5 * scores[:, 1]))
    return np.column_stack([moves * (1 - up), 1 - moves, moves * up])
