"""The bad places of a body: msgspec names the first, a second and slower look finds them all."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

import msgspec
from msgspec.structs import fields

from rpsd.core.errors import Fault, InvalidRequest, NotFinite

_MOST: Final = 100  # faults named in one answer
_STRETCH: Final = 1000
_AT: Final = re.compile(r" - at `(?:key in )?\$(.*)`$")


def refused(body: bytes, kind: Any, message: str) -> Exception:
    """The whole truth about a body that does not fit: all bad places, found by a second, slower look."""
    name_not_finite(body)
    try:
        return _misfit(msgspec.json.decode(body), kind, message)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _misfit(None, None, message)


def convert(value: Any, kind: Any) -> Any:
    """A decoded value as one of the kind. Raises InvalidRequest with every bad place."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise _misfit(value, kind, str(error)) from error


def _misfit(value: Any, kind: Any, message: str) -> InvalidRequest:
    """The error with all bad places, or with the one of msgspec's sentence."""
    faults = list(islice(_faults(value, kind, ""), _MOST)) or [fault_of(message, "")]
    return InvalidRequest(f"{faults[0].pointer or '/'}: {faults[0].reason}", errors=faults)


def _faults(value: Any, kind: Any, pointer: str) -> Iterator[Fault]:
    """Every bad place of a value, field by field and element by element."""
    kind = _struct_of(kind) if isinstance(value, Mapping) else kind
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and isinstance(value, Mapping):
        known = {field.encode_name: field for field in fields(kind)}
        yield from (
            Fault(below(pointer, name), f"unknown field; known are {', '.join(known)}"[:300]) for name in value if name not in known
        )
        yield from (Fault(below(pointer, name), "required") for name, field in known.items() if field.required and name not in value)
        for name, field in known.items():
            if name in value:
                yield from _faults(value[name], field.type, below(pointer, name))
        return
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        first = fault_of(str(error), pointer)
        element = _element_of(kind) if isinstance(value, list) and first.pointer != pointer else None
        if element is None:
            yield first
            return
        for start in range(0, len(value), _STRETCH):
            yield from _faults_within(value, element, start, pointer)


def _faults_within(value: list[Any], element: Any, start: int, pointer: str) -> Iterator[Fault]:
    """Those of one stretch of a list; a stretch that fits as a whole is not looked at element by element."""
    stretch = value[start : start + _STRETCH]
    try:
        msgspec.convert(stretch, list[element])
    except msgspec.ValidationError:
        for row, item in enumerate(stretch, start):
            yield from _faults(item, element, f"{pointer}/{row}")


def _struct_of(kind: Any) -> Any:
    """The struct of X | None, or the kind itself."""
    return next((c for c in getattr(kind, "__args__", ()) if isinstance(c, type) and issubclass(c, msgspec.Struct)), kind)


def _element_of(kind: Any) -> Any:
    """The element type of list[X] or list[X] | None, None for anything else."""
    for candidate in (kind, *getattr(kind, "__args__", ())):
        if getattr(candidate, "__origin__", None) is list:
            return candidate.__args__[0]
    return None


def below(pointer: str, name: str) -> str:
    return f"{pointer}/{name[:60].replace('~', '~0').replace('/', '~1')}"


def fault_of(message: str, pointer: str) -> Fault:
    """msgspec's sentence as a fault: `Expected … - at `$.values[3]`` -> /values/3."""
    at = _AT.search(message)
    place = "/".join(["", *re.findall(r"[^.\[\]]+", at[1])]) if at else ""
    return Fault(f"{pointer}{place}", plain(_AT.sub("", message)))


def plain(message: str) -> str:
    sentence = message.replace("`", "").strip()
    return sentence if sentence[1:2].isupper() else sentence[:1].lower() + sentence[1:]


def name_not_finite(body: bytes) -> None:
    """Raise NotFinite with a pointer when the text is JSON but for NaN, Infinity or a number beyond float64."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return
    faults = [Fault(pointer, "not a finite number") for pointer in islice(_not_finite(value, ""), _MOST)]
    if faults:
        raise NotFinite(f"{faults[0].pointer or '/'}: not a finite number", errors=faults)


def _not_finite(value: Any, pointer: str) -> Iterator[str]:
    if isinstance(value, float) and not math.isfinite(value):
        yield pointer
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _not_finite(item, below(pointer, name))
    elif isinstance(value, list):
        for row, item in enumerate(value):
            yield from _not_finite(item, f"{pointer}/{row}")
