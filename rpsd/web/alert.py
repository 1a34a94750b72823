"""Alerts: what needs an operator, and the word that somebody has seen to it."""

from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Request, get, post
from litestar.params import FromPath, RawBody
from litestar.response import Response

from rpsd.core.cursor import number, row_after
from rpsd.core.errors import UnknownAlert
from rpsd.web.exchange import digest_of, of
from rpsd.web.operation import declare
from rpsd.web.queued import refuse_body
from rpsd.web.wire import JSON, Page, Query, answer, query


class Alert(msgspec.Struct):
    """One alert; active until it is resolved."""

    id: int
    name: str
    subject: str
    severity: Literal["LOW", "MEDIUM", "HIGH"]
    detail: str
    state: Literal["active", "resolved"]
    raised: str
    last: str
    count: int
    resolved: str | None
    resolved_by: str | None


class AlertPage(msgspec.Struct):
    """A page of alerts, the newest first."""

    alerts: list[Alert]
    next: str | None = None


class Outcome(msgspec.Struct):
    """What came of a test message; the address is without path and query, which may hold a key."""

    receiver: str
    format: Literal["generic", "slack", "pagerduty"]
    address: str
    delivered: bool
    seconds: float
    detail: str | None


class Trial(msgspec.Struct):
    """What came of the test of each receiver, in the order of the settings."""

    receivers: list[Outcome]


class AlertQuery(Page):
    """Which alerts."""

    name: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    state: Literal["active", "resolved"] | None = None


@get("/api/v1/admin/alerts", opt=declare("admin", "Alerts.", "admin", query=AlertQuery, writes={JSON: AlertPage}), sync_to_thread=True)
def page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """A page of alerts."""
    asked = query(request.scope, AlertQuery)
    alerts, following = of(request).services.alert.page(row_after(asked.after), asked.limit, asked.name, asked.state)
    return answer(of(request), {"alerts": alerts, "next": None if following is None else str(following)})


@post(
    "/api/v1/admin/alerts/{alert:str}/resolve",
    opt=declare("admin", "Say that an alert has been seen to.", "admin", writes={JSON: Alert}, once=True),
    status_code=200,
    sync_to_thread=True,
)
def resolve(request: Request[Any, Any, Any], alert: FromPath[str], body: RawBody) -> Response[bytes]:
    """Resolve an alert by its id; 409 when it is not active."""
    exchange = of(request)
    query(request.scope, Query)
    refuse_body(body)
    if (row := number(alert)) is None:
        raise UnknownAlert(f"there is no alert {alert[:40]!r}")
    once = exchange.once(f"POST /api/v1/admin/alerts/{alert}/resolve", digest_of(body))
    return answer(exchange, exchange.services.alert.resolve_by_hand(row, exchange.actor, once))


@post(
    "/api/v1/admin/alerts/test",
    opt=declare("admin", "Send every receiver a test message now, and tell what came of it.", "admin", writes={JSON: Trial}),
    status_code=200,
    sync_to_thread=True,
)
def test(request: Request[Any, Any, Any], body: RawBody) -> Response[bytes]:
    """A test message to each receiver, past its line and its breaker; 409 during another test."""
    exchange = of(request)
    query(request.scope, Query)
    refuse_body(body)
    return answer(exchange, {"receivers": exchange.services.outside.test(exchange.actor)})


ROUTES: Final = (page, resolve, test)
