"""Maintenance: readiness drops and jobs wait, until it is ended or its time is over."""

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, get, post
from litestar.params import RawBody
from litestar.response import Response

from rpsd.config import kinds
from rpsd.core.errors import Fault, InvalidRequest
from rpsd.web.exchange import of
from rpsd.web.operation import declare
from rpsd.web.wire import JSON, Body, Query, answer, query, read


class MaintenanceBody(Body):
    """Switch it on or off. `for` is seconds, or text such as 1h; without it maintenance lasts until it is switched off."""

    on: bool
    reason: Annotated[str, msgspec.Meta(max_length=200)] = ""
    lasts: Annotated[int, msgspec.Meta(ge=1, le=2_592_000)] | Annotated[str, msgspec.Meta(max_length=16)] | None = msgspec.field(
        name="for", default=None
    )


class MaintenanceStatus(msgspec.Struct):
    """Whether it is on; since when, until when, why and by whom."""

    on: bool
    since: str | None
    until: str | None
    reason: str | None
    by: str | None


@get(
    "/api/v1/admin/maintenance",
    opt=declare("admin", "Whether the appliance is in maintenance.", "admin", writes={JSON: MaintenanceStatus}),
    sync_to_thread=True,
)
def status(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Maintenance as it stands."""
    query(request.scope, Query)
    return answer(of(request), of(request).services.maintenance.status())


@post(
    "/api/v1/admin/maintenance",
    opt=declare(
        "admin",
        "Switch maintenance on (readiness drops, jobs wait, requests are served) or off.",
        "admin",
        reads={JSON: MaintenanceBody},
        writes={JSON: MaintenanceStatus},
    ),
    status_code=200,
    sync_to_thread=True,
)
def switch(request: Request[Any, Any, Any], body: RawBody) -> Response[bytes]:
    """Begin, change or end it; the same call again changes nothing but the end of its time."""
    exchange = of(request)
    query(request.scope, Query)
    asked = read(exchange, body, MaintenanceBody)
    service = exchange.services.maintenance
    if not asked.on:
        return answer(exchange, service.end(by=exchange.actor))
    try:
        seconds = None if asked.lasts is None else kinds.DURATION.parse(asked.lasts)
    except kinds.Unfit as error:
        raise InvalidRequest(f"/for: {error}", errors=[Fault("/for", str(error))]) from error
    return answer(exchange, service.begin(asked.reason, seconds, by=exchange.actor))


ROUTES: Final = (status, switch)
