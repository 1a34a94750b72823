"""One WebSocket: opened for a key or a ticket, read frame by frame, sent to by a task of its own, and closed with a code that says why."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from rpsd.core.errors import Fault, InvalidRequest, RpsdError
from rpsd.services import channel
from rpsd.web.stream import frames
from rpsd.web.stream.fanout import replayed
from rpsd.web.stream.frames import Ping, Samples, Snapshots, Subscribe
from rpsd.web.stream.intake import Intake
from rpsd.web.stream.reader import Ended, Reader

if TYPE_CHECKING:
    from rpsd.services.access.service import Principal
    from rpsd.web.exchange import Exchange
    from rpsd.web.stream.streams import Streams

KIND: Final = "websocket"
_PACE: Final = 100.0
"""Frames a second that a client may send, but for those that ingest, which count against its limit."""
_BURST: Final = 200.0
_FAREWELL: Final = 1.0
"""Seconds for the close frame to go out."""


class Socket:
    """A WebSocket connection that was let in; run() returns when it is over."""

    def __init__(self, streams: "Streams", exchange: "Exchange", reader: Reader, receive: Any, send: Any) -> None:
        self._streams, self._exchange, self._reader = streams, exchange, reader
        self._receive, self._send = receive, send
        self._intake = Intake(exchange, reader)
        self._room, self._paced_at = _BURST, monotonic()
        self._is_gone = False

    async def run(self) -> None:
        """Accept the connection, and serve it until either side ends it."""
        await self._send({"type": "websocket.accept"})
        loop, reader = asyncio.get_running_loop(), self._reader
        reading, sending = loop.create_task(self._read_on()), loop.create_task(self._send_on())
        try:
            await asyncio.wait({reading, sending, reader.over}, return_when=asyncio.FIRST_COMPLETED)
            reader.end(1000, "")  # unless it ended for another reason
            reading.cancel()  # the engine closes nothing while somebody waits for a message
            if not self._is_gone and not await self._say_farewell(reading, sending):
                self._streams.cut([reader.peer])
        finally:
            self._intake.close()
            for task in (reading, sending):
                task.cancel()
            for outcome in await asyncio.gather(reading, sending, return_exceptions=True):
                if isinstance(outcome, Exception):
                    from rpsd.web.problem import record, understood

                    record(self._exchange, understood(outcome), outcome)

    async def _say_farewell(self, reading: "asyncio.Task[None]", sending: "asyncio.Task[None]") -> bool:
        """Send the close frame after the frame that is under way; whether both went out in time."""
        await asyncio.wait({reading, sending}, timeout=_FAREWELL)
        if not (reading.done() and sending.done()):
            return False
        assert self._reader.ended is not None
        closing = {"type": "websocket.close", "code": self._reader.ended.code, "reason": self._reader.ended.reason}
        with suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL):
                await self._send(closing)
                return True
        return False

    async def _send_on(self) -> None:
        send, reader = self._send, self._reader
        with suppress(Ended):
            while True:
                one = await reader.next()
                reader.stuck_since = monotonic()
                await send({"type": "websocket.send", "text": one if isinstance(one, str) else one.frame or frames.data(one)})
                reader.stuck_since = None

    async def _read_on(self) -> None:
        reader = self._reader
        while reader.ended is None:
            await reader.room()
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                self._is_gone = True  # whatever is sent now, the engine would keep for ever
                return
            text = message.get("text")
            if text is None:
                reader.end(1003, "frames are text")
            elif len(text) > frames.LONGEST:
                reader.end(1009, f"the frame is above {frames.LONGEST} bytes")
            else:
                await self._take(text)

    async def _take(self, text: str) -> None:
        """Do what a frame asks for; what cannot be done is answered with an error frame."""
        given_id = None
        try:
            try:
                frame = frames.given(text)
            except RpsdError:
                given_id = frames.id_in(text)
                await self._pace()
                raise
            given_id = frame.id
            if isinstance(frame, Samples | Snapshots):
                await self._intake.take(frame)
                return
            await self._pace()
            if isinstance(frame, Ping):
                self._reader.reply(frames.pong(frame.id))
            elif isinstance(frame, Subscribe):
                self._subscribe(frame)
            else:
                names = [channel.parse(name).name for name in frame.channels]
                self._streams.fanout.part(self._reader, names)
                self._reader.forget(names)
                self._reader.reply(frames.parted(frame.id, names))
        except RpsdError as error:
            self._exchange.services.metrics.errors_total.labels(error.code).inc()
            self._reader.reply(frames.error(error, given_id))

    def _subscribe(self, frame: Subscribe) -> None:
        after = {channel.parse(name).name: sequence for name, sequence in frame.after.items()}
        names = allowed(self._reader.principal, frame.channels)
        if len(self._reader.channels.union(names)) > frames.MOST_CHANNELS:
            reason = f"a stream hears up to {frames.MOST_CHANNELS} channels"
            raise InvalidRequest(reason, errors=[Fault("/channels", reason)], hint="Open another stream for more.")
        if not after.keys() <= set(names):
            reason = "names a channel that is not subscribed to by this frame"
            raise InvalidRequest(f"/from: {reason}", errors=[Fault("/from", reason)])
        found = self._streams.fanout.join(self._reader, names, after)
        self._reader.reply(frames.confirmed(frame.id, {name: joined.last for name, joined in found.items()}))
        self._reader.resend(replayed(found, after))

    async def _pace(self) -> None:
        """Wait until the client may have sent another frame: the kernel's buffer fills, and then it waits as well."""
        now = monotonic()
        self._room = min(_BURST, self._room + (now - self._paced_at) * _PACE) - 1.0
        self._paced_at = now
        if self._room < 0.0:
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._reader.over), -self._room / _PACE)


def allowed(principal: "Principal", names: Sequence[str]) -> list[str]:
    """The channels by their canonical names, each once. Raises UnknownChannel, and Forbidden for what the principal may not hear."""
    found = [channel.parse(name) for name in names]
    for one in found:
        principal.require(one.scope)
    return list(dict.fromkeys(one.name for one in found))
