"""What a valid request is made of."""

import json
from dataclasses import dataclass, field
from typing import Any, Final

MODEL: Final = b"a model file"
"""Stands for the file of a model that the server itself gives out."""
JSON: Final = b"application/json"
MSGPACK: Final = b"application/msgpack"
CSV: Final = b"text/csv"
NDJSON: Final = b"application/x-ndjson"
OCTETS: Final = b"application/octet-stream"


@dataclass(frozen=True, slots=True)
class Seed:
    """A request that is right. `body` is a value to be sent as JSON, or bytes of the type `kind`; `often` its share among its equals.

    `expects` is the status where a right request meets nothing it could be done to; 0 stands for those of success.

    `route` is the operation; `path` fills its places, {run} and the like as `Bindings` know them.
    """

    route: str
    path: str
    body: Any = None
    kind: bytes = JSON
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[bytes, bytes], ...] = ()
    often: float = 1.0
    expects: int = 0

    @property
    def method(self) -> bytes:
        return self.route.partition(" ")[0].encode()

    def content(self) -> bytes:
        """The body's bytes."""
        if self.body is None:
            return b""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass(slots=True)
class Bindings:
    """What is only known once the server runs: keys by scope, and ids of what `furnish` made by the name of their place."""

    port: int
    keys: dict[str, str] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    model: bytes = MODEL


def page(path: str, *more: tuple[str, str]) -> Seed:
    """A list, five of it."""
    return Seed(f"GET {path}", path, query=(("limit", "5"), *more))


def read(route: str, path: str = "", expects: int = 0, **query: str) -> Seed:
    """A read of the route, at the path when that has places."""
    return Seed(f"GET {route}", path or route, query=tuple(query.items()), expects=expects)
