"""Denoising: values in the request, or a stored series; JSON or raw float64 both ways."""

from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
from litestar import Request, get, post
from litestar.params import FromPath, RawBody
from litestar.response import Response

from rpsd.core.errors import Fault, InvalidRequest, MalformedBody
from rpsd.core.instant import texts
from rpsd.web.denoised import Causality, DenoiseBody, Denoised, DenoiseOptions, Fill, Lag, Name, Scale, refuse_huge, times, told
from rpsd.web.exchange import Exchange, of
from rpsd.web.limits import check_count
from rpsd.web.operation import declare
from rpsd.web.wire import (
    FLOATS,
    JSON,
    MSGPACK,
    Instant,
    Query,
    accepted,
    answer,
    cells,
    decoded_json,
    media_type,
    query,
    read,
    span,
)

if TYPE_CHECKING:
    from rpsd.core.market import Times, Vector
    from rpsd.core.result import DenoiseResult


_BYTES: Final = 8  # of a body for each of its values, about


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
        deputised=True,
    ),
    status_code=200,
    sync_to_thread=True,
)
def denoise(request: Request[Any, Any, Any], body: RawBody) -> Response[bytes]:
    """Denoise the values of the request, in turns from reading them to writing the answer."""
    exchange = of(request)
    with exchange.services.denoise.turns.taken(len(body) // _BYTES):
        return _denoised(request, exchange, body)


def _denoised(request: Request[Any, Any, Any], exchange: Exchange, body: bytes) -> Response[bytes]:
    started = perf_counter()
    kind = media_type(exchange, JSON, MSGPACK, FLOATS)
    wanted = accepted(exchange, *((FLOATS, JSON, MSGPACK) if kind == FLOATS else (JSON, MSGPACK, FLOATS)))
    if kind == FLOATS:
        given: DenoiseOptions = _options(query(request.scope, DenoiseQuery))
        values, t = _floats(body), None
    else:
        query(request.scope, Query)
        asked = read(exchange, body, DenoiseBody)
        check_count(len(asked.values), exchange.services.denoise_batch.most_points)
        given, values, t = asked, np.array(asked.values, np.float64), times(asked)
    refuse_huge(values)
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
        deputised=True,
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
    services = exchange.services
    with services.denoise.turns.taken(services.series.require(symbol, interval).rows):
        t, result = services.denoise.stored(
            symbol,
            interval,
            column=asked.column,
            start_ns=start_ns,
            end_ns=end_ns,
            save_as=asked.save_as,
            by=exchange.actor,
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


def _written(exchange: Exchange, result: "DenoiseResult", t: "Times | None", started: float, wanted: str) -> Response[bytes]:
    """The result in the wanted form."""
    exchange.operation, exchange.samples = "denoise", result.values.size
    facts = told(result, round(perf_counter() - started, 6))
    if wanted == FLOATS:
        header = msgspec.json.encode(facts).decode("utf-8").encode("ascii", "backslashreplace").decode()
        return Response(result.values.astype("<f8", copy=False).tobytes(), media_type=FLOATS, headers={"rpsd-result": header})
    if t is not None:
        facts["t"] = texts(t)
    return answer(exchange, {"values": cells(result.values), **facts})


ROUTES: Final = (methods, denoise, stored)
