"""What Elasticsearch documents of the few things that etc/elk asks of it: processors of an ingest pipeline, and types of fields.

A processor, an option or a condition that is not known here is an error: nothing passes by not being understood.
"""

import copy
import ipaddress
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

Document = dict[str, Any]
_COMPARISON = re.compile(r"ctx((?:\??\.\w+|\['[^']+'\])+) (==|!=) (null|'[^']*')")
_NANOSECONDS = (
    "if (ctx.event == null) { ctx.event = new HashMap(); } ctx.event.duration = (long) (ctx.line.processing_time * 1000000000.0);"
)


def ingested(pipeline: Document, document: Document) -> Document:
    """The document after the pipeline's processors."""
    made = copy.deepcopy(document)
    for processor in pipeline["processors"]:
        [(name, options)] = processor.items()
        rest = {key: value for key, value in options.items() if key not in ("tag", "description", "if")}
        if "if" not in options or _holds(options["if"], made):
            _PROCESSORS[name](made, **rest)
    return made


def _holds(condition: str, document: Document) -> bool:
    """Comparisons with null and words, joined by && or by ||; a path through nothing is null only where `?.` says so."""
    joined = any if "||" in condition else all
    assert not ("||" in condition and "&&" in condition), condition
    return joined(_compared(part.strip(), document) for part in re.split(r"\|\||&&", condition))


def _compared(text: str, document: Document) -> bool:
    match = _COMPARISON.fullmatch(text)
    assert match, text
    value: Any = document
    for safe, name in re.findall(r"(\??\.|\[')(\w+|[^']+)", match[1]):
        if value is None and safe == "?.":
            continue
        assert isinstance(value, dict), f"{text}: null pointer"
        value = value.get(name)
    expected = None if match[3] == "null" else match[3].strip("'")
    return (value == expected) is (match[2] == "==")


def _parent(document: Document, path: str, *, create: bool = False) -> tuple[Any, str]:
    """What holds the last part of the path, and that part."""
    *before, last = path.split(".")
    found: Any = document
    for name in before:
        if create and name not in found:
            found[name] = {}
        found = found.get(name) if isinstance(found, dict) else None
    return found, last


def _has(document: Document, path: str) -> bool:
    parent, last = _parent(document, path)
    return isinstance(parent, dict) and last in parent


def _remove(document: Document, field: str | list[str], ignore_missing: bool = False) -> None:
    for path in [field] if isinstance(field, str) else field:
        if _has(document, path):
            parent, last = _parent(document, path)
            del parent[last]
        else:
            assert ignore_missing, path


def _rename(document: Document, field: str, target_field: str, ignore_missing: bool = False) -> None:
    if not _has(document, field):
        assert ignore_missing, field
        return
    assert not _has(document, target_field), f"{target_field} exists"
    parent, last = _parent(document, field)
    value = parent.pop(last)
    parent, last = _parent(document, target_field, create=True)
    parent[last] = value


def _set(document: Document, field: str, value: Any) -> None:
    parent, last = _parent(document, field, create=True)
    parent[last] = value


def _parsed(document: Document, field: str, target_field: str) -> None:
    document[target_field] = json.loads(document[field])


def _expand(document: Document, field: str, path: str, override: bool) -> None:
    assert (field, override) == ("*", True)
    within = document[path]
    for name in [name for name in within if "." in name]:
        value = within.pop(name)
        parent, last = _parent(within, name, create=True)
        parent[last] = value


def _date(document: Document, field: str, formats: list[str]) -> None:
    assert formats == ["ISO8601"]
    parent, last = _parent(document, field)
    moment = datetime.fromisoformat(parent[last]).astimezone(UTC)
    document["@timestamp"] = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _script(document: Document, lang: str, source: str) -> None:
    assert (lang, source) == ("painless", _NANOSECONDS)
    document.setdefault("event", {})["duration"] = int(document["line"]["processing_time"] * 1_000_000_000.0)


_PROCESSORS: dict[str, Callable[..., None]] = {
    "json": _parsed, "remove": _remove, "dot_expander": _expand, "date": _date, "set": _set, "rename": _rename, "script": _script,
}  # fmt: skip


def misfits(template: Document, document: Document) -> list[str]:
    """Fields of the document that have no type in the index template, or hold what the type refuses."""
    return list(_misfits(template["template"]["mappings"]["properties"], document, ""))


def _misfits(properties: Document, document: Document, prefix: str) -> Iterator[str]:
    for name, value in document.items():
        known = properties.get(name)
        if known is None:
            yield f"{prefix}{name}: no type"
        elif "properties" in known:
            yield from _misfits(known["properties"], value, f"{prefix}{name}.")
        elif not all(_fits(known["type"], one) for one in (value if isinstance(value, list) else [value])):
            yield f"{prefix}{name}: {value!r} is no {known['type']}"


def _fits(kind: str, value: Any) -> bool:
    if value is None:
        return True
    if kind in ("keyword", "wildcard", "match_only_text"):
        return isinstance(value, str)
    if kind == "ip":
        return isinstance(value, str) and bool(ipaddress.ip_address(value))
    if kind == "date":
        return isinstance(value, str) and value.endswith("Z")
    assert kind in ("long", "double"), kind
    return not isinstance(value, bool) and isinstance(value, int if kind == "long" else int | float)
