"""The end of a release's probation: whoever switched to it says that it serves."""

from typing import Any, Final

import msgspec
from litestar import Request, post
from litestar.params import RawBody
from litestar.response import Response

from rpsd.web.exchange import of
from rpsd.web.operation import declare
from rpsd.web.queued import refuse_body
from rpsd.web.wire import JSON, Query, answer, query


class Accepted(msgspec.Struct):
    """Whether this ended a probation; false when there was none."""

    accepted: bool


@post(
    "/api/v1/admin/release/accept",
    opt=declare("admin", "Keep a release that is on probation: writes go on.", "admin", writes={JSON: Accepted}),
    status_code=200,
    sync_to_thread=True,
)
def accept(request: Request[Any, Any, Any], body: RawBody) -> Response[bytes]:
    """End the probation of an upgrade that changed the layout of the data; safe to repeat."""
    query(request.scope, Query)
    refuse_body(body)
    exchange = of(request)
    if ended := exchange.services.probation.accept():
        exchange.services.access.record(exchange.actor, "release.accept", "release", {})
    return answer(exchange, {"accepted": ended})


ROUTES: Final = (accept,)
