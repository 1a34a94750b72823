"""The OpenAPI 3.1 document, made from the routes' declarations and the wire structs; the same bytes at every call."""

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from rpsd import __version__
from rpsd.core.market import INTERVALS
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
    "errand": "Id of something that another process carries out.",
    "message": "Id of a message to a receiver.",
}
_PATH_SCHEMAS: Final[dict[str, dict[str, Any]]] = {
    "symbol": {"type": "string", "pattern": "^[A-Za-z0-9^][A-Za-z0-9._=^-]{0,31}$"},
    "interval": {"type": "string", "enum": list(INTERVALS)},
}
_EITHER: Final = {
    "oneOf": [
        {"required": [one], "properties": {one: {"type": kind}, other: {"type": "null"}}}
        for one, kind, other in (("values", "array", "series"), ("series", "object", "values"))
    ]
}
_BETWEEN_FIELDS: Final[dict[str, dict[str, Any]]] = {
    "CompareBody": _EITHER,
    "SearchBody": {
        "allOf": [
            _EITHER,
            {
                "oneOf": [
                    {
                        "required": ["method", "grid"],
                        "properties": {
                            "method": {"type": "string"},
                            "grid": {"minProperties": 1, "additionalProperties": {"minItems": 1}},
                            "configurations": {"maxItems": 0},
                        },
                    },
                    {
                        "required": ["configurations"],
                        "properties": {
                            **{"method": {"type": "null"}, "configurations": {"minItems": 1}},
                            **{"grid": {"maxProperties": 0}, "params": {"maxProperties": 0}},
                        },
                    },
                ]
            },
        ]
    },
    "PredictBody": {"required": ["symbol"], "properties": {"symbol": {"type": "string"}}},
    "BacktestBody": {
        "required": ["taker_fee_bps", "maker_fee_bps"],
        "properties": {"taker_fee_bps": {"type": "number"}, "maker_fee_bps": {"type": "number"}},
        "anyOf": [
            {"properties": {"model_name": {"type": "null"}}},
            {"properties": {"label": {"type": "null"}, "book": {"maxProperties": 0}}},
        ],
    },
    "SetAlias": {"properties": {"alias": {"pattern": "^[a-z][a-z0-9_-]{0,31}$"}}},
    "MoveStage": {"properties": {"stage": {"enum": ["candidate", "staging", "archived"]}}},
}
"""What the handlers ask of several fields together, or of one beyond its type; it stands beside the schema of the struct."""
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
    "streams": "Live events; also over a WebSocket at /api/v1/ws, whose frames are in the manual's chapter on events",
    "access": "Tokens and tickets made from a key",
    "admin": "Keys, backups, settings, audit",
    "outbound": "What rpsd-outbound takes and brings back; at its own socket alone",
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
            "schemas": {name: _completed(name, schema) for name, schema in sorted(components.items())},
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _completed(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return schema | {"allOf": [_BETWEEN_FIELDS[name]]} if name in _BETWEEN_FIELDS else schema


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
    described["responses"] = _responses(path, operation, table, packed=packed)
    return described


def _identifier(path: str, method: str) -> str:
    words = [word.strip("{}").replace("-", "_").replace(".", "_") for word in path.split("/") if word not in ("", "api", "v1")]
    prefix = "v1_" if path.startswith("/api/v1/health") else ""
    return f"{method.lower()}_{prefix}{'_'.join(words) or 'front'}"


def _path_parameter(name: str) -> dict[str, Any]:
    schema = _PATH_SCHEMAS.get(name, {"type": "string", "minLength": 1})
    return {"name": name, "in": "path", "required": True, "description": _PATH_WORDS[name], "schema": schema}


def _query_parameters(kind: type[Any] | None) -> list[dict[str, Any]]:
    if kind is None:
        return []
    _, components = msgspec.json.schema_components([kind], ref_template=_REFERENCE)
    schema = components[kind.__name__]
    required = schema.get("required", [])
    return [{"name": n, "in": "query", "required": n in required, "schema": _of_text(s)} for n, s in schema["properties"].items()]


def _of_text(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a parameter: it is left out or given as text, but never null."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if not kinds:
        return schema
    rest = {name: value for name, value in schema.items() if name != "anyOf" and not (name == "default" and value is None)}
    return kinds[0] | rest if len(kinds) == 1 else {"anyOf": kinds, **rest}


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


def _refusals(path: str, operation: Operation) -> dict[int, str]:
    """Why an operation may be refused, by status."""
    found = {429: "Too many calls; Retry-After says when."}
    if operation.scope != PUBLIC:
        found |= {401: "No key, or one that is not valid.", 403: f"The key lacks the scope {operation.scope}, or the host is not allowed."}
    elif operation.tag == "access":  # public, for it carries what it needs
        found |= {401: "What the request carries is not valid.", 403: "The key lacks a scope, or the host is not allowed."}
    if "{" in path:
        found[404] = "Nothing of that name."
    if operation.reads:
        found |= {400: "The body cannot be read.", 413: "The body is too large.", 415: "The content type is not read here."}
    if operation.reads or operation.query or "{" in path:
        found[422] = "Well formed, but not what the schema or its meaning asks for; `errors` names the places."
    if operation.once:
        found[409] = "The key was used with another body, or the state forbids it."
    return dict(sorted(found.items()))


def _responses(path: str, operation: Operation, table: dict[str, Any], *, packed: bool) -> dict[str, Any]:
    problem = {MEDIA_TYPE: {"schema": table[_key(Problem)]}}
    return {
        str(operation.status): {
            "description": "Done." if operation.status != 202 else "Accepted.",
            "content": _content(operation.writes, table, packed=packed),
        },
        **{str(status): {"description": words, "content": problem} for status, words in _refusals(path, operation).items()},
        "default": {"description": "A problem, RFC 9457.", "content": problem},
    }
