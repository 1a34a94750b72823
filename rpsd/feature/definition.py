"""Reading the definition of a view: every bad place is named, cycles included, and what is good becomes steps."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rpsd.core.errors import Fault
from rpsd.core.feature import LONGEST_WINDOW, MOST_FEATURES, NAME
from rpsd.core.model_errors import BadView, UnknownFeature
from rpsd.feature.naming import find, names_of
from rpsd.feature.node import INPUTS, Node, feature_node, input_node, transform_node
from rpsd.feature.transform import TRANSFORMS, Transform

_DEEPEST: Final = 8  # views within views
_TRANSFORMS: Final = {transform.name: transform for transform in TRANSFORMS}


class Reading:
    """The steps found so far and what is wrong. One reading serves one definition."""

    def __init__(self, known: Mapping[str, Mapping[str, Any]]) -> None:
        self.nodes: list[Node] = []
        self._known = known
        self._places: dict[tuple[Any, ...], int] = {}
        self._faults: list[Fault] = []
        self._unknown = 0

    def read(self, name: str, definition: Any) -> tuple[dict[str, Any], dict[str, int]]:
        """The definition with its defaults filled in and its views pinned, and the place of the step of each column.

        Raises UnknownFeature, BadView.
        """
        pinned, columns = self.view((name,), definition, "")
        if not columns and not self._faults:
            self.fault("/features", "a view has one feature or more")
        if self._faults:
            error = UnknownFeature if self._unknown == len(self._faults) else BadView
            raise error(f"{self._faults[0].pointer or '/'}: {self._faults[0].reason}", errors=self._faults)
        return pinned, columns

    def fault(self, pointer: str, reason: str) -> None:
        """Note a bad place."""
        self._faults.append(Fault(pointer, reason))

    def view(self, path: tuple[str, ...], definition: Any, pointer: str) -> tuple[dict[str, Any], dict[str, int]]:
        """One view, the last of the path of views that include each other."""
        items, views = self._parts(definition, pointer)
        columns: dict[str, int] = {}
        pins = [self._include(path, view, f"{pointer}/views/{i}", columns) for i, view in enumerate(views)]
        own = _Items(self, columns, pointer)
        for i, item in enumerate(items):
            own.take(item, f"{pointer}/features/{i}")
        columns = columns | own.columns()
        if len(columns) > MOST_FEATURES:
            self.fault(pointer or "/features", f"{len(columns)} features; a view has {MOST_FEATURES} at most, those of its views included")
        return {"features": own.pinned(), "views": [pin for pin in pins if pin]}, columns

    def _parts(self, definition: Any, pointer: str) -> tuple[list[Any], list[Any]]:
        """The lists of features and of views."""
        if not isinstance(definition, Mapping):
            self.fault(pointer, 'expected {"features": [...], "views": [...]}')
            return [], []
        for name in definition:
            if name not in ("features", "views"):
                self.fault(f"{pointer}/{str(name)[:40]}", "unknown; known are features, views")
        parts: list[list[Any]] = []
        for name in ("features", "views"):
            given = definition.get(name, ())
            if isinstance(given, str | bytes | Mapping) or not isinstance(given, Sequence):
                self.fault(f"{pointer}/{name}", "expected a list")
                given = ()
            elif len(given) > MOST_FEATURES:
                self.fault(f"{pointer}/{name}", f"{len(given)} entries; {MOST_FEATURES} at most")
                given = ()
            parts.append(list(given))
        return parts[0], parts[1]

    def _include(self, path: tuple[str, ...], view: Any, pointer: str, columns: dict[str, int]) -> str | None:
        """Take the columns of another view; its name with its version, None when it cannot be had."""
        pin = self._pin(path, view, pointer)
        if pin is None:
            return None
        name = pin.partition("@")[0]
        if any(column.startswith(f"{name}.") for column in columns):
            self.fault(pointer, f"the view {name} is included twice")
            return None
        if len(path) >= _DEEPEST:
            self.fault(pointer, f"views within views reach deeper than {_DEEPEST}")
            return None
        _, inner = self.view((*path, pin), self._known[pin], pointer)
        columns.update({f"{name}.{column}": place for column, place in inner.items()})
        return pin

    def _pin(self, path: tuple[str, ...], view: Any, pointer: str) -> str | None:
        """name@version of the view that is meant."""
        if not isinstance(view, str):
            self.fault(pointer, "expected the name of a view, or name@version")
            return None
        if view in path:
            self.fault(pointer, f"a cycle of views: {' > '.join([*path[path.index(view) :], view])}")
            return None
        name, _, version = view.partition("@")
        versions = [int(key.partition("@")[2]) for key in self._known if key.partition("@")[0] == name]
        if not versions or (version and view not in self._known):
            self.fault(pointer, f"there is no view {view[:60]!r}")
            return None
        pin = view if version else f"{name}@{max(versions)}"
        if pin in path or (not version and name in (key.partition("@")[0] for key in path)):
            self.fault(pointer, f"a cycle of views: {' > '.join([*path, pin])}")
            return None
        return pin

    def feature(self, name: str, pointer: str) -> int | None:
        """The place of a feature of the catalogue, None when there is none of that name."""
        try:
            feature, windows = find(name)
        except UnknownFeature as error:
            self._unknown += 1
            self.fault(pointer, error.detail)
            return None
        if not feature.causal:
            self.fault(pointer, f"{name} looks ahead; a view holds causal features only")
            return None
        inputs = [self.input(column) for column in feature.inputs]
        parts = [place for part in names_of(feature, windows) if (place := self.feature(part, pointer)) is not None]
        warm = max((self.nodes[place].lookback for place in parts), default=0)
        return self.place(feature_node(feature, windows, (*inputs, *parts), warm), pointer)

    def input(self, name: str) -> int:
        """The place of a column of the series."""
        return self.place(input_node(name), "")

    def place(self, node: Node, pointer: str) -> int:
        """The place of a step; equal steps share it."""
        if node.lookback > LONGEST_WINDOW:
            self.fault(pointer, f"it looks back {node.lookback} bars; {LONGEST_WINDOW} at most")
        key = (node.kind, node.name, node.windows, node.sources)
        if key not in self._places:
            self._places[key] = len(self.nodes)
            self.nodes.append(node)
        return self._places[key]


class _Items:
    """The items of one view, which may name each other in any order."""

    def __init__(self, reading: Reading, included: Mapping[str, int], pointer: str) -> None:
        self._reading = reading
        self._included = included
        self._pointer = pointer
        self._wanted: dict[str, tuple[Mapping[str, Any] | None, str]] = {}
        self._found: dict[str, int | None] = {}
        self._open: list[str] = []

    def take(self, item: Any, pointer: str) -> None:
        """Note an item under its name."""
        fault = self._reading.fault
        given = None if isinstance(item, str) else item
        name = item if given is None else given.get("name") if isinstance(given, Mapping) else None
        if not isinstance(name, str):
            fault(pointer, 'expected a feature such as "sma_20", or {"name", "transform", "of", "window"}')
        elif name in self._wanted:
            fault(pointer, f"{name[:60]!r} is named twice")
        elif given is not None and (reason := _unfit(name)):
            fault(f"{pointer}/name", reason)
        else:
            self._wanted[name] = (given, pointer)

    def columns(self) -> dict[str, int]:
        """The place of each item's step, of those that are good."""
        places = {name: self._place(name) for name in self._wanted}
        return {name: place for name, place in places.items() if place is not None}

    def pinned(self) -> list[Any]:
        """The items with their defaults filled in."""
        return [name if item is None else _filled(item) for name, (item, _) in self._wanted.items()]

    def _place(self, name: str) -> int | None:
        """The place of the item of that name."""
        if name in self._found:
            return self._found[name]
        item, pointer = self._wanted[name]
        if name in self._open:
            self._reading.fault(pointer, f"a cycle of items: {' > '.join([*self._open[self._open.index(name) :], name])}")
            return None
        self._open.append(name)
        place = self._reading.feature(name, pointer) if item is None else self._transformed(item, pointer)
        self._open.pop()
        self._found[name] = place
        return place

    def _transformed(self, item: Mapping[str, Any], pointer: str) -> int | None:
        """The place of a transform of one other step, or of two."""
        fault = self._reading.fault
        transform = _TRANSFORMS.get(item["transform"]) if isinstance(item.get("transform"), str) else None
        if transform is None:
            fault(f"{pointer}/transform", f"expected one of {', '.join(_TRANSFORMS)}")
            return None
        allowed = {"name", "transform", "of"} | ({"by"} if transform.sources == 2 else set()) | ({"window"} if transform.window else set())
        for key in item:
            if key not in allowed:
                fault(f"{pointer}/{str(key)[:40]}", f"unknown; {transform.name} takes {', '.join(sorted(allowed))}")
        window = _window(transform, item)
        if transform.window and window is None:
            fault(f"{pointer}/window", f"expected a whole number of bars from {transform.bounds[0]} to {transform.bounds[1]}")
        places = [self._source(item.get(key), f"{pointer}/{key}") for key in ("of", "by")[: transform.sources]]
        there = tuple(place for place in places if place is not None)
        if len(there) < len(places) or (transform.window and window is None):
            return None
        node = transform_node(transform, window, there, tuple(self._reading.nodes[place] for place in there))
        return self._reading.place(node, pointer)

    def _source(self, name: Any, pointer: str) -> int | None:
        """The place of what a transform reads: an item, a column of an included view, an input or a feature."""
        if not isinstance(name, str):
            self._reading.fault(pointer, "expected the name of a feature, an item or an input")
            return None
        if name in self._wanted:
            return self._place(name)
        if name in self._included:
            return self._included[name]
        return self._reading.input(name) if name in INPUTS else self._reading.feature(name, pointer)


def _unfit(name: str) -> str | None:
    """Why an item cannot have this name."""
    if not NAME.fullmatch(name):
        return f"{name[:60]!r} is not a name: small letters, digits and underscores, 32 at most, a letter first"
    try:
        find(name)
    except UnknownFeature:
        return f"{name} is an input" if name in INPUTS else None
    return f"{name} is a feature of the catalogue"


def _window(transform: Transform, item: Mapping[str, Any]) -> int | None:
    """The window of the item, None when it is unfit or the transform has none."""
    window = item.get("window", transform.window)
    fit = type(window) is int and transform.bounds[0] <= window <= transform.bounds[1]
    return window if transform.window and fit else None


def _filled(item: Mapping[str, Any]) -> dict[str, Any]:
    """The item with its window; a bad item as it is, since the view is refused."""
    transform = _TRANSFORMS.get(item["transform"]) if isinstance(item.get("transform"), str) else None
    filled = {key: item[key] for key in ("name", "transform", "of", "by", "window") if key in item}
    return filled | ({"window": transform.window} if transform and transform.window and "window" not in item else {})
