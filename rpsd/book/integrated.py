"""Integrated order flow: the one mixture of the order flows of several levels in which most of their movement lies."""

from typing import Final

import numpy as np

from rpsd.book.features import FEATURES
from rpsd.core.book import Grid
from rpsd.core.errors import TooShort
from rpsd.core.market import Vector

COLUMNS: Final = ("ofi_m", "ofi1_m", "ofi2_m", "ofi3_m", "ofi5_m")
"""The features that are mixed: order flow of five levels over a second."""
_PLACES: Final = [[feature.name for feature in FEATURES].index(name) for name in COLUMNS]
_FEWEST: Final = 100


def fit(features: Grid) -> Vector:
    """Weights (5,) of COLUMNS from features (n, 27): the first principal vector, scaled so that absolute weights sum to one.

    The second moments are taken about zero, as those of the tape together with its mirror, so the integrated flow is odd. The sign is
    such that the weights sum to more than zero; without any flow all weight is on the best level. Looks at all rows: fit on training rows
    alone. Raises TooShort below 100 rows.
    Source: Cont, Cucuringu and Zhang (2023), Quantitative Finance 23, 1373-1393, equation 5.
    """
    if features.shape[0] < _FEWEST:
        raise TooShort(f"{features.shape[0]} rows; a principal component needs {_FEWEST}")
    flow = features[:, _PLACES]
    moments = flow.T @ flow
    if not moments.any():
        best: Vector = np.eye(len(COLUMNS))[0]
        return best
    vector = np.linalg.eigh(moments)[1][:, -1]
    weights: Vector = vector / np.abs(vector).sum()
    return weights if weights.sum() >= 0.0 else -weights


def integrated(features: Grid, weights: Vector) -> Vector:
    """Integrated order flow (n,) of features (n, 27), in mean sizes at the best quotes. Causal. Source: as `fit`, equation 6."""
    flow: Vector = features[:, _PLACES] @ weights
    return flow
