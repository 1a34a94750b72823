"""What a regime model may see of each bar, in words: the return first, then what else is asked for."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

from rpsd.core.errors import BadRows, Fault, InvalidRequest
from rpsd.core.market import column

RETURN: Final = ("return",)
"""The usual choice: the log return in percent and nothing else."""

JUMP_SIGHT: Final = ("return", "downside:3", "volatility:5")
"""What the jump model sees unless told otherwise: single returns are too noisy to cluster. Memories as long as in Shu, Yu, Mulvey (2024),
whose regimes last years, lag behind regimes of fifty bars."""

MOST_OBSERVED: Final = 10
"""Columns of one model: each state's dispersion has d (d + 1) / 2 numbers to learn."""

_PLAIN: Final = {"return": (), "range": ("high", "low"), "volume": ("volume",)}
_OF_COLUMN: Final = ("value", "diff", "log_return")
_OF_RETURNS: Final = ("mean", "volatility", "downside", "sortino")
_LONGEST: Final = 250
_FORMULAS: Final = 1
"""Counts up with any change of what a column means, here or in regime/observer.py."""


@dataclass(frozen=True, slots=True)
class Observed:
    """One column that a model sees: `kind` of `sources`, the stored columns it needs; half_life in bars where it remembers, else 0."""

    name: str
    kind: str
    sources: tuple[str, ...] = ()
    half_life: int = 0


def observed(names: Sequence[str]) -> tuple[Observed, ...]:
    """The columns of these names. Raises InvalidRequest naming the first that is none, is there twice, or when `return` is not the first.

    return: log return of the price in percent. range: log of (0.01 + 100 log(high / low)), near to normal. volume: log(1 + volume) less its
    average over the bars before, half-life 21. value:C, diff:C, log_return:C: a stored column as it is, its change, its log return in
    percent. Of the returns, with H their half-life in bars: mean:H, their average; volatility:H and downside:H, log of (0.01 + the root of
    the mean square of all of them, or of the losses); sortino:H, the average over (0.01 + that root of the losses).
    Source: range: Alizadeh, Brandt, Diebold (2002), Journal of Finance 57, 1047-1091; downside and sortino: Shu, Yu, Mulvey (2024),
    Journal of Asset Management 25, 493-507.

    >>> [one.sources for one in observed(["return", "range", "diff:vix"])]
    [(), ('high', 'low'), ('vix',)]
    """
    if not names or names[0] != "return":
        raise _refused(0, "the first column is the return: names and statistics of the states are told of it")
    if len(names) > MOST_OBSERVED:
        raise _refused(MOST_OBSERVED, f"at most {MOST_OBSERVED} columns")
    found: list[Observed] = []
    for place, name in enumerate(names):
        one = _parsed(place, name)
        if one in found:
            raise _refused(place, f"{name[:40]!r} is there twice")
        found.append(one)
    return tuple(found)


def sight_of(engine: str, columns: Sequence[str]) -> tuple[str, ...]:
    """The names of what a model of the engine sees: the columns asked for; the jump model, asked for the return alone, JUMP_SIGHT.

    >>> sight_of("numba", ["return"])
    ('return',)
    """
    return JUMP_SIGHT if engine == "jump" and tuple(columns) == RETURN else tuple(columns)


def sources(columns: Sequence[Observed]) -> tuple[str, ...]:
    """The stored columns that these need beside the price, each once, in order."""
    return tuple(dict.fromkeys(source for one in columns for source in one.sources))


def graph(columns: Sequence[Observed]) -> str:
    """SHA-256 (hex) of what these columns mean: a model is served only on columns that mean what they meant when it was trained."""
    told = {"formulas": _FORMULAS, "columns": [asdict(one) for one in columns]}
    return hashlib.sha256(json.dumps(told, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _parsed(place: int, name: str) -> Observed:
    """The column of that name at its place among the others."""
    kind, colon, of = name.partition(":")
    if not colon and kind in _PLAIN:
        return Observed(kind, kind, _PLAIN[kind], 21 if kind == "volume" else 0)
    if colon and kind in _OF_COLUMN:
        try:
            of = column(of)
        except BadRows as error:
            raise _refused(place, error.detail) from error
        return Observed(f"{kind}:{of}", kind, (of,))
    if colon and kind in _OF_RETURNS and of.isascii() and of.isdigit() and 2 <= int(of[:9]) <= _LONGEST:
        return Observed(f"{kind}:{int(of)}", kind, (), int(of))
    known = ["return", "range", "volume", *(f"{kind}:COLUMN" for kind in _OF_COLUMN), *(f"{kind}:BARS" for kind in _OF_RETURNS)]
    raise _refused(place, f"{name[:40]!r} is none of {', '.join(known)} with 2 to {_LONGEST} bars")


def _refused(place: int, reason: str) -> InvalidRequest:
    return InvalidRequest(reason, errors=[Fault(f"/columns/{place}", reason)])
