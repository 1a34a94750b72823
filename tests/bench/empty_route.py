"""`rpsd serve` with one route more that does nothing: `python -m tests.bench.empty_route serve`.

What any route of the appliance costs before it has done a thing: edge, framework, guard, limits, metrics and log, and an empty answer.
"""

import sys
from typing import Any

from litestar import Request, get
from litestar.response import Response

from rpsd.__main__ import run
from rpsd.web import app
from rpsd.web.operation import declare
from rpsd.web.wire import JSON

PATH = "/api/v1/empty/A"


@get("/api/v1/empty/{name:str}", opt=declare("read", "Nothing.", "system"), sync_to_thread=False)
def empty(request: Request[Any, Any, Any], name: str) -> Response[bytes]:
    return Response(b"{}", media_type=JSON)


if __name__ == "__main__":
    app.ROUTES = (*app.ROUTES, empty)  # type: ignore[misc]
    sys.exit(run(sys.argv[1:]))
