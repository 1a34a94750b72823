"""Setting values in a settings file that a person wrote: their comments, order and other lines stay as they are."""

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from rpsd.config.document import MOST_BYTES, parse, plain
from rpsd.core.errors import BadConfig, Fault, UnsafeStorage


def rewritten(text: str, section: str, values: Mapping[str, Any], source: str) -> str:
    """The text of a settings file with these values in a top-level section; scalars and lists of text.

    Raises BadConfig when the file cannot be read, or is written so that this would change something else.
    """
    document, faults = parse(text, source)
    if faults:
        raise BadConfig(f"{faults[0].pointer}: {faults[0].reason}", errors=faults)
    before = plain(document)
    held = before.get(section)
    if held is None:
        held = {}
    elif not isinstance(held, dict):
        reason = f"{source}: {section}: expected settings below it, got a value"
        raise BadConfig(reason, errors=[Fault(source, reason)])
    wanted = {name: value for name, value in values.items() if name not in held or held[name] != value}
    if not wanted:
        return text
    expected = before | {section: held | wanted}
    made = _edited(text, section, wanted)
    try:
        found = plain(parse(made, source)[0])
    except BadConfig:
        found = None
    if found != expected:
        reason = f"{source}: cannot be changed by itself; set {', '.join(f'{section}.{name}: {_written(v)}' for name, v in wanted.items())}"
        raise BadConfig(reason, errors=[Fault(source, reason)])
    return made


def _written(value: Any) -> str:
    """A value as YAML in one line; JSON is YAML, and quotes keep every text a text."""
    return json.dumps(value, ensure_ascii=False)


def _edited(text: str, section: str, values: Mapping[str, Any]) -> str:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    below = _child(root, section)
    lines = "".join(f"  {name}: {_written(value)}\n" for name, value in values.items())
    if below is None:
        gap = "" if not text or text.endswith("\n") else "\n"
        return f"{text}{gap}{section}:\n{lines}"
    key, node = below
    if not isinstance(node, yaml.MappingNode):  # `server:` with nothing below it
        end = text.find("\n", key.end_mark.index) + 1
        return f"{text[:end]}{lines}{text[end:]}" if end else f"{text}\n{lines}"
    fresh = dict(values)
    for child, held in reversed(node.value):  # from the end, so that the places before stay where they are
        if child.value in fresh:
            is_block = isinstance(held, yaml.CollectionNode) and not held.flow_style
            start = child.end_mark.index + 1 if is_block else held.start_mark.index
            text = f"{text[:start]}{' ' * is_block}{_written(fresh.pop(child.value))}{text[_end(held) :]}"
    first = node.start_mark.index
    if node.flow_style:
        return f"{text[: first + 1]}{''.join(f'{name}: {_written(value)}, ' for name, value in fresh.items())}{text[first + 1 :]}"
    indent = "\n" + " " * node.start_mark.column
    return f"{text[:first]}{''.join(f'{name}: {_written(value)}{indent}' for name, value in fresh.items())}{text[first:]}"


def _end(node: Any) -> int:
    """Where the text of a node ends; a block's own mark lies behind the comments that follow it."""
    while isinstance(node, yaml.CollectionNode) and not node.flow_style:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    return int(node.end_mark.index)


def _child(root: Any, name: str) -> Any:
    """Key and value of a mapping's entry, None when it has none."""
    entries = root.value if isinstance(root, yaml.MappingNode) else ()
    return next(((key, value) for key, value in entries if key.value == name), None)


def set_values(file: Path, section: str, values: Mapping[str, Any]) -> bool:
    """rewritten() in place, whole or not at all; a file that is not there is made (0640). Whether something changed.

    Raises BadConfig, UnsafeStorage when the file cannot be read or written.
    """
    try:
        is_there = file.is_file()
        if is_there and file.stat().st_size > MOST_BYTES:
            raise BadConfig(f"{file}: larger than {MOST_BYTES} bytes", errors=[Fault(str(file), "too large")])
        text = file.read_text("utf-8") if is_there else ""
        made = rewritten(text, section, values, str(file))
        if made == text:
            return False
        file.parent.mkdir(0o750, parents=True, exist_ok=True)
        _replace(file.resolve(), made, file.stat() if is_there else None)
    except OSError as error:
        raise UnsafeStorage(f"{file}: {error.strerror}", hint="Run it as a user who may write the settings file.") from error
    except UnicodeDecodeError as error:
        raise BadConfig(f"{file}: not UTF-8", errors=[Fault(str(file), "not UTF-8")]) from error
    return True


def _replace(file: Path, text: str, before: os.stat_result | None) -> None:
    """Put the text in the file's place with the owner and mode it had."""
    partial = file.with_name(f"{file.name}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        if before is not None:
            os.fchmod(descriptor, stat.S_IMODE(before.st_mode))
            if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(descriptor, before.st_uid, before.st_gid)
        stream.write(text)
        stream.flush()
        os.fsync(descriptor)
    partial.replace(file)
