"""The catalogue of features: what each is, of what, how far it looks back and what is to be expected of it."""

from typing import Any, Final

import msgspec
from litestar import Request, get
from litestar.response import Response

from rpsd.web.exchange import of
from rpsd.web.operation import declare
from rpsd.web.wire import JSON, Page, answer, query


class FeatureInfo(msgspec.Struct):
    """A feature of the catalogue; `bounds` are those of any window that its family takes, null for a family without one."""

    name: str
    family: str
    windows: list[int]
    bounds: list[int] | None
    inputs: list[str]
    lookback: int
    causal: bool
    low: float | None
    high: float | None
    null_tolerance: float
    unit: str
    relative: bool
    version: int
    formula: str
    summary: str
    source: str


class FeaturePage(msgspec.Struct):
    """A page of the catalogue."""

    features: list[FeatureInfo]
    next: str | None = None


@get(
    "/api/v1/features",
    opt=declare("read", "The catalogue of features, in its order.", "features", query=Page, writes={JSON: FeaturePage}),
    sync_to_thread=True,
)
def page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """A page of the catalogue."""
    exchange, asked = of(request), query(request.scope, Page)
    found, following = exchange.services.feature.views.features(asked.after, asked.limit)
    return answer(exchange, {"features": found, "next": following})


ROUTES: Final = (page,)
