"""The OpenAPI 3.1 document, made from the routes' declarations and the wire structs; the same bytes at every call."""

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from rpsd import __version__
from rpsd.web.auth import declared
from rpsd.web.operation import PUBLIC, Operation
from rpsd.web.probe import PROBES
from rpsd.web.problem import MEDIA_TYPE, Problem
from rpsd.web.wire import JSON, MSGPACK

if TYPE_CHECKING:
    from litestar import Litestar

_REFERENCE: Final = "#/components/schemas/{name}"
_PATH_WORDS: Final = {
    "symbol": "Symbol, for example AAPL, BRK.B, ^GSPC; read in upper case.",
    "interval": "One of tick 1s 5s 15s 30s 1m 5m 15m 30m 1h 2h 4h 1d 1w.",
    "name": "Name, for example regime:AAPL:1d:3_state; of an artifact its path.",
    "job": "Id of a run; for /run the name of a job.",
    "key": "Id of a key.",
    "version": "Number of a version, or an alias such as champion.",
    "alias": "An alias that was set by hand.",
    "item": "Id of what was set aside.",
    "experiment": "Id or name of an experiment.",
    "run": "Id of a run of an experiment.",
    "view": "Name of a feature view, with its version after an @ if not the newest.",
    "report": "Id of a drift report.",
    "alert": "Id of an alert.",
    "chapter": "Chapter of the manual.",
    "picture": "File name of a picture of the manual.",
}
_TAGS: Final = {
    "series": "Stored market data",
    "denoise": "Denoised series",
    "regimes": "Market regimes",
    "models": "The model registry",
    "experiments": "Experiments and their runs",
    "features": "Features, views, vectors and frames",
    "drift": "Drift of what models see",
    "books": "Order books",
    "jobs": "Background work",
    "admin": "Keys, backups, settings, audit",
    "system": "Health, metrics, documentation",
}


def encoded(app: "Litestar") -> bytes:
    """The document as JSON, two spaces deep, so that a diff of the stored copy reads well."""
    return msgspec.json.format(msgspec.json.encode(document(app)), indent=2) + b"\n"


def document(app: "Litestar") -> dict[str, Any]:
    """The document."""
    rows = [(path, method, operation) for path, method, operation in declared(app) if operation is not None]
    rows = [row for row in rows if not row[0].startswith("/static")]
    kinds = _kinds([operation for _, _, operation in rows])
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REFERENCE)
    table = dict(zip(map(_key, kinds), schemas, strict=True))
    paths: dict[str, Any] = {}
    for path, method, operation in sorted(rows, key=lambda row: (row[0], row[1])):
        paths.setdefault(path, {})[method.lower()] = _operation(path, method, operation, table)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "rpsd",
            "version": __version__,
            "summary": "Regimes, predictions and signal denoising for financial time series.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": words} for name, words in _TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(components.items())),
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _key(kind: Any) -> str:
    return repr(kind)


def _kinds(operations: list[Operation]) -> list[Any]:
    """Every type that an operation mentions, once."""
    found: dict[str, Any] = {_key(Problem): Problem}
    for operation in operations:
        for kind in (*operation.reads.values(), *operation.writes.values(), operation.query):
            if kind is not None:
                found.setdefault(_key(kind), kind)
    return list(found.values())


def _operation(path: str, method: str, operation: Operation, table: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": _identifier(path, method),
        "summary": operation.summary,
        "tags": [operation.tag],
        "x-scope": operation.scope,
        "security": [] if operation.scope == PUBLIC else [{"key": []}, {"bearer": []}],
    }
    parameters = [_path_parameter(name) for name in re.findall(r"{(\w+)}", path)]
    parameters += _query_parameters(operation.query)
    if operation.once:
        words = "Repeating the request with the same key and body gives the first answer again, for 24 hours."
        schema = {"type": "string", "minLength": 1, "maxLength": 128}
        parameters.append({"name": "Idempotency-Key", "in": "header", "required": False, "description": words, "schema": schema})
    if parameters:
        described["parameters"] = parameters
    packed = path not in PROBES
    if operation.reads:
        described["requestBody"] = {"required": not path.endswith("/run"), "content": _content(operation.reads, table, packed=packed)}
    described["responses"] = _responses(operation, table, packed=packed)
    return described


def _identifier(path: str, method: str) -> str:
    words = [word.strip("{}").replace("-", "_").replace(".", "_") for word in path.split("/") if word not in ("", "api", "v1")]
    prefix = "v1_" if path.startswith("/api/v1/health") else ""
    return f"{method.lower()}_{prefix}{'_'.join(words) or 'front'}"


def _path_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "description": _PATH_WORDS[name], "schema": {"type": "string"}}


def _query_parameters(kind: type[Any] | None) -> list[dict[str, Any]]:
    if kind is None:
        return []
    _, components = msgspec.json.schema_components([kind], ref_template=_REFERENCE)
    schema = components[kind.__name__]
    required = schema.get("required", [])
    return [{"name": n, "in": "query", "required": n in required, "schema": s} for n, s in schema["properties"].items()]


def _content(types: Any, table: dict[str, Any], *, packed: bool) -> dict[str, Any]:
    """The media types; what is read and written as JSON is so as MessagePack, too, but for the probes, which the edge answers."""
    found: dict[str, Any] = {}
    for media, kind in types.items():
        found[media] = {"schema": table[_key(kind)]} if kind is not None else _raw(media)
        if media == JSON and kind is not None and packed:
            found[MSGPACK] = found[media]
    return found


def _raw(media: str) -> dict[str, Any]:
    """Bytes and texts have no schema but their media type."""
    if media == JSON:
        return {"schema": {"type": "object"}}
    return {"schema": {"type": "string"}} if media.startswith("text/") else {}


def _responses(operation: Operation, table: dict[str, Any], *, packed: bool) -> dict[str, Any]:
    problem = {MEDIA_TYPE: {"schema": table[_key(Problem)]}}
    return {
        str(operation.status): {
            "description": "Done." if operation.status != 202 else "Accepted.",
            "content": _content(operation.writes, table, packed=packed),
        },
        "default": {"description": "A problem, RFC 9457.", "content": problem},
    }
