"""Denoising: values in the request, or a stored series; JSON or raw float64 both ways."""

from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec
import numpy as np
from litestar import Request, get, post
from litestar.params import FromPath, RawBody
from litestar.response import Response

from rpsd.core.errors import Fault, InvalidRequest, MalformedBody, NotFinite
from rpsd.core.instant import texts
from rpsd.web.exchange import Exchange, of
from rpsd.web.operation import declare
from rpsd.web.wire import (
    FLOATS,
    JSON,
    MSGPACK,
    Body,
    Instant,
    Query,
    accepted,
    answer,
    cells,
    decoded_json,
    instant,
    media_type,
    query,
    read,
    span,
    strict,
)

if TYPE_CHECKING:
    from rpsd.core.market import Times, Vector
    from rpsd.core.result import DenoiseResult

_LARGEST: Final = 1e150  # its square still fits into float64, with room for a sum

Causality = Literal["hindsight", "causal", "lag"]
Scale = Literal["auto", "price", "log", "return"]
Fill = Literal["none", "bridge"]
Lag = Annotated[int, msgspec.Meta(ge=1, le=256)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class DenoiseOptions(Body):
    """How to denoise; what is left out comes from the settings."""

    method: Name | None = None
    causality: Causality = "hindsight"
    lag: Lag | None = None
    scale: Scale = "auto"
    fill: Fill = "none"
    band: bool = False
    params: dict[str, Any] = msgspec.field(default_factory=dict)
    guardrails: dict[str, Any] = msgspec.field(default_factory=dict)


class DenoiseBody(DenoiseOptions, kw_only=True):
    """Values to denoise, with their times if they have any; null is a missing value."""

    values: Annotated[list[float | None], msgspec.Meta(min_length=1)]
    t: list[Instant] | None = None


class SeriesDenoiseBody(DenoiseOptions, kw_only=True):
    """Which stored column to denoise, and whether to keep the result as a column of its own."""

    column: Name = "close"
    start: Instant | None = None
    end: Instant | None = None
    save_as: Name | None = None


class DenoiseQuery(Query):
    """The options of an octet-stream request; params and guardrails as JSON texts."""

    method: Name | None = None
    causality: Causality = "hindsight"
    lag: Lag | None = None
    scale: Scale = "auto"
    fill: Fill = "none"
    band: bool = False
    params: str = "{}"
    guardrails: str = "{}"


class Verdict(msgspec.Struct):
    """One guardrail; null where it does not apply."""

    value: float | None
    threshold: float | None
    passed: bool | None


class Warned(msgspec.Struct):
    """Something doubtful."""

    code: str
    detail: str


class Account(msgspec.Struct):
    """What was done and how far to trust it."""

    method: str
    params: dict[str, Any]
    causal: bool
    lag: int
    scale: str
    guardrails: dict[str, Verdict]
    passed: bool
    action: str
    reason: str
    noise_sigma: float
    snr_gain_db: float | None
    variance_reduction: float
    quality_score: float
    n: int
    processing_time: float
    trace: list[dict[str, Any]]
    evidence: dict[str, Any]
    warnings: list[Warned]


class Denoised(Account, kw_only=True):
    """The denoised values with their account; the 95 % band when it was asked for, null where the method has no model of its error."""

    values: list[float | None]
    lower: list[float | None] | msgspec.UnsetType = msgspec.UNSET
    upper: list[float | None] | msgspec.UnsetType = msgspec.UNSET
    t: list[str] | msgspec.UnsetType = msgspec.UNSET


class MethodList(msgspec.Struct):
    """The catalogue of methods."""

    methods: list[dict[str, Any]]


@get(
    "/api/v1/denoise/methods",
    opt=declare("read", "The methods: causality, parameters with defaults and bounds, source.", "denoise", writes={JSON: MethodList}),
    sync_to_thread=True,
)
def methods(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The catalogue."""
    return answer(of(request), {"methods": of(request).services.denoise.methods()})


@post(
    "/api/v1/denoise",
    opt=declare(
        "predict",
        "Denoise values. application/octet-stream is float64 little endian, options in the query, the account in the header Rpsd-Result.",
        "denoise",
        query=DenoiseQuery,
        reads={JSON: DenoiseBody, FLOATS: None},
        writes={JSON: Denoised, FLOATS: None},
    ),
    status_code=200,
    sync_to_thread=True,
)
def denoise(request: Request[Any, Any, Any], body: RawBody) -> Response[bytes]:
    """Denoise the values of the request."""
    started = perf_counter()
    exchange = of(request)
    kind = media_type(exchange, JSON, MSGPACK, FLOATS)
    wanted = accepted(exchange, *((FLOATS, JSON, MSGPACK) if kind == FLOATS else (JSON, MSGPACK, FLOATS)))
    if kind == FLOATS:
        given: DenoiseOptions = _options(query(request.scope, DenoiseQuery))
        values, t = _floats(body), None
    else:
        query(request.scope, Query)
        asked = read(exchange, body, DenoiseBody)
        given, values, t = asked, np.array(asked.values, np.float64), _times(asked)
    _refuse_huge(values)
    if given.band and wanted == FLOATS:
        reason = f"the band needs an answer as {JSON}: float64 values hold no null"
        raise InvalidRequest(f"/band: {reason}", errors=[Fault("/band", reason)], hint=f"Send Accept: {JSON}.")
    result = exchange.services.denoise.run(
        values,
        t=t,
        method=given.method,
        causality=given.causality,
        lag=given.lag,
        scale=given.scale,
        fill=given.fill,
        band=given.band,
        params=given.params,
        guardrails=given.guardrails,
    )
    return _written(exchange, result, None, started, wanted)


@post(
    "/api/v1/series/{symbol:str}/{interval:str}/denoise",
    opt=declare(
        "predict",
        "Denoise a stored column; `save_as` keeps the result as a derived column.",
        "denoise",
        reads={JSON: SeriesDenoiseBody},
        writes={JSON: Denoised},
    ),
    status_code=200,
    sync_to_thread=True,
)
def stored(request: Request[Any, Any, Any], symbol: FromPath[str], interval: FromPath[str], body: RawBody) -> Response[bytes]:
    """Denoise a column of a stored series."""
    started = perf_counter()
    exchange = of(request)
    query(request.scope, Query)
    asked = read(exchange, body, SeriesDenoiseBody)
    start_ns, end_ns = span(asked.start, asked.end, "")
    t, result = exchange.services.denoise.stored(
        symbol,
        interval,
        column=asked.column,
        start_ns=start_ns,
        end_ns=end_ns,
        save_as=asked.save_as,
        by=exchange.by,
        method=asked.method,
        causality=asked.causality,
        lag=asked.lag,
        scale=asked.scale,
        fill=asked.fill,
        band=asked.band,
        params=asked.params,
        guardrails=asked.guardrails,
    )
    return _written(exchange, result, t, started, JSON)


def _options(asked: DenoiseQuery) -> DenoiseOptions:
    """The query's options; params and guardrails are JSON objects. Raises InvalidRequest, MalformedBody."""
    tables: dict[str, Any] = {}
    for name in ("params", "guardrails"):
        table = decoded_json(getattr(asked, name).encode())
        if not isinstance(table, dict):
            raise InvalidRequest(f"{name} is not a JSON object", errors=[Fault(f"/query/{name}", "expected a JSON object")])
        tables[name] = table
    plain: dict[str, Any] = {name: getattr(asked, name) for name in ("method", "causality", "lag", "scale", "fill", "band")}
    return DenoiseOptions(**plain, **tables)


def _floats(body: bytes) -> "Vector":
    """The body as float64 (n,), without a copy. Raises MalformedBody when it is no whole number of them, or none."""
    if not body or len(body) % 8:
        raise MalformedBody(f"{len(body)} bytes are not one or more float64 values")
    return np.frombuffer(body, "<f8")


def _refuse_huge(values: "Vector") -> None:
    """Raise NotFinite naming each value (n,) whose square would leave float64: sums of such would be infinite."""
    rows = np.flatnonzero(np.abs(values) > _LARGEST).tolist()[:100]
    if rows:
        raise NotFinite("values above 1e150 cannot be computed with", errors=[Fault(f"/values/{row}", "not within 1e150") for row in rows])


def _times(asked: DenoiseBody) -> "Times | None":
    """The times (n,) in ns. Raises InvalidRequest when they are not as many as the values, BadTime with the pointer."""
    if asked.t is None:
        return None
    if len(asked.t) != len(asked.values):
        reason = f"{len(asked.t)} times for {len(asked.values)} values"
        raise InvalidRequest(f"/t: {reason}", errors=[Fault("/t", reason)])
    return np.array([instant(given, f"/t/{row}") for row, given in enumerate(asked.t)], np.int64)


def _written(exchange: Exchange, result: "DenoiseResult", t: "Times | None", started: float, wanted: str) -> Response[bytes]:
    """The result in the wanted form."""
    from rpsd.services.denoise import account

    exchange.operation, exchange.samples = "denoise", result.values.size
    told = account(result, round(perf_counter() - started, 6))
    strict(told)
    if result.lower is not None and result.upper is not None:
        told |= {"lower": cells(result.lower), "upper": cells(result.upper)}
    if wanted == FLOATS:
        header = msgspec.json.encode(told).decode("utf-8").encode("ascii", "backslashreplace").decode()
        return Response(result.values.astype("<f8", copy=False).tobytes(), media_type=FLOATS, headers={"rpsd-result": header})
    if t is not None:
        told["t"] = texts(t)
    return answer(exchange, {"values": cells(result.values), **told})


ROUTES: Final = (methods, denoise, stored)
