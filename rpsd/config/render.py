"""Settings as text: the commented file that ships, and each effective value with its origin."""

import ipaddress
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rpsd.config.entries import Entry, entries, sections, value
from rpsd.config.kinds import DURATION, SIZE, WORKERS, Kind, Rate
from rpsd.config.settings import Settings
from rpsd.core.alert_rule import AlertRule

_HEAD = """\
# Settings of rpsd. Every line below is a comment that shows a default; remove the `# ` before a setting and before its
# section to change it. Durations: 30s 15m 24h 30d 2y, a bare number is seconds. Sizes: 512KiB 32MiB 2GiB.
# RPSD_<SECTION>__<KEY> in the environment wins over this file. `rpsd config check` reads the file, `rpsd config show`
# prints each effective value with its origin. Times of day stand in quotes. (live): taken over by `systemctl reload rpsd`.
"""


class Row(NamedTuple):
    """One setting as it stands: dotted name, value in JSON terms, its origin, and the value as people write it."""

    name: str
    value: Any
    origin: str
    text: str


_UNITS = {
    DURATION: (("y", 365 * 86_400), ("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)),
    SIZE: (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)),
}


def _text(kind: Kind, found: Any) -> str:
    """The value as it could stand in a settings file: 2y and 32MiB rather than seconds and bytes."""
    if kind is WORKERS and found is None:
        return "auto"
    if kind is DURATION and 0 < found < 1:
        return f"{found * 1000:g}ms"
    for unit, size in _UNITS.get(kind, ()):
        if found and found % size == 0:
            return f"{found // size:g}{unit}"
    return found if isinstance(found, str) else json.dumps(found)


def written(found: Any) -> Any:
    """The value in JSON terms."""
    if isinstance(found, Rate):
        return f"{found.count}/{ {1.0: 's', 60.0: 'min', 3600.0: 'h', 86_400.0: 'day'}[found.per_seconds] }"
    if isinstance(found, AlertRule):
        return {"name": found.name, "when": found.condition.text, "severity": found.severity, "detail": found.detail, "least": found.least}
    if isinstance(found, Path | ipaddress.IPv4Network | ipaddress.IPv6Network):
        return str(found)
    if isinstance(found, tuple | list):
        return [written(item) for item in found]
    if isinstance(found, Mapping):
        return {key: written(item) for key, item in found.items()}
    return int(found) if isinstance(found, float) and found.is_integer() else found


def _masked(name: str, found: Any) -> Any:
    """The value without what may be a secret: anything set below sources and alert webhooks, and the arguments of a program."""
    if name in ("sources", "alerts.webhooks", "backup.offsite.command") and found:
        return "(set)"
    return found


def explain(settings: Settings) -> list[Row]:
    """Every effective setting with its origin, in the order of settings.py; no secrets."""
    rows = []
    for entry in entries():
        found = _masked(entry.name, written(value(settings, entry.name)))
        rows.append(Row(entry.name, found, settings.origin.get(entry.name, "default"), _text(entry.kind, found)))
    return rows


def unused(settings: Settings) -> list[tuple[str, str]]:
    """Settings that were set although nothing uses them yet: dotted name and the part of rpsd they wait for."""
    rooms = {entry.name: entry.room for entry in entries()}
    return [(name, rooms[name]) for name, origin in settings.origin.items() if rooms[name] and not origin.startswith("follows ")]


def _default(entry: Entry) -> str:
    """The default as YAML on one line."""
    found = entry.written
    if found is None or isinstance(found, bool | int | float):
        return json.dumps(found)
    if isinstance(found, list):
        return "[" + ", ".join(item if isinstance(item, str) else json.dumps(item) for item in found) + "]"
    if isinstance(found, dict):
        return "{}"
    quoted = (":" in found and not found.startswith("/")) or found.startswith("*") or "#" in found
    return json.dumps(found) if quoted else str(found)


def traits(entry: Entry) -> str:
    """What else to know of a setting: live, or not yet in use."""
    words = [*(["live"] if entry.live else []), *([f"not yet in use: {entry.room}"] if entry.room else [])]
    return f" ({'; '.join(words)})" if words else ""


def render() -> str:
    """The file etc/config.yaml: every setting commented out with its default and one sentence."""
    lines, docs = [_HEAD], {name: doc for name, _, doc in sections()}
    seen: set[str] = set()
    for entry in entries():
        parents = entry.name.split(".")[:-1]
        for depth in range(len(parents)):
            name = ".".join(parents[: depth + 1])
            if name not in seen:
                seen.add(name)
                lines.append(("\n" if depth == 0 else "") + f"# {'  ' * depth}{parents[depth]}:".ljust(50) + f" # {docs[name]}")
        blank = "" if parents else "\n"
        text = f"{blank}# {'  ' * len(parents)}{entry.name.rpartition('.')[2]}: {_default(entry)}"
        lines.append(f"{text:<50} # {entry.doc}{traits(entry)}")
    return "\n".join(lines) + "\n"
