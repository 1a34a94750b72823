"""For `rpsd outbound`: what is to go out of this machine, and how it went."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from litestar import Request, post
from litestar.params import FromPath, RawBody
from litestar.response import Response

from rpsd.core.cursor import number
from rpsd.core.errors import Fault, InvalidRequest, StateConflict, Unavailable, UnknownRoute
from rpsd.services.outside.errand import FETCH, OFFSITE, TEST
from rpsd.services.outside.relay import Relay
from rpsd.web.exchange import of
from rpsd.web.operation import declare
from rpsd.web.wire import JSON, Body, Query, answer, query, read

T = TypeVar("T", bound=msgspec.Struct)
_MOST: Final = 9_007_199_254_740_991
_DAY_SECONDS: Final = 86_400.0
Row = Annotated[int, msgspec.Meta(ge=0, le=_MOST)]
Moment = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
Name = Annotated[str, msgspec.Meta(max_length=200)]
Names = Annotated[list[Name], msgspec.Meta(max_length=1000)]
Text = Annotated[str, msgspec.Meta(max_length=2000)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=_DAY_SECONDS)]


class Account(Body):
    """How a breaker stands."""

    state: Literal["closed", "half_open", "open"]
    failures: Row = 0
    opened: Text | None = None
    next_trial: Text | None = None
    reason: Text | None = None


class Report(Body):
    """Breakers by name, those of them that have had a success, sources that fail, and when each source's newest bar closed, ns UTC."""

    breakers: Annotated[dict[Name, Account], msgspec.Meta(max_length=1000)] = msgspec.field(default_factory=dict)
    proven: Names = msgspec.field(default_factory=list)
    failing: Names = msgspec.field(default_factory=list)
    closed_ns: Annotated[dict[Name, Moment], msgspec.Meta(max_length=1000)] = msgspec.field(default_factory=dict)


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
    errors: Annotated[list[dict[str, Text]], msgspec.Meta(max_length=1000)] = msgspec.field(default_factory=list)
    retry_after: Seconds | None = None


class EndBody(Body):
    """What came of an errand: its result, or its error."""

    result: Any = None
    error: Failure | None = None


class Fetched(Body):
    """Counts by source, and what failed."""

    sources: Annotated[dict[Name, dict[Name, Row]], msgspec.Meta(max_length=1000)]
    failed: Annotated[list[dict[str, Text]], msgspec.Meta(max_length=1000)]


class Tested(Body):
    """What came of a test message to one receiver."""

    receiver: Name
    format: Name
    address: Text
    delivered: bool
    seconds: Seconds
    detail: str | None = None


class Copied(Body):
    """The copy of a backup elsewhere."""

    name: Name
    bytes: Row
    seconds: float


class FetchEnd(EndBody):
    """Of a fetch."""

    result: Fetched | None = None


class TestEnd(EndBody):
    """Of a test of the receivers."""

    __test__ = False  # not one of pytest
    result: Annotated[list[Tested], msgspec.Meta(max_length=1000)] | None = None


class CopyEnd(EndBody):
    """Of a copy."""

    result: Copied | None = None


_ENDS: Final[Mapping[str, type[EndBody]]] = {FETCH: FetchEnd, TEST: TestEnd, OFFSITE: CopyEnd}
"""How each kind of errand may end: what carries out has read strangers' answers, and what it tells is read as theirs."""


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
    exchange, relay, asked = _told(request, body, PollBody)
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
    exchange, relay, asked = _told(request, body, DeliveredBody)
    relay.delivered(_row(message), delivered=asked.delivered)
    return answer(exchange, {"wanted": False})


@post(
    "/api/v1/outbound/errands/{errand:str}/progress",
    opt=declare("outbound", "Tell how far an errand is.", "outbound", reads={JSON: ProgressBody}, writes={JSON: Wanted}),
    status_code=200,
    sync_to_thread=True,
)
def progress(request: Request[Any, Any, Any], errand: FromPath[str], body: RawBody) -> Response[bytes]:
    """How far it is; whether it is still wanted."""
    exchange, relay, asked = _told(request, body, ProgressBody)
    return answer(exchange, {"wanted": relay.progress(_row(errand), asked.share, asked.message)})


@post(
    "/api/v1/outbound/errands/{errand:str}/finish",
    opt=declare("outbound", "Tell what came of an errand.", "outbound", reads={JSON: EndBody}, writes={JSON: Wanted}),
    status_code=200,
    sync_to_thread=True,
)
def finish_errand(request: Request[Any, Any, Any], errand: FromPath[str], body: RawBody) -> Response[bytes]:
    """It is done, or has failed; one that nobody waits for is nothing."""
    row = _row(errand)
    exchange, relay, _ = _told(request, body, EndBody)
    asked = read(exchange, body, _ENDS.get(relay.kind(row), EndBody))
    if asked.result is None and asked.error is None:
        raise InvalidRequest("an end has a result, or an error", errors=[Fault("", "expected `result` or `error`")])
    error = None if asked.error is None else _plain(asked.error)
    relay.finish(row, msgspec.to_builtins(asked.result), error)
    return answer(exchange, {"wanted": False})


def _told(request: Request[Any, Any, Any], body: bytes, kind: type[T]) -> tuple[Any, Relay, T]:
    """The exchange, what waits to go out, and what the carrier says."""
    exchange = of(request)
    query(request.scope, Query)
    said = read(exchange, body, kind)
    return exchange, _relay(exchange), said


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
