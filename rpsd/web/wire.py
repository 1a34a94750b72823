"""Bodies and queries in, answers out: typed by msgspec, every bad place named, no NaN and no infinity either way."""

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import parse_qsl

import msgspec
import numpy as np
from litestar.response import Response
from msgspec.structs import fields

from rpsd.core.errors import (
    BadRange,
    BadTime,
    Fault,
    InternalError,
    InvalidRequest,
    MalformedBody,
    NotAcceptable,
    UnsupportedMediaType,
)
from rpsd.core.instant import bounded, parse
from rpsd.web.exchange import Exchange
from rpsd.web.limits import check_count, check_depth
from rpsd.web.msgpack import decoded_msgpack
from rpsd.web.places import below, fault_of, name_not_finite, plain, refused

T = TypeVar("T", bound=msgspec.Struct)

JSON: Final = "application/json"
CSV: Final = "text/csv"
NDJSON: Final = "application/x-ndjson"
MSGPACK: Final = "application/msgpack"
FLOATS: Final = "application/octet-stream"
_BESIDE: Final = 1 << 16  # values of a body beside its series
_PIECE: Final = 1 << 14  # cells of which JSON is made at a time: a millisecond in which no other thread runs
_INT64: Final = msgspec.Meta(ge=-(2**63), le=2**63 - 1)

Nanoseconds = Annotated[int, _INT64]
"""A 64-bit integer; anything larger is a fault of the request."""
Instant = Nanoseconds | str
"""A time in a body: ISO 8601, a date, or nanoseconds."""


class Body(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Base of everything that a request may hold: an unknown field is an error."""


class Query(Body):
    """Base of the query strings: text becomes numbers, an unknown name is an error."""


class Page(Query):
    """A page of a list."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    after: Annotated[str, msgspec.Meta(max_length=256)] | None = None


@lru_cache(256)
def _decoder(kind: type[Any]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def media_type(exchange: Exchange, *known: str) -> str:
    """The request's content type, one of the known. Raises UnsupportedMediaType; a body without a type counts as the first."""
    given = exchange.header(b"content-type").partition(";")[0].strip().lower()
    if given in known:
        return given
    if not given:
        return known[0]
    raise UnsupportedMediaType(f"content type {given[:60]!r} is not read here", hint=f"Send {' or '.join(known)}.")


def accepted(exchange: Exchange, *offered: str) -> str:
    """The offered type that the Accept header prefers. Raises NotAcceptable."""
    header = exchange.header(b"accept")
    if not header:
        return offered[0]
    best, quality = "", 0.0
    for part in header.split(",")[:20]:
        name, _, rest = part.partition(";")
        q = _quality(rest)
        pattern = name.strip().lower()
        match = next((o for o in offered if pattern in (o, "*/*", f"{o.partition('/')[0]}/*")), "")
        if match and q > quality:
            best, quality = match, q
    if not best:
        raise NotAcceptable(f"none of {', '.join(offered)} is accepted")
    return best


def _quality(parameters: str) -> float:
    match = re.search(r"q=([0-9.]+)", parameters)
    try:
        return min(float(match[1]), 1.0) if match else 1.0
    except ValueError:
        return 0.0


def read(exchange: Exchange, body: bytes, kind: type[T]) -> T:
    """The JSON or MessagePack body as a struct of this kind.

    Raises MalformedBody, BodyTooLarge, UnsupportedMediaType, NotFinite, InvalidRequest (every bad place).
    """
    most = exchange.services.settings.server.max_body_bytes // 4 + _BESIDE  # twice what float64 would fill: values, and times beside them
    if media_type(exchange, JSON, MSGPACK) == MSGPACK:
        packed: T = decoded_msgpack(body, kind, most=most)
        return packed
    if len(body) > most:
        check_count(body.count(b","), most)
    decoded: T = decoded_json(body, kind)
    return decoded


def decoded_json(body: bytes, kind: Any = Any) -> Any:
    """The JSON text as a value of the kind. Raises as read()."""
    if not body.strip():
        raise MalformedBody("the body is empty")
    check_depth(body)
    try:
        return _decoder(kind).decode(body)
    except UnicodeDecodeError as error:
        raise MalformedBody("the body is not UTF-8") from error
    except RecursionError as error:
        raise MalformedBody("the JSON nests too deep") from error
    except msgspec.ValidationError as error:
        raise refused(body, kind, str(error)) from error
    except msgspec.DecodeError as error:
        name_not_finite(body)
        raise MalformedBody(plain(str(error))) from error


@lru_cache(256)
def _parameters(kind: type[Any]) -> dict[str, Any]:
    """Name and type of each parameter; finding them costs more than reading them."""
    return {field.encode_name: field.type for field in fields(kind)}


def query(scope: Mapping[str, Any], kind: type[T]) -> T:
    """The query string as a struct of this kind. Raises InvalidRequest, naming every bad parameter."""
    try:
        pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError as error:
        raise InvalidRequest("the query string cannot be read", errors=[Fault("/query", "not UTF-8, or too many fields")]) from error
    given: dict[str, Any] = {}
    for name, value in pairs:
        if name in given:
            raise InvalidRequest(f"{name[:40]!r} is given twice", errors=[Fault(below("/query", name), "given twice")])
        given[name] = value
    known = _parameters(kind)
    faults = [Fault(below("/query", name), f"unknown; known are {', '.join(known) or 'none'}") for name in given if name not in known]
    faults += [fault for name in given if name in known and (fault := _misfit(given[name], known[name], name))]
    if faults:
        raise InvalidRequest(f"{faults[0].pointer}: {faults[0].reason}", errors=faults)
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        fault = fault_of(str(error), "/query")
        raise InvalidRequest(f"{fault.pointer}: {fault.reason}", errors=[fault]) from error


def _misfit(text: str, kind: Any, name: str) -> Fault | None:
    try:
        number = msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError as error:
        return fault_of(str(error), below("/query", name))
    bad = isinstance(number, float) and not math.isfinite(number)
    return Fault(below("/query", name), "not a finite number") if bad else None


def moment(given: int | str | None, pointer: str) -> int | None:
    """Nanoseconds of a time in a request; None stays None. Raises BadTime with the pointer."""
    return None if given is None else instant(given, pointer)


def instant(given: int | str, pointer: str) -> int:
    """Nanoseconds of a time in a request. Raises BadTime with the pointer."""
    try:
        if isinstance(given, str) and re.fullmatch(r"-?[0-9]{9,19}", given):  # nanoseconds, as a query string can give them
            given = int(given)
        return bounded(given) if isinstance(given, int) else parse(given)
    except BadTime as error:
        raise BadTime(error.detail, errors=[Fault(pointer, error.detail)]) from error


def span(start: int | str | None, end: int | str | None, where: str = "/query") -> tuple[int | None, int | None]:
    """Start and end in nanoseconds. Raises BadTime, BadRange when the end is before the start."""
    start_ns, end_ns = moment(start, f"{where}/start"), moment(end, f"{where}/end")
    if start_ns is not None and end_ns is not None and end_ns < start_ns:
        raise BadRange("the end is before the start", errors=[Fault(f"{where}/end", "before the start")])
    return start_ns, end_ns


def answer(exchange: Exchange, value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response[bytes]:
    """The answer as JSON, or as MessagePack to a request that prefers it; encoded here and now, in the handler's thread."""
    if MSGPACK in exchange.header(b"accept").lower() and accepted(exchange, JSON, MSGPACK) == MSGPACK:
        return Response(msgspec.msgpack.encode(value), status_code=status, media_type=MSGPACK, headers=headers)
    whole = msgspec.json.encode({name: _in_pieces(item) for name, item in value.items()} if isinstance(value, dict) else value)
    return Response(whole, status_code=status, media_type=JSON, headers=headers)


def told(exchange: Exchange, text: bytes) -> Response[bytes]:
    """An answer that is JSON already, or what it says as MessagePack to a request that prefers it."""
    if MSGPACK in exchange.header(b"accept").lower() and accepted(exchange, JSON, MSGPACK) == MSGPACK:
        return Response(msgspec.msgpack.encode(msgspec.json.decode(text)), media_type=MSGPACK)
    return Response(text, media_type=JSON)


def _in_pieces(item: Any) -> Any:
    """A long list as JSON text made piece by piece, so that other threads get their turn between two; anything else as it is."""
    if not isinstance(item, list) or len(item) <= _PIECE:
        return item
    pieces = [msgspec.json.encode(item[at : at + _PIECE])[1:-1] for at in range(0, len(item), _PIECE)]
    return msgspec.Raw(b"[" + b",".join(pieces) + b"]")


def strict(value: Any) -> None:
    """Raise InternalError when a small answer holds NaN or infinity, which JSON would turn into a silent null."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InternalError("an answer held a number that is not finite")
    elif isinstance(value, Mapping):
        for item in value.values():
            strict(item)
    elif isinstance(value, list | tuple):
        for item in value:
            strict(item)


def cells(values: Any) -> list[float | None]:
    """A column (n,) as JSON cells: NaN is null. Raises InternalError on infinity, which no answer may hold."""
    if np.isinf(values).any():
        raise InternalError("an answer held infinity")
    plain: list[float | None] = []
    for at in range(0, values.size, _PIECE):
        plain += values[at : at + _PIECE].tolist()
    for row in np.flatnonzero(np.isnan(values)).tolist():
        plain[row] = None
    return plain
