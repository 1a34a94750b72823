"""The same events as server-sent ones, for curl, scripts and pages: one answer that does not end, with a comment every few seconds."""

import asyncio
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from litestar import Request, get
from litestar.types import ASGIApp

from rpsd.core.errors import Fault, InvalidRequest, Unavailable
from rpsd.services import channel
from rpsd.services.events import Event
from rpsd.web.exchange import of
from rpsd.web.operation import declare
from rpsd.web.stream import frames
from rpsd.web.stream.fanout import replayed
from rpsd.web.stream.reader import Ended, Reader
from rpsd.web.stream.socket import allowed
from rpsd.web.wire import Query, query

if TYPE_CHECKING:
    from rpsd.web.stream.streams import Streams

KIND: Final = "events"
MEDIA_TYPE: Final = "text/event-stream"
HEARTBEAT: Final = 5.0
"""Seconds of silence after which a comment says that the stream is alive."""
_HEADERS: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # proxies that would collect an answer pass this one on
)


class EventsQuery(Query):
    """Which channels, separated by commas; `from` names what was seen last as CHANNEL:SEQUENCE, separated by commas too."""

    channels: Annotated[str, msgspec.Meta(min_length=1, max_length=8192)]
    after: Annotated[str, msgspec.Meta(max_length=8192)] = msgspec.field(name="from", default="")


@get(
    "/api/v1/events",
    opt=declare(
        "read",
        "Live events of up to 64 channels as server-sent events; the header Last-Event-ID, or ?from=CHANNEL:SEQUENCE,…, goes on where a "
        "reader stopped.",
        "streams",
        query=EventsQuery,
        writes={MEDIA_TYPE: None},
    ),
)
async def events(request: Request[Any, Any, Any]) -> ASGIApp:
    """Live events."""
    exchange, asked = of(request), query(request.scope, EventsQuery)
    streams: Streams | None = exchange.streams
    if streams is None:
        raise Unavailable("there are no live streams here")
    names = allowed(exchange.who, asked.channels.split(","))
    if len(names) > frames.MOST_CHANNELS:
        reason = f"a stream hears up to {frames.MOST_CHANNELS} channels"
        raise InvalidRequest(f"/query/channels: {reason}", errors=[Fault("/query/channels", reason)])
    after, order = _after(asked.after, names), _order(exchange.header(b"last-event-id"))
    client = request.scope.get("client")
    reader = streams.enter(exchange.who, (str(client[0]), str(client[1])) if client else ("", ""), KIND)
    begun = exchange.services.events.order if order is None and not after else order
    found = streams.fanout.join(reader, names, after, order)
    reader.reply(frames.confirmed(None, {name: joined.last for name, joined in found.items()}))
    reader.resend(replayed(found, after, has_order=order is not None))
    if exchange.method == "HEAD":
        reader.end(1000, "")
    return Told(streams, reader, begun)


ROUTES = (events,)


class Told:
    """The answer; its first frame has the id `begun`, so that who loses it before the first event can go on too.

    A reader that does not take it is cut, as a WebSocket is.
    """

    def __init__(self, streams: "Streams", reader: Reader, begun: int | None) -> None:
        self._streams, self._reader, self._begun = streams, reader, begun

    async def __call__(self, _scope: Any, receive: Any, send: Any) -> None:
        """Send until either side ends it."""
        loop, reader = asyncio.get_running_loop(), self._reader
        watching, sending = loop.create_task(_until_gone(receive)), loop.create_task(self._send_on(send))
        try:
            await asyncio.wait({watching, sending, reader.over}, return_when=asyncio.FIRST_COMPLETED)
            reader.end(1000, "")
            if not watching.done():
                await asyncio.wait({sending}, timeout=1.0)
                if not sending.done():
                    self._streams.cut([reader.peer])
        finally:
            self._streams.leave(reader, KIND)
            watching.cancel()
            sending.cancel()
            await asyncio.gather(watching, sending, return_exceptions=True)

    async def _send_on(self, send: Any) -> None:
        reader = self._reader
        await send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
        if self._begun is not None:
            await send({"type": "http.response.body", "body": b"id: %d\n" % self._begun, "more_body": True})
        with suppress(Ended):
            while True:
                text = ": still here\n\n"
                with suppress(TimeoutError):
                    async with asyncio.timeout(HEARTBEAT):
                        text = _lines(await reader.next())
                reader.stuck_since = monotonic()
                await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
                reader.stuck_since = None
        await send({"type": "http.response.body", "body": _farewell(reader).encode(), "more_body": False})


async def _until_gone(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _lines(one: Event | str) -> str:
    if isinstance(one, str):
        return f"data: {one}\n\n"
    return f"id: {one.order}\ndata: {frames.data(one)}\n\n"


def _farewell(reader: Reader) -> str:
    """The last event: why the stream ends, in the terms of a WebSocket's close frame."""
    assert reader.ended is not None
    return f'event: close\ndata: {{"type":"close","code":{reader.ended.code},"reason":"{reader.ended.reason}"}}\n\n'


def _after(text: str, names: list[str]) -> dict[str, int]:
    """What ?from= says. Raises InvalidRequest, UnknownChannel."""
    found = {}
    for part in text.split(",") if text else ():
        name, _, sequence = part.rpartition(":")
        if not (sequence.isascii() and sequence.isdecimal() and len(sequence) <= 16):
            reason = "expected CHANNEL:SEQUENCE, several separated by commas"
            raise InvalidRequest(f"/query/from: {reason}", errors=[Fault("/query/from", reason)])
        found[channel.parse(name).name] = int(sequence)
    if not found.keys() <= set(names):
        reason = "names a channel that is not among `channels`"
        raise InvalidRequest(f"/query/from: {reason}", errors=[Fault("/query/from", reason)])
    return found


def _order(text: str) -> int | None:
    """What Last-Event-ID says. Raises InvalidRequest for what no stream of ours has sent."""
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 19):
        reason = "expected the id of an event of this stream"
        raise InvalidRequest(f"Last-Event-ID: {reason}", errors=[Fault("/header/Last-Event-ID", reason)])
    return int(text)
