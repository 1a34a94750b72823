"""A YAML file as dotted names with their places: no tags, no duplicate keys, bounded depth, size and aliases."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rpsd.core.errors import BadConfig, Fault, UnknownFile

MOST_BYTES = 1 << 20
MOST_DEPTH = 32
MOST_NODES = 20_000
"""After aliases are followed; an alias bomb stops here."""

# The C parser where PyYAML was built with it: 54 ms of import either way, ten times faster to parse.
_Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NUMBER_TAGS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


@dataclass(frozen=True, slots=True)
class Placed:
    """A value of the file: scalar, list, or a dict of Placed, and where it stands, e.g. /etc/rpsd/config.yaml:3:5."""

    value: Any
    place: str


class _Reader:
    """Turns nodes into Placed values and collects faults by place."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.faults: list[Fault] = []
        self.count = 0

    def place(self, mark: Any) -> str:
        return f"{self.source}:{mark.line + 1}:{mark.column + 1}"

    def read(self, node: yaml.Node, depth: int = 0) -> Placed:
        """The node and everything below it. Raises BadConfig when it is too deep or too large."""
        self.count += 1
        place = self.place(node.start_mark)
        if depth > MOST_DEPTH or self.count > MOST_NODES:
            reason = f"deeper than {MOST_DEPTH} levels or more than {MOST_NODES} values"
            raise BadConfig(f"{place}: {reason}", errors=[Fault(place, reason)])
        if isinstance(node, yaml.MappingNode):
            return Placed(self._mapping(node, depth), place)
        if isinstance(node, yaml.SequenceNode):
            return Placed([plain(self.read(item, depth + 1)) for item in node.value], place)
        return Placed(_scalar(node), place)

    def _mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Placed]:
        found: dict[str, Placed] = {}
        for key, child in node.value:
            place = self.place(key.start_mark)
            if not isinstance(key, yaml.ScalarNode):
                self.faults.append(Fault(place, "a key must be a plain word"))
            elif key.value in found:
                self.faults.append(Fault(place, f"{key.value}: stands here a second time; keep one"))
            else:
                found[key.value] = Placed(self.read(child, depth + 1).value, place)
        return found


def plain(placed: Placed) -> Any:
    """The value without its places."""
    if isinstance(placed.value, dict):
        return {key: plain(child) for key, child in placed.value.items()}
    return placed.value


def _scalar(node: yaml.Node) -> Any:
    """The scalar in Python; YAML 1.1 reads 02:00 as the number 120 and dates as dates: here both stay text."""
    if node.tag in _NUMBER_TAGS and ":" not in node.value:
        constructor = yaml.constructor.SafeConstructor()
        return constructor.construct_object(node)
    if node.tag == "tag:yaml.org,2002:bool":
        return node.value.lower() in ("true", "yes", "on")
    return None if node.tag == "tag:yaml.org,2002:null" else node.value


def _refuse_unsafe(text: str, source: str) -> None:
    """Walk the events, which costs no recursion. Raises BadConfig on tags, second documents and depth."""
    depth, documents = 0, 0
    for event in yaml.parse(text, Loader=_Loader):
        mark: Any = event.start_mark
        place = f"{source}:{mark.line + 1}:{mark.column + 1}"
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        documents += isinstance(event, yaml.DocumentStartEvent)
        tag = getattr(event, "tag", None)
        reason = (
            f"the tag {tag[:60]} is not allowed; write plain values" if tag
            else f"deeper than {MOST_DEPTH} levels" if depth > MOST_DEPTH
            else "a second document; keep one" if documents > 1
            else ""
        )  # fmt: skip
        if reason:
            raise BadConfig(f"{place}: {reason}", errors=[Fault(place, reason)])


def parse(text: str, source: str) -> tuple[Placed, list[Fault]]:
    """The document (an empty mapping for an empty one) and the faults of its form. Raises BadConfig when it cannot be read at all."""
    try:
        _refuse_unsafe(text, source)
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = source if mark is None else f"{source}:{mark.line + 1}:{mark.column + 1}"
        raise BadConfig(f"{place}: {error.problem}", errors=[Fault(place, str(error.problem))]) from error
    except yaml.YAMLError as error:
        raise BadConfig(f"{source}: not YAML in UTF-8", errors=[Fault(source, "not YAML in UTF-8")]) from error
    if node is None or (isinstance(node, yaml.ScalarNode) and _scalar(node) is None):
        return Placed({}, source), []
    if not isinstance(node, yaml.MappingNode):
        raise BadConfig(f"{source}:1:1: expected sections such as `server:`", errors=[Fault(f"{source}:1:1", "expected sections")])
    reader = _Reader(source)
    found = reader.read(node)
    return found, reader.faults


def load(path: Path) -> tuple[Placed, list[Fault]]:
    """parse() of the file. Raises UnknownFile when it cannot be opened, BadConfig when it is too large or not UTF-8."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnknownFile(f"{path}: {error.strerror}") from error
    if len(data) > MOST_BYTES:
        raise BadConfig(f"{path}: larger than {MOST_BYTES} bytes", errors=[Fault(str(path), "too large")])
    try:
        return parse(data.decode("utf-8-sig"), str(path))
    except UnicodeDecodeError as error:
        raise BadConfig(f"{path}: not UTF-8", errors=[Fault(str(path), f"byte {error.start} is not UTF-8")]) from error


def scalar(text: str) -> Any:
    """A value given as text in the environment or a flag: read as YAML where that gives a scalar, a list or a mapping, else the text."""
    try:
        found, faults = parse(f"value: {text}", "value")
    except BadConfig:
        return text
    return text if faults or "value" not in found.value else plain(found)["value"]
