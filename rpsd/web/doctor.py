"""What the server finds when it looks at itself; the command `rpsd doctor` adds what only the machine can tell."""

from typing import Any, Final, Literal

import msgspec
from litestar import Request, get, post
from litestar.params import RawBody
from litestar.response import Response

from rpsd.web.exchange import of
from rpsd.web.operation import declare
from rpsd.web.queued import refuse_body
from rpsd.web.wire import JSON, Query, answer, query


class Finding(msgspec.Struct):
    """One thing that was looked at."""

    name: str
    status: Literal["ok", "note", "warning", "failed"]
    detail: str
    hint: str
    fixable: bool


class Findings(msgspec.Struct):
    """All of them, and the names of what was mended."""

    findings: list[Finding]
    mended: list[str] = []


@get(
    "/api/v1/admin/doctor",
    opt=declare("admin", "The server's findings about itself; reads the whole database once.", "admin", writes={JSON: Findings}),
    sync_to_thread=True,
)
def look(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Look at database, kernels, backups, parts and alerts."""
    query(request.scope, Query)
    found = of(request).services.doctor.look()
    return answer(of(request), {"findings": [one.as_dict() for one in found], "mended": []})


@post(
    "/api/v1/admin/doctor/fix",
    opt=declare("admin", "Mend what can be mended without a person, and look again.", "admin", writes={JSON: Findings}),
    status_code=200,
    sync_to_thread=True,
)
def mend(request: Request[Any, Any, Any], body: RawBody) -> Response[bytes]:
    """Fold the log in, remove what killed work has left behind."""
    query(request.scope, Query)
    refuse_body(body)
    exchange = of(request)
    mended = exchange.services.doctor.mend(by=exchange.actor)
    found = exchange.services.doctor.look()
    return answer(exchange, {"findings": [one.as_dict() for one in found], "mended": mended})


ROUTES: Final = (look, mend)
