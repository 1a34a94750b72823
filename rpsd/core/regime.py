"""Words of the regime answers that every edge checks without any numerics."""

from typing import Final

from rpsd.core.errors import Fault, InvalidRequest, UnknownRegimeType

REGIME_TYPES: Final[dict[str, int | None]] = {"2_state": 2, "3_state": 3, "4_state": 4, "5_state": 5, "auto": None}
"""Regime type -> number of states; None lets the data choose."""

MODES: Final = ("filtered", "walk_forward", "smoothed")
"""How hindsight enters a path: in the parameters alone, not at all, in every bar."""

SEVERITIES: Final = ("NONE", "LOW", "MEDIUM", "HIGH")
"""How strong a drift is: by the bands of the population stability index, once significant."""

INCLUDED: Final[dict[str, bool]] = {"prices": False, "probabilities": False, "residuals": True, "viterbi": True}
"""What a detection can carry beside its answer -> whether it must be computed with the fit."""


def states_of(regime_type: str) -> int | None:
    """The number of states, None for `auto`. Raises UnknownRegimeType for any other word.

    >>> states_of("3_state")
    3
    """
    if regime_type not in REGIME_TYPES:
        reason = f"expected one of {', '.join(REGIME_TYPES)}"
        raise UnknownRegimeType(f"{regime_type[:40]!r} is not a regime type", errors=[Fault("/regime_type", reason)])
    return REGIME_TYPES[regime_type]


def mode(text: str) -> str:
    """The mode itself. Raises InvalidRequest for a word that is not in MODES."""
    if text not in MODES:
        raise InvalidRequest(f"{text[:40]!r} is not a mode", errors=[Fault("/mode", f"expected one of {', '.join(MODES)}")])
    return text
