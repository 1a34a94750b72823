"""Questions to a packet that comes from outside; the first that it answers wrongly refuses it, in one sentence."""

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from rpsd.core.errors import BadModelFile
from rpsd.core.model import Array, Packet

_DEEPEST: Final = 12
_MOST_VALUES: Final = 50_000
_KINDS: Final = {"<f8": "float64", "<i8": "int64", "|u1": "uint8"}


def require(holds: object, reason: str) -> None:
    """Raise BadModelFile with the reason unless it holds."""
    if not holds:
        raise BadModelFile(reason)


def tame(value: Any, what: str) -> None:
    """Raise BadModelFile unless the JSON value nests no deeper than 12, holds at most 50,000 values, and every number is finite."""
    left, seen = [(value, 0)], 0
    while left:
        one, depth = left.pop()
        seen += 1
        require(depth <= _DEEPEST and seen <= _MOST_VALUES, f"{what} nests too deep or holds too much")
        if isinstance(one, float):
            require(math.isfinite(one), f"{what} holds a number that is not finite")
        elif isinstance(one, Mapping):
            left += [(child, depth + 1) for child in one.values()]
        elif isinstance(one, list):
            left += [(child, depth + 1) for child in one]


def number(head: Mapping[str, Any], name: str, low: float = -math.inf, high: float = math.inf, *, or_none: bool = False) -> float | None:
    """The finite number of that name within [low, high]. Raises BadModelFile."""
    found = head.get(name)
    if or_none and found is None:
        return None
    is_number = isinstance(found, int | float) and not isinstance(found, bool)
    require(is_number and low <= found <= high, f"{name} is {_shown(found)}, not a number from {low:g} to {high:g}")  # type: ignore[operator]
    assert isinstance(found, int | float)  # require() has seen to it
    return found


def whole(head: Mapping[str, Any], name: str, low: int, high: int) -> int:
    """The whole number of that name within [low, high]. Raises BadModelFile."""
    found = head.get(name)
    require(type(found) is int and low <= found <= high, f"{name} is {_shown(found)}, not a whole number from {low} to {high}")
    return int(found)  # type: ignore[arg-type]


def words(head: Mapping[str, Any], name: str, most: int) -> list[str]:
    """The list of at most so many texts of that name. Raises BadModelFile."""
    found = head.get(name)
    is_list = isinstance(found, list) and len(found) <= most and all(isinstance(one, str) and len(one) <= 200 for one in found)
    require(is_list, f"{name} is no list of at most {most} words")
    return list(found or ())


def table(head: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The object of that name. Raises BadModelFile."""
    found = head.get(name)
    require(isinstance(found, dict), f"{name} is no object")
    return dict(found or {})


def array(packet: Packet, name: str, shape: tuple[int | None, ...], kind: str = "<f8", *, or_infinite: bool = False) -> Array:
    """The array of that name, of that shape (None: any length) and kind, without NaN, and finite unless told. Raises BadModelFile."""
    found = packet.arrays.get(name)
    require(found is not None, f"the array {name} is missing")
    assert found is not None  # require() has seen to it
    fits = found.ndim == len(shape) and all(want is None or want == have for want, have in zip(shape, found.shape, strict=True))
    asked = ", ".join("any" if n is None else str(n) for n in shape)
    require(fits, f"the array {name} is of shape {found.shape}, not ({asked})")
    require(found.dtype.str == kind, f"the array {name} is of {found.dtype}, not {_KINDS[kind]}")
    if kind == "<f8":
        require(not np.isnan(found).any(), f"the array {name} holds NaN")
        require(or_infinite or np.isfinite(found).all(), f"the array {name} holds infinity")
    return found


def only(packet: Packet, known: frozenset[str]) -> None:
    """Raise BadModelFile when there are arrays beside the known ones."""
    beside = sorted(set(packet.arrays) - known)
    require(not beside, f"{_shown(beside[0]) if beside else ''} is no array of such a model")


def _shown(value: Any) -> str:
    return repr(value)[:40]
