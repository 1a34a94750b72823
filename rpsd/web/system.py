"""Health, metrics, schema, docs, manual and the front page."""

import asyncio
from threading import Lock
from typing import Any, Final

import msgspec
from litestar import Litestar, Request, asgi, get
from litestar.params import FromPath
from litestar.response import Response

from rpsd.core.errors import UnknownRoute
from rpsd.web.exchange import of
from rpsd.web.operation import PUBLIC, declare
from rpsd.web.probe import PROBES
from rpsd.web.wire import JSON, answer

_MAKING: Final = Lock()
_HTML: Final = "text/html"  # Litestar adds the charset to every text
_PAGE_POLICY: Final = {
    "content-security-policy": "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "cache-control": "no-cache",
}


class Breaker(msgspec.Struct, omit_defaults=True):
    """A circuit breaker: closed, half_open or open. The detailed account says why, since when, and when the next call may pass."""

    state: str
    failures: int = 0
    opened: str = ""
    next_trial: str = ""
    reason: str = ""


class Health(msgspec.Struct):
    """Whether the appliance is well: healthy, degraded or unhealthy."""

    status: str
    timestamp: str
    version: str
    uptime_seconds: float
    circuit_breakers: dict[str, Breaker]
    unhealthy_breakers: list[str]


class FullHealth(Health):
    """Health with its services."""

    services: dict[str, Any]
    overall_healthy: bool


class DetailedHealth(FullHealth, kw_only=True):
    """Health with readings of the machine and of every part."""

    system: dict[str, Any]
    denoiser: dict[str, float]
    last_backup: str | None
    alerts: list[Any]


class Live(msgspec.Struct):
    """The process answers."""

    status: str


class Ready(msgspec.Struct):
    """Whether requests are welcome, and what is missing."""

    status: str
    timestamp: str
    checks: list[dict[str, Any]]


_BASIC: Final = declare(
    PUBLIC, "Health of the appliance from cached facts; 503 when unhealthy.", "system", writes={JSON: Health}, monitoring=True
)
_LIVE: Final = declare(PUBLIC, "The process is alive.", "system", writes={JSON: Live}, monitoring=True)


@get(
    "/api/v1/health",
    opt=declare(
        PUBLIC, "Health with the state of every service; 503 when unhealthy.", "system", writes={JSON: FullHealth}, monitoring=True
    ),
    sync_to_thread=False,
)
def full_health(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Basic health and services."""
    facts = of(request).services.health.full()
    return answer(of(request), facts, 503 if facts["status"] == "unhealthy" else 200)


def ready(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Readiness; looks at the disk, so it runs in a thread."""
    facts = of(request).services.health.ready()
    return answer(of(request), facts, 200 if facts["status"] == "ready" else 503)


def detailed(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Detailed health."""
    facts = of(request).services.health.detailed()
    return answer(of(request), facts, 503 if facts["status"] == "unhealthy" else 200)


@get(
    "/metrics",
    opt=declare("read", "Metrics for Prometheus, OpenMetrics by Accept.", "system", writes={"text/plain": None}, monitoring=True),
    sync_to_thread=True,
)
def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The metrics of this process."""
    exchange = of(request)
    if not exchange.services.settings.monitoring.metrics_enabled:
        raise UnknownRoute("metrics are switched off", hint="Set monitoring.metrics_enabled to true.")
    body, content_type = exchange.services.metrics.exposition(exchange.header(b"accept"))
    return Response(body, media_type=content_type.removesuffix("; charset=utf-8"))


@get("/openapi.json", opt=declare(PUBLIC, "This description.", "system", writes={JSON: None}))
async def schema(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The OpenAPI document; made at the first call, in a thread: the others wait for none."""
    held: bytes | None = request.app.state.get("openapi")
    made = held if held is not None else await asyncio.to_thread(_schema, request.app)
    return Response(made, media_type=JSON, headers={"cache-control": "no-cache"})


def _schema(app: Litestar) -> bytes:
    with _MAKING:  # it takes 50 ms, and a stranger may ask for it a thousand times at once
        if (made := app.state.get("openapi")) is None:
            from rpsd.web.openapi import encoded  # start-up does not need it

            made = app.state["openapi"] = encoded(app)
    return bytes(made)


@get(
    "/docs",
    opt=declare(PUBLIC, "Browsable description of every operation; needs no internet.", "system", writes={"text/html": None}),
    sync_to_thread=False,
)
def docs() -> Response[bytes]:
    """The docs page."""
    from rpsd.web.pages import asset

    return Response(asset("docs.html")[0], media_type=_HTML, headers=_PAGE_POLICY)


@get(
    "/static/{name:str}",
    opt=declare(PUBLIC, "Scripts and styles of the pages.", "system", writes={"text/plain": None}),
    sync_to_thread=False,
)
def static(name: FromPath[str]) -> Response[bytes]:
    """A file of the pages."""
    from rpsd.web.pages import asset

    body, content_type = asset(name)
    return Response(body, media_type=content_type, headers=_PAGE_POLICY)


@get("/", opt=declare(PUBLIC, "The front page.", "system", writes={"text/html": None}), sync_to_thread=False)
def front() -> Response[bytes]:
    """The front page."""
    from rpsd.web.pages import asset

    return Response(asset("index.html")[0], media_type=_HTML, headers=_PAGE_POLICY)


@get("/manual", opt=declare(PUBLIC, "The manual's chapters.", "system", writes={"text/html": None}), sync_to_thread=True)
def manual() -> Response[bytes]:
    """The manual's table of contents."""
    from rpsd.web.pages import contents

    return Response(contents(), media_type=_HTML, headers=_PAGE_POLICY)


@get(
    "/manual/pictures/{picture:str}",
    opt=declare(PUBLIC, "A picture of the manual.", "system", writes={"image/png": None}),
    sync_to_thread=True,
)
def manual_picture(picture: FromPath[str]) -> Response[bytes]:
    """A picture that a chapter shows."""
    from rpsd.web import pages

    return Response(pages.picture(picture), media_type="image/png", headers=_PAGE_POLICY)


@get("/manual/{chapter:str}", opt=declare(PUBLIC, "A chapter of the manual.", "system", writes={"text/html": None}), sync_to_thread=True)
def manual_chapter(chapter: FromPath[str]) -> Response[bytes]:
    """A chapter of the manual as plain HTML."""
    from rpsd.web.pages import chapter as page

    return Response(page(chapter), media_type=_HTML, headers=_PAGE_POLICY)


_READY: Final = declare(
    PUBLIC, "200 when requests are welcome, 503 with the failing checks when not.", "system", writes={JSON: Ready}, monitoring=True
)
_DETAILED: Final = declare(
    "read", "Health with readings of the machine and of every part.", "system", writes={JSON: DetailedHealth}, monitoring=True
)

# one handler per path: Litestar wraps the function of a handler with several paths once for each
ROUTES: Final = (
    *(asgi(path, opt=_BASIC if path == "/health" else _LIVE, copy_scope=False)(probe) for path, probe in PROBES.items()),
    full_health,
    *(get(f"{root}/health/ready", opt=_READY, sync_to_thread=True)(ready) for root in ("", "/api/v1")),
    *(get(f"{root}/health/detailed", opt=_DETAILED, sync_to_thread=True)(detailed) for root in ("", "/api/v1")),
    metrics,
    schema,
    docs,
    static,
    front,
    manual,
    manual_chapter,
    manual_picture,
)
