"""Which predictor serves: the logistic, the trees, or a blend of both log-odds, judged on events that neither has seen."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from rpsd.book import PREDICTORS
from rpsd.core.book import Grid, Integers
from rpsd.core.market import Vector

SHARES: Final = tuple(sorted((share for predictor in PREDICTORS for share in predictor.shares), reverse=True))
"""What the logistic part may count."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The share of the logistic part, and one row for each share that was tried."""

    share: float
    table: tuple[dict[str, Any], ...]

    @property
    def predictor(self) -> str:
        """How answers name it."""
        return _named(self.share)


def _named(share: float) -> str:
    (name,) = (predictor.name for predictor in PREDICTORS if share in predictor.shares)
    return name


def mixed(first: Grid, second: Grid, share: float) -> Grid:
    """Log-odds (n, 2) of a blend of log-odds (n, 2); where the label knows no flat the second column stays infinite.

    Source: Genest, Zidek (1986), Statistical Science 1, 114-135 (the logarithmic opinion pool).
    """
    direction = share * first[:, 0] + (1 - share) * second[:, 0]
    if np.isinf(first[:, 1]).all():
        return np.column_stack([direction, first[:, 1]])
    return np.column_stack([direction, share * first[:, 1] + (1 - share) * second[:, 1]])


def losses(scores: Grid, y: Integers) -> Vector:
    """Log loss (n,) in nats of log-odds (n, 2) as they are, for outcomes y (n,) of -1, 0, 1."""
    direction = np.where(y != 0, np.logaddexp(0.0, -y * scores[:, 0]), 0.0)
    if np.isinf(scores[:, 1]).all():
        return direction
    return direction + np.logaddexp(0.0, np.where(y != 0, -1, 1) * scores[:, 1])


def choose(first: Grid, second: Grid, y: Integers, cluster: Integers, wanted: str) -> Choice:
    """The share with the least log loss among those that `wanted` allows; auto takes trees only for a gain of more than its standard error.

    first, second (n, 2): log-odds of the logistic and of the trees for the same unseen events, y (n,) outcomes, cluster (n,) of moves.
    Row: share, predictor, log_loss, gain over the logistic, error of the gain (standard, over moves), chosen.
    """
    alone = losses(first, y)
    tried: list[dict[str, Any]] = []
    for share in SHARES:
        gain = alone - losses(mixed(first, second, share), y)
        row: dict[str, Any] = {"share": share, "predictor": _named(share), "log_loss": float((alone - gain).mean())}
        tried.append(row | {"gain": float(gain.mean()), "error": standard_error(gain, cluster)})
    allowed = [row for row in tried if wanted in ("auto", row["predictor"])]
    best = min(allowed, key=lambda row: row["log_loss"])
    if wanted == "auto" and best["gain"] <= best["error"]:
        best = tried[0]
    return Choice(float(best["share"]), tuple({**row, "chosen": row is best} for row in tried))


def standard_error(gain: Vector, cluster: Integers) -> float:
    """Of the mean of gain (n,), whose events are independent across clusters alone.

    Source: Liang, Zeger (1986), Biometrika 73, 13-22, for a mean.
    """
    _, number = np.unique(cluster, return_inverse=True)
    sums = np.bincount(number, gain - gain.mean())
    return float(np.sqrt((sums**2).sum() * sums.size / max(sums.size - 1, 1)) / gain.size)
