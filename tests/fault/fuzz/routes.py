"""What the server declares: its operations, from the document it serves, and the codes of errors, from the manual."""

import re
from dataclasses import dataclass
from typing import Any, Final

from tests.conftest import ROOT

SCOPES: Final = ("read", "ingest", "predict", "train", "admin")


@dataclass(frozen=True, slots=True)
class Route:
    """One operation: its method, the template of its path, its scope, and the names that its query knows."""

    method: str
    path: str
    scope: str
    query: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    def matches(self) -> "re.Pattern[str]":
        """What paths of this operation look like."""
        return re.compile("^" + re.sub(r"\{\w+\}", "[^/]+", self.path) + "$")


def routes_of(document: dict[str, Any]) -> dict[str, Route]:
    """The operations of an OpenAPI document by name, `METHOD /path`."""
    found = {}
    for path, operations in document["paths"].items():
        for method, told in operations.items():
            names = tuple(one["name"] for one in told.get("parameters", ()) if one["in"] == "query")
            route = Route(method.upper(), path, told["x-scope"], names)
            found[route.name] = route
    return found


def codes() -> frozenset[str]:
    """Every code of the manual's chapter on errors."""
    text = (ROOT / "rpsd" / "manual" / "errors.md").read_text(encoding="utf-8")
    return frozenset(re.findall(r"^## `(\w+)`$", text, re.MULTILINE))
