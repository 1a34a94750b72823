"""How good probabilities of down, flat and up are: five measures, and the table of what was said against what came."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rpsd.core.book import Grid, Integers
from rpsd.core.market import Vector

MEASURES: Final = ("auc", "mcc", "brier", "log_loss", "ece", "ece_classes")
BETTER_HIGH: Final = ("auc", "mcc")
"""Measures of which more is better; of the others less is."""
_BINS: Final = 10  # of a class's probability
_CONFIDENCE_BINS: Final = 20  # of the largest probability, at least a half without flat
WORDS: Final = ("down", "flat", "up")
_LEAST: Final = 1e-12  # probability below which the log loss does not look


@dataclass(frozen=True, slots=True)
class Claim:
    """A probability `said` (n,), whether it came true (n,), and its bin (n,) of `bins` of equal width; of a class, or of the word said."""

    name: str
    said: Vector
    came: Vector
    place: Integers
    bins: int

    @classmethod
    def of(cls, name: str, said: Vector, came: npt.NDArray[np.bool_], bins: int) -> "Claim":
        """Put each event into its bin."""
        return cls(name, said, came.astype(np.float64), np.minimum((said * bins).astype(np.int64), bins - 1), bins)

    def gaps(self, weight: Vector, group: Integers, groups: int) -> Grid:
        """Summed over each group and bin (groups, bins), how far what was said lies from what came, by weight (n,) and group (n,)."""
        summed = np.bincount(group * self.bins + self.place, weight * (self.said - self.came), groups * self.bins)
        return np.asarray(summed.reshape(groups, self.bins))


@dataclass(frozen=True, slots=True)
class Sheet:
    """Outcomes y (n,) of -1, 0, 1 and probabilities (n, 3), with what every resample needs again: all of it computed once."""

    y: Integers
    probabilities: Grid
    order: Integers
    ties: Integers
    cell: Integers
    square: Vector
    surprise: Vector
    claims: "tuple[Claim, ...]"

    @classmethod
    def of(cls, y: Integers, probabilities: Grid) -> "Sheet":
        """Sort and bin the events. O(n log n)."""
        moved = np.flatnonzero(y != 0)
        lean = (probabilities[:, 2] - probabilities[:, 0])[moved]
        order = moved[np.argsort(lean, kind="stable")]
        ties = np.flatnonzero(np.diff(np.sort(lean), prepend=-np.inf))
        said = np.where(probabilities[:, 2] >= probabilities[:, 0], 2, 0)
        said = np.where(probabilities[:, 1] > probabilities.max(axis=1, where=np.array([True, False, True]), initial=0.0), 1, said)
        came = np.eye(3)[y + 1]
        surprise = -np.log(np.maximum(probabilities[np.arange(y.size), y + 1], _LEAST))
        claims = [Claim.of("prediction", probabilities[np.arange(y.size), said], said == y + 1, _CONFIDENCE_BINS)]
        has_flat = (y == 0).any() or probabilities[:, 1].any()
        classes = (0, 1, 2) if has_flat else (2,)  # without flat, down is the mirror of up
        claims += [Claim.of(WORDS[c], probabilities[:, c], y + 1 == c, _BINS) for c in classes]
        square = 0.5 * ((probabilities - came) ** 2).sum(axis=1)
        return cls(y, probabilities, order, ties, 3 * said + y + 1, square, surprise, tuple(claims))


def measures(sheet: Sheet, weight: Vector) -> Vector:
    """MEASURES (6,) of the events, each counted weight (n,) times. O(n).

    auc: of up against down by p(up) - p(down), among the events that moved; ties count half; NaN when only one of the two came.
    mcc: Matthews' correlation of the most probable word with what came, over three classes; 0 when either never changes.
    brier: half the squared distance of the three probabilities from what came; of two classes the familiar (p - y)^2.
    log_loss: mean -log of the probability of what came, nats. ece: over twenty bins of equal width of the largest probability, the mean
    distance between it and how often the word came true. ece_classes: the same over ten bins of each class's own probability, averaged
    over the classes; a market that rises throughout the test counts here and not in ece, as a symmetric model takes no side.
    Source: auc: Hanley, McNeil (1982), Radiology 143, 29-36; mcc: Gorodkin (2004), Comput. Biol. Chem. 28, 367-374; brier: Brier (1950),
    Mon. Weather Rev. 78, 1-3; ece: Guo, Pleiss, Sun, Weinberger (2017), Proc. ICML 34, section 2; of classes: Kull et al. (2019), NeurIPS.
    """
    return measured(sheet, sums(sheet, weight, np.zeros(weight.size, np.int64), 1)[0], weight)


def sums(sheet: Sheet, weight: Vector, group: Integers, groups: int) -> Grid:
    """What `measured` needs of each group but for the AUC (groups, k), to be added up over groups as often as each counts.

    Columns: nine of the table (said, came), squares, surprises, then the gaps of each claim by bins. O(n + groups k).
    """
    table = np.bincount(9 * group + sheet.cell, weight, 9 * groups).reshape(groups, 9)
    means = [np.bincount(group, weight * column, groups)[:, None] for column in (sheet.square, sheet.surprise)]
    return np.hstack([table, *means, *(claim.gaps(weight, group, groups) for claim in sheet.claims)])


def measured(sheet: Sheet, added: Vector, weight: Vector) -> Vector:
    """MEASURES (6,) of a sheet whose `sums` add up to `added` (k,) when each event counts weight (n,) times. O(n) for the AUC alone."""
    total = float(added[:9].sum())
    edges = np.cumsum([11, *(claim.bins for claim in sheet.claims)])
    errors = [float(np.abs(added[low:high]).sum() / total) for low, high in pairwise(edges.tolist())]
    means = [float(added[9]) / total, float(added[10]) / total]
    return np.array([_auc(sheet, weight), _mcc(added[:9].reshape(3, 3)), *means, errors[0], float(np.mean(errors[1:]))])


def _auc(sheet: Sheet, weight: Vector) -> float:
    if not sheet.order.size:
        return float("nan")
    w = weight[sheet.order]
    up = w * (sheet.y[sheet.order] > 0)
    ups, downs = (np.add.reduceat(side, sheet.ties) for side in (up, w - up))
    pairs = float(ups.sum() * downs.sum())
    below = np.cumsum(downs) - 0.5 * downs
    return float(ups @ below) / pairs if pairs > 0 else float("nan")


def _mcc(table: Grid) -> float:
    """Of a table (said, came) of weights."""
    said, came, total = table.sum(axis=1), table.sum(axis=0), float(table.sum())
    spread = (total**2 - float(said @ said)) * (total**2 - float(came @ came))
    return (float(np.trace(table)) * total - float(said @ came)) / float(np.sqrt(spread)) if spread > 0 else 0.0


def reliability(sheet: Sheet, cluster: Integers) -> list[dict[str, Any]]:
    """One row for each bin that holds events: of (prediction or a class), low, high, events, moves (clusters), said, came (both means)."""
    rows = []
    for claim in sheet.claims:
        for b in np.unique(claim.place).tolist():
            inside = claim.place == b
            counts = {"events": int(inside.sum()), "moves": int(np.unique(cluster[inside]).size)}
            means = {"said": float(claim.said[inside].mean()), "came": float(claim.came[inside].mean())}
            rows.append({"of": claim.name, "low": b / claim.bins, "high": (b + 1) / claim.bins, **counts, **means})
    return rows
