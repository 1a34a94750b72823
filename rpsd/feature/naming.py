"""Names of features: sma_20 is the family sma with the window 20."""

import re
from typing import Any, Final

from rpsd.core.errors import Fault
from rpsd.core.feature import Feature
from rpsd.core.model_errors import UnknownFeature
from rpsd.feature import FEATURES

_FAMILIES: Final = {feature.name: feature for feature in FEATURES}
_NAME: Final = re.compile(r"([a-z][a-z0-9_]*?)((?:_[1-9][0-9]{0,4})*)")


def member(feature: Feature, windows: tuple[int, ...]) -> str:
    """The name of the family's member with these windows.

    >>> member(FEATURES[0], (20,))
    'sma_20'
    """
    return "_".join([feature.name, *map(str, windows)])


def names_of(feature: Feature, windows: tuple[int, ...]) -> tuple[str, ...]:
    """The features that it is made of.

    >>> names_of(find("macd_histogram")[0], ())
    ('macd', 'macd_signal')
    """
    return () if feature.parts is None else feature.parts(windows)


def find(name: str) -> tuple[Feature, tuple[int, ...]]:
    """The family of that name and its windows. Raises UnknownFeature, which says what is wrong with the name.

    >>> find("bb_upper_20")[1]
    (20,)
    """
    parsed = _NAME.fullmatch(name[:100])
    feature = _FAMILIES.get(parsed[1]) if parsed else None
    if parsed is None or feature is None:
        raise _unknown(f"{name[:60]!r} is not a feature; families are {', '.join(_FAMILIES)}")
    windows = tuple(int(word) for word in parsed[2].split("_")[1:])
    if len(windows) != len(feature.windows[0]):
        raise _unknown(
            f"{name[:60]!r}: {feature.name} takes {len(feature.windows[0])} windows, as in {member(feature, feature.windows[0])}"
        )
    low, high = feature.bounds
    if any(not low <= window <= high for window in windows):
        raise _unknown(f"{name[:60]!r}: a window of {feature.name} is {low} to {high} bars")
    return feature, windows


def _unknown(reason: str) -> UnknownFeature:
    return UnknownFeature(reason, errors=[Fault("/feature", reason)])


def listed() -> list[dict[str, Any]]:
    """Every usual member of the catalogue as JSON, in its order; other windows within the bounds have names of the same form."""
    return [
        {
            "name": member(feature, windows),
            "family": feature.name,
            "windows": list(windows),
            "bounds": list(feature.bounds) if windows else None,
            "inputs": list(feature.inputs),
            "lookback": feature.lookback(windows),
            "causal": feature.causal,
            "low": feature.low,
            "high": feature.high,
            "null_tolerance": feature.null_tolerance,
            "unit": feature.unit,
            "relative": feature.relative,
            "version": feature.version,
            "formula": feature.formula,
            "summary": feature.summary,
            "source": feature.source,
        }
        for feature in FEATURES
        for windows in feature.windows
    ]
