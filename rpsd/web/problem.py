"""RFC 9457 problem details: one shape for every error on every path, and the table from kind to HTTP status."""

from typing import TYPE_CHECKING, Any, Final

import msgspec

from rpsd.core.errors import (
    BodyTooLarge,
    Forbidden,
    InternalError,
    InvalidRequest,
    Kind,
    MalformedBody,
    MethodNotAllowed,
    RateLimited,
    RpsdError,
    UnknownRoute,
)
from rpsd.web.exchange import of

if TYPE_CHECKING:
    from litestar import Request, Response
    from litestar.exceptions import HTTPException

STATUS: Final[dict[Kind, int]] = {
    Kind.INPUT: 422,
    Kind.MISSING: 404,
    Kind.CONFLICT: 409,
    Kind.DENIED: 403,
    Kind.BUSY: 503,
    Kind.CONFIG: 500,
    Kind.INTERNAL: 500,
}
_PATIENCE: Final = {429: 1, 503: 1, 507: 30}
"""Seconds of Retry-After where the error does not know better."""
MEDIA_TYPE: Final = "application/problem+json"


class Place(msgspec.Struct, frozen=True):
    """One bad place of a request: a JSON pointer into the body (or /query/…, /path/…, /header/…) and the reason."""

    pointer: str
    reason: str


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """RFC 9457 problem details. `code` is stable, `hint` says what to do, `errors` names each bad place of an input."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    hint: str
    request_id: str
    errors: list[Place] = []


def status_of(error: RpsdError) -> int:
    """HTTP status of an error."""
    return error.status or STATUS[error.kind]


def body_of(error: RpsdError, request_id: str) -> bytes:
    """The problem document."""
    internal = error.kind is Kind.INTERNAL and type(error) is InternalError
    return msgspec.json.encode(
        Problem(
            type=f"/manual/errors#{error.code}",
            title=error.title,
            status=status_of(error),
            detail="An unexpected error happened; its cause is in the log." if internal else _writable(error.detail),
            code=error.code,
            hint=_writable(error.advice),
            request_id=request_id,
            errors=[Place(_writable(fault.pointer), _writable(fault.reason)) for fault in error.errors[:100]],
        )
    )


def _writable(text: str) -> str:
    """The text with lone surrogates spelt out: a request may name them as \\ud800, but UTF-8 has no bytes for them."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def headers_of(error: RpsdError) -> dict[str, str]:
    """Retry-After, WWW-Authenticate and Allow, where the status asks for them."""
    status = status_of(error)
    headers = {}
    if error.retry_after is not None or status in _PATIENCE:
        wait = error.retry_after if error.retry_after is not None else _PATIENCE[status]
        headers["retry-after"] = str(max(1, round(wait)))
    if status == 401:
        headers["www-authenticate"] = 'Bearer realm="rpsd"'
    if isinstance(error, Refused):
        headers["allow"] = error.allow
    return headers


class Refused(MethodNotAllowed):
    """MethodNotAllowed that knows the methods of its path."""

    def __init__(self, allow: str) -> None:
        super().__init__(f"this path answers {allow}")
        self.allow = allow


def understood(exception: Exception) -> RpsdError:
    """The error of ours that an exception stands for; InternalError for whatever nobody expected."""
    if isinstance(exception, RpsdError):
        return exception
    from litestar.exceptions import HTTPException, ImproperlyConfiguredException  # the probes answer before the framework is loaded

    if isinstance(exception, HTTPException) and not isinstance(exception, ImproperlyConfiguredException):
        return _of_litestar(exception)
    if isinstance(exception, UnicodeDecodeError):
        return MalformedBody("the body is not UTF-8")
    return InternalError(f"{type(exception).__name__}")


def _of_litestar(exception: "HTTPException") -> RpsdError:
    """What the framework itself refuses."""
    if exception.status_code == 404:
        return UnknownRoute("there is nothing at this path")
    if exception.status_code == 405:
        methods = (exception.headers or {}).get("allow", "")
        return Refused(", ".join(sorted({m.strip() for m in methods.split(",")} - {"OPTIONS", ""})) or "other methods")
    if exception.status_code == 413:
        return BodyTooLarge("the body is above the limit")
    if exception.status_code < 500:
        return InvalidRequest(str(exception.detail)[:200])
    return InternalError("HTTPException")


def respond(request: "Request[Any, Any, Any]", exception: Exception) -> "Response[bytes]":
    """Litestar's exception handler for everything."""
    from litestar.response import Response

    exchange = of(request)
    error = understood(exception)
    if isinstance(error, UnknownRoute | MethodNotAllowed):
        error = counted(exchange, error)
    record(exchange, error, exception)
    return Response(body_of(error, exchange.request_id), status_code=status_of(error), media_type=MEDIA_TYPE, headers=headers_of(error))


def counted(exchange: Any, error: RpsdError) -> RpsdError:
    """The error, or RateLimited: what was refused before any guard, such as a host or a path, counts as a call without a key."""
    if exchange.standing is None and exchange.principal is None and status_of(error) < 500:
        try:
            exchange.charge("public")
        except RateLimited as refusal:
            return refusal
    return error


def record(exchange: Any, error: RpsdError, exception: Exception) -> None:
    """Count the error and keep its code for the access log; the cause of an internal one goes to the log with the request id."""
    exchange.extra["error_code"] = error.code
    exchange.services.metrics.errors_total.labels(error.code).inc()
    if isinstance(error, Forbidden):
        exchange.services.access.deny(exchange.actor, exchange.operation or exchange.method, {"reason": error.detail[:200]})
    if error.kind is Kind.INTERNAL or error.kind is Kind.CONFIG:
        from rpsd.telemetry import logger

        logger().error(
            "request failed", operation="http", request_id=exchange.request_id, error_code=error.code, outcome="error", exc_info=exception
        )
