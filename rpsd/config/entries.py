"""The settings one by one, as the reader, the renderer and the manual see them."""

from collections.abc import Iterator
from dataclasses import Field, dataclass, fields, is_dataclass
from typing import Any, get_type_hints

from rpsd.config.kinds import Kind
from rpsd.config.settings import Settings, bounded_kind


@dataclass(frozen=True, slots=True)
class Entry:
    """One setting as the reader and the manual see it: dotted name, default as written, kind, sentence, and its traits."""

    name: str
    written: Any
    kind: Kind
    doc: str
    live: bool = False
    room: str = ""
    follows: str = ""


def is_section(found: "Field[Any]", hint: Any) -> bool:
    """Whether the field holds further settings."""
    return is_dataclass(hint) and "written" not in found.metadata and "choices" not in found.metadata


def entries(cls: type[Any] = Settings, prefix: str = "") -> Iterator[Entry]:
    """Every setting in the order of this file."""
    hints = get_type_hints(cls)
    for f in fields(cls):
        name = f"{prefix}{f.name}"
        if is_section(f, hints[f.name]):
            yield from entries(hints[f.name], f"{name}.")
        elif "written" in f.metadata:
            yield Entry(name, **f.metadata)
        elif "choices" in f.metadata:  # a parameter class of core, nested as it is
            yield Entry(name, f.default, bounded_kind(f.metadata, f.default), f.metadata["doc"])


def sections(cls: type[Any] = Settings, prefix: str = "") -> Iterator[tuple[str, type[Any], str]]:
    """Every section: its dotted name, its class and one sentence; the outer before the inner."""
    hints = get_type_hints(cls)
    for f in fields(cls):
        if is_section(f, hints[f.name]):
            yield f"{prefix}{f.name}", hints[f.name], f.metadata["doc"]
            yield from sections(hints[f.name], f"{prefix}{f.name}.")


def value(settings: Settings, name: str) -> Any:
    """The value of a dotted name."""
    found: Any = settings
    for part in name.split("."):
        found = getattr(found, part)
    return found
