"""How grave a drift is, once it is certain that there is one."""

from rpsd.core.drift import Tolerance
from rpsd.core.regime import SEVERITIES


def severity(index: float, *, significant: bool, before: bool, tolerance: Tolerance) -> str:
    """NONE, LOW, MEDIUM or HIGH by the bands of the stability index; NONE unless this window and the one before were significant.

    >>> severity(0.25, significant=True, before=True, tolerance=Tolerance())
    'MEDIUM'
    """
    if not (significant and before):
        return SEVERITIES[0]
    return SEVERITIES[sum(index >= band for band in tolerance.psi)]
