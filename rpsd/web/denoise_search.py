"""A grid of settings judged fold by fold: queued as a job, the table in its result."""

from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Request, post
from litestar.params import RawBody
from litestar.response import Response

from rpsd.web.denoised import DataBody, Fill, Name, Scale, data
from rpsd.web.exchange import digest_of, of
from rpsd.web.operation import declare
from rpsd.web.queued import Accepted, accepted_job
from rpsd.web.wire import JSON, Body, Query, query, read


class SearchConfiguration(Body):
    """One setting."""

    method: Name
    params: dict[str, Any] = msgspec.field(default_factory=dict)


class SearchBody(DataBody, kw_only=True):
    """The data, and a method with a grid over fixed params, or a list of configurations; at most 200 settings."""

    method: Name | None = None
    grid: dict[str, list[Any]] = msgspec.field(default_factory=dict)
    params: dict[str, Any] = msgspec.field(default_factory=dict)
    configurations: list[SearchConfiguration] = msgspec.field(default_factory=list)
    causality: Literal["hindsight", "causal"] = "hindsight"
    scale: Scale = "auto"
    fill: Fill = "none"
    folds: Annotated[int, msgspec.Meta(ge=2, le=20)] = 5
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)] = 0


@post(
    "/api/v1/denoise/search",
    opt=declare(
        "train",
        "Judge a grid of settings by estimated risk (hindsight) or foresight (causal), fold by fold; the job's result is the table.",
        "denoise",
        reads={JSON: SearchBody},
        writes={JSON: Accepted},
        status=202,
        once=True,
    ),
    status_code=202,
    sync_to_thread=True,
)
def search(request: Request[Any, Any, Any], body: RawBody) -> Response[bytes]:
    """Queue a search; 202."""
    from rpsd.services.denoise.search import Asked

    exchange = of(request)
    query(request.scope, Query)
    given = read(exchange, body, SearchBody)
    values, t = data(given, exchange.services.denoise.column)
    asked = Asked(
        method=given.method or "",
        grid=given.grid,
        params=given.params,
        configurations=[{"method": one.method, "params": one.params} for one in given.configurations],
        causality=given.causality,
        scale=given.scale,
        fill=given.fill,
        folds=given.folds,
        seed=given.seed,
    )
    stored = given.series
    named = "values" if stored is None else f"{stored.symbol.upper()} {stored.interval} {stored.column}"
    once = exchange.once("POST /api/v1/denoise/search", digest_of(body))
    exchange.operation, exchange.samples = "denoise_search", values.size
    return accepted_job(exchange, exchange.services.denoise_search.submit(asked, values, t, data=named, by=exchange.actor, once=once))


ROUTES: Final = (search,)
