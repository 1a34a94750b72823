"""For `rpsd outbound`: what is to go out of this machine, and how it went."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, post
from litestar.params import FromPath, RawBody
from litestar.response import Response

from rpsd.core.cursor import number
from rpsd.core.errors import StateConflict, Unavailable, UnknownRoute
from rpsd.services.outside.relay import Relay
from rpsd.web.exchange import of
from rpsd.web.operation import declare
from rpsd.web.wire import JSON, Body, Query, answer, query, read

_MOST: Final = 9_007_199_254_740_991
Row = Annotated[int, msgspec.Meta(ge=0, le=_MOST)]
Text = Annotated[str, msgspec.Meta(max_length=2000)]


class Account(Body):
    """How a breaker stands."""

    state: str
    failures: Annotated[int, msgspec.Meta(ge=0)] = 0
    opened: Text | None = None
    next_trial: Text | None = None
    reason: Text | None = None


class Report(Body):
    """Breakers by name, those of them that have had a success, sources that fail, and when each source's newest bar closed, ns UTC."""

    breakers: dict[str, Account] = msgspec.field(default_factory=dict)
    proven: list[str] = msgspec.field(default_factory=list)
    failing: list[str] = msgspec.field(default_factory=list)
    closed_ns: dict[str, int] = msgspec.field(default_factory=dict)


class PollBody(Body):
    """What is known already: the epoch, and the last message and errand of it. `wait` is in seconds."""

    epoch: Annotated[str, msgspec.Meta(max_length=64)] = ""
    messages_after: Row = 0
    errands_after: Row = 0
    wait: Annotated[float, msgspec.Meta(ge=0, le=25)] = 0.0
    report: Report | None = None


class DeliveredBody(Body):
    """Whether the message has arrived; else it was given up."""

    delivered: bool


class ProgressBody(Body):
    """How far an errand is."""

    share: Annotated[float, msgspec.Meta(ge=0, le=1)]
    message: Text = ""


class Failure(Body):
    """An error of rpsd."""

    code: Annotated[str, msgspec.Meta(max_length=64)]
    detail: Text
    hint: Text | None = None
    errors: list[dict[str, str]] = msgspec.field(default_factory=list)
    retry_after: float | None = None


class EndBody(Body):
    """What came of an errand: its result, or its error."""

    result: Any = None
    error: Failure | None = None


class Work(msgspec.Struct):
    """Messages to deliver and errands to do."""

    epoch: str
    messages: list[dict[str, Any]]
    errands: list[dict[str, Any]]


class Wanted(msgspec.Struct):
    """Whether somebody still waits for the errand."""

    wanted: bool


@post(
    "/api/v1/outbound/poll",
    opt=declare("outbound", "Wait for what is to go out, and report.", "outbound", reads={JSON: PollBody}, writes={JSON: Work}),
    status_code=200,
)
async def poll(request: Request[Any, Any, Any], body: RawBody) -> Response[bytes]:
    """What is new, at once or when there is something within `wait` seconds."""
    exchange = of(request)
    query(request.scope, Query)
    asked = read(exchange, body, PollBody)
    relay = _relay(exchange)
    report = None if asked.report is None else _plain(asked.report)
    loop, news = asyncio.get_running_loop(), asyncio.Event()
    with relay.hearing(lambda: loop.call_soon_threadsafe(news.set)):
        found = await asyncio.to_thread(relay.poll, asked.epoch, asked.messages_after, asked.errands_after, report)
        if not (found["messages"] or found["errands"] or relay.leaving):
            try:
                await asyncio.wait_for(news.wait(), asked.wait)
            except TimeoutError:
                return answer(exchange, found)
            found = await asyncio.to_thread(relay.poll, asked.epoch, asked.messages_after, asked.errands_after, None)
    return answer(exchange, found)


@post(
    "/api/v1/outbound/messages/{message:str}/finish",
    opt=declare("outbound", "Take a message out of the box.", "outbound", reads={JSON: DeliveredBody}, writes={JSON: Wanted}),
    status_code=200,
    sync_to_thread=True,
)
def finish_message(request: Request[Any, Any, Any], message: FromPath[str], body: RawBody) -> Response[bytes]:
    """A message has arrived or was given up; a second time nothing happens."""
    exchange = of(request)
    query(request.scope, Query)
    asked = read(exchange, body, DeliveredBody)
    _relay(exchange).delivered(_row(message), delivered=asked.delivered)
    return answer(exchange, {"wanted": False})


@post(
    "/api/v1/outbound/errands/{errand:str}/progress",
    opt=declare("outbound", "Tell how far an errand is.", "outbound", reads={JSON: ProgressBody}, writes={JSON: Wanted}),
    status_code=200,
    sync_to_thread=True,
)
def progress(request: Request[Any, Any, Any], errand: FromPath[str], body: RawBody) -> Response[bytes]:
    """How far it is; whether it is still wanted."""
    exchange = of(request)
    query(request.scope, Query)
    asked = read(exchange, body, ProgressBody)
    return answer(exchange, {"wanted": _relay(exchange).progress(_row(errand), asked.share, asked.message)})


@post(
    "/api/v1/outbound/errands/{errand:str}/finish",
    opt=declare("outbound", "Tell what came of an errand.", "outbound", reads={JSON: EndBody}, writes={JSON: Wanted}),
    status_code=200,
    sync_to_thread=True,
)
def finish_errand(request: Request[Any, Any, Any], errand: FromPath[str], body: RawBody) -> Response[bytes]:
    """It is done, or has failed; one that nobody waits for is nothing."""
    exchange = of(request)
    query(request.scope, Query)
    asked = read(exchange, body, EndBody)
    error = None if asked.error is None else _plain(asked.error)
    _relay(exchange).finish(_row(errand), asked.result, error)
    return answer(exchange, {"wanted": False})


def _relay(exchange: Any) -> Relay:
    """What waits to go out. Raises StateConflict where the serving process does that itself, Unavailable while it ends."""
    relay: Relay | None = exchange.services.outside.relay
    if relay is None:
        raise StateConflict(
            "nothing waits here: the serving process itself speaks with the outside", hint="Start it with `rpsd serve --outbound unit`."
        )
    if relay.leaving:
        raise Unavailable("the server is ending", retry_after=1.0)
    return relay


def _row(text: str) -> int:
    if (row := number(text)) is None:
        raise UnknownRoute(f"there is nothing of the number {text[:40]!r}")
    return row


def _plain(told: Any) -> Mapping[str, Any]:
    """A struct as mappings, without what it does not say."""
    found: dict[str, Any] = msgspec.to_builtins(told)
    return {name: _said(value) for name, value in found.items() if value is not None}


def _said(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _said(inner) for name, inner in value.items() if inner is not None}
    return value


ROUTES: Final = (poll, finish_message, progress, finish_errand)
