"""Who may call what: the guard over every route, and the start-up check that each one declares its scope."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from rpsd.core.errors import Forbidden, LockedOut, Unauthenticated
from rpsd.web.exchange import Exchange, of
from rpsd.web.operation import OPT, PUBLIC, Operation
from rpsd.web.origin import check_origin
from rpsd.web.peer import within
from rpsd.web.while_warming import loaded

if TYPE_CHECKING:
    from litestar import Litestar, Request

SCOPES: Final = (PUBLIC, "read", "ingest", "predict", "train", "admin", "outbound")
_OPEN: Final = frozenset({"read", "ingest", "predict", "train"})  # what auth.required: false gives; admin stays closed


async def authorised(request: "Request[Any, Any, Any]") -> None:
    """The guard before every handler: who calls holds the operation's scope and has calls left.

    Raises Unauthenticated, LockedOut, Forbidden, RateLimited. It is Litestar's `before_request` and not one of its `guards`: each of those
    is given a copy of the handler, made anew for every request, which costs more than all that is done here.
    """
    operation: Operation | None = request.route_handler.opt.get(OPT)
    exchange = of(request)
    watched = operation is not None and operation.monitoring
    if operation is None or operation.scope == PUBLIC:  # only OPTIONS handlers have no declaration: check() saw to it
        if not (watched and _is_watching(exchange)):
            exchange.charge("public")
        return
    if watched and _is_watching(exchange):
        return
    try:
        exchange.principal = principal = _carrier() if exchange.outbound else principal_of(exchange)
    except (Unauthenticated, LockedOut, Forbidden):
        exchange.charge("public")
        raise
    exchange.charge(operation.limit)
    principal.require(operation.scope)
    if exchange.outbound:
        _check_carrier(exchange, operation, request.path_params)
    if operation.tag in exchange.services.loading and operation.scope == "predict":
        await loaded(exchange, operation.tag, deputised=operation.deputised)


def _is_watching(exchange: Exchange) -> bool:
    return within(exchange.peer, exchange.services.settings.monitoring.metrics_allow)


def principal_of(exchange: Exchange) -> Any:
    """Who calls. Raises Unauthenticated without a valid key or token, unless auth.required is off or the call came over the admin socket;
    LockedOut where too many logins have failed; Forbidden for a page of another site that calls as nobody: a browser on this machine is
    led there by any page that it shows; and over the outbound socket, which opens neither streams nor tokens.
    """
    from rpsd.services.access.principal import ADMIN_SOCKET, ANONYMOUS, Principal
    from rpsd.services.access.principal import SCOPES as EVERY

    if exchange.admin:
        return Principal(ADMIN_SOCKET, "admin socket", frozenset(EVERY))
    if exchange.outbound:
        raise Forbidden("this is not served on the outbound socket")
    if token := token_of(exchange):
        return exchange.services.access.authenticate(token, exchange.peer)
    if not exchange.services.settings.auth.required:
        check_origin(exchange, exchange.services.settings.server.cors_origins, secure=False)
        return Principal(ANONYMOUS, ANONYMOUS, _OPEN)
    raise Unauthenticated("no API key was sent")


def _carrier() -> Any:
    from rpsd.services.access.principal import CARRIER

    return CARRIER


def _check_carrier(exchange: Exchange, operation: Operation, path: Mapping[str, Any]) -> None:
    """Raise Forbidden for what `rpsd outbound` has no business with: it does its own work, and reads and stores the series that it fetches.

    It reads the answers of strangers; were it taken over, it should reach no further than that.
    """
    if operation.scope == "outbound" or (operation.tag == "series" and not path):  # what series there are
        return
    wanted = (str(path.get("symbol", "")).upper(), str(path.get("interval", "")))
    sources = exchange.services.settings.sources.values()
    if operation.tag == "series" and any((ours, source.interval) == wanted for source in sources for ours in source.symbols.values()):
        return
    raise Forbidden("this is not served on the outbound socket", hint="Over it go what waits to go out, and the series of `sources`.")


def token_of(exchange: Exchange) -> str:
    """The API key or token that the request carries, or nothing."""
    return exchange.header(b"x-api-key") or _bearer(exchange.header(b"authorization"))


def _bearer(header: str) -> str:
    kind, _, token = header.partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def declared(app: "Litestar") -> Iterator[tuple[str, str, Operation | None]]:
    """(path, method, declaration) of every route but the OPTIONS handlers that Litestar adds."""
    for path, method, handler in handlers(app):
        yield path, method, handler.opt.get(OPT)


def handlers(app: "Litestar") -> Iterator[tuple[str, str, Any]]:
    """(path, method, handler) of the same."""
    for route in app.routes:
        for handler in getattr(route, "route_handlers", None) or [route.route_handler]:  # type: ignore[union-attr]
            for method in sorted(getattr(handler, "http_methods", ("GET",))):
                if method != "OPTIONS":
                    yield route.path_format, str(method), handler


def check(app: "Litestar") -> None:
    """Raise TypeError when a route declares no scope, one that does not exist, or one that no guard asks for: never start open."""
    for path, method, handler in handlers(app):
        operation: Operation | None = handler.opt.get(OPT)
        if operation is None or operation.scope not in SCOPES:
            raise TypeError(f"{method} {path} declares no scope")
        if not _is_guarded(handler) and operation.scope != PUBLIC:
            raise TypeError(f"{method} {path} is not guarded")


def _is_guarded(handler: Any) -> bool:
    """Whether the guard runs before it: not before a plain ASGI application, nor where a handler has put a hook of its own in its place."""
    hook = getattr(handler, "resolve_before_request", None)
    return hook is not None and hook() is authorised
