"""Shift of mean and spread, in the deviations of the reference."""

from rpsd.core.errors import TooShort
from rpsd.core.market import Vector


def shift(before: Vector, after: Vector) -> tuple[float, float]:
    """How far the mean of after (m,) lies from that of before (n,), in deviations of `before`, and the ratio of their deviations.

    Population deviations, no NaN. Where `before` is constant the unit of the values takes the place of its deviation.

    Raises TooShort when either is empty. Source: Cohen (1988), Statistical Power Analysis, section 2.2.
    >>> import numpy as np
    >>> shift(np.array([-1.0, 1.0]), np.array([0.0, 4.0]))
    (2.0, 2.0)
    """
    if min(before.size, after.size) < 1:
        raise TooShort("there are no values to compare")
    unit = float(before.std()) or 1.0
    return float((after.mean() - before.mean()) / unit), float(after.std() / unit)
