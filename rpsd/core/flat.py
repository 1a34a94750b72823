"""Nested JSON as names and values, as cards and tables show it."""

from collections.abc import Mapping
from typing import Any


def flat(value: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """Nested JSON as dotted names; lists of plain values on one line; nanoseconds as moments, unless the moment stands beside them."""
    if isinstance(value, Mapping):
        shown = {key: child for key, child in value.items() if not (key.endswith("_ns") and key.removesuffix("_ns") in value)}
        return [row for key, child in shown.items() for row in flat(child, f"{prefix}.{key}" if prefix else str(key))]
    if isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        return [row for number, child in enumerate(value) for row in flat(child, f"{prefix}.{number}")]
    if prefix.endswith("_ns") and isinstance(value, int):
        from rpsd.core import instant  # most cards and tables hold no such times, and numpy comes with it

        return [(prefix.removesuffix("_ns"), instant.text(value))]
    return [(prefix, ", ".join(map(str, value)) if isinstance(value, list) else value)]
