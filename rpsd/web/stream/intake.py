"""Ingest over a WebSocket: the same services as over HTTP, frame by frame in the order of their coming, acknowledged after the commit."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from rpsd.core.errors import InternalError, RpsdError
from rpsd.core.market import interval as checked_interval
from rpsd.core.market import symbol as checked_symbol
from rpsd.web.stream import frames
from rpsd.web.stream.frames import Samples, Snapshots

if TYPE_CHECKING:
    from rpsd.web.exchange import Exchange
    from rpsd.web.stream.reader import Reader

MOST_IN_FLIGHT: Final = 16
"""Frames of one socket that are taken in or wait for it; the next is not read before one of them is answered."""


class Intake:
    """Of one socket. take() returns once there is room for the frame; answers follow in the order of the frames."""

    def __init__(self, exchange: "Exchange", reader: "Reader") -> None:
        self._exchange, self._reader = exchange, reader
        self._room = asyncio.Semaphore(MOST_IN_FLIGHT)
        self._waiting: asyncio.Queue[Samples | Snapshots] = asyncio.Queue()
        self._working: asyncio.Task[None] | None = None

    async def take(self, frame: Samples | Snapshots) -> None:
        """Queue the frame. Raises Forbidden, RateLimited."""
        assert self._exchange.principal is not None
        self._exchange.principal.require("ingest")
        self._exchange.charge("ingest")
        await self._room.acquire()
        self._waiting.put_nowait(frame)
        if self._working is None:
            self._working = asyncio.get_running_loop().create_task(self._work_on())

    def close(self) -> None:
        """End; what is being stored is stored, what waits is not."""
        if self._working is not None:
            self._working.cancel()

    async def _work_on(self) -> None:
        while True:
            frame = await self._waiting.get()
            await self._reader.room()
            self._reader.reply(await self._outcome(frame))
            self._room.release()

    async def _outcome(self, frame: Samples | Snapshots) -> str:
        from rpsd.web.problem import record, understood

        try:
            if isinstance(frame, Snapshots):
                from rpsd.web.while_warming import warmed

                await warmed(self._exchange)
                stored = await asyncio.to_thread(self._store_snapshots, frame)
            else:
                stored = await asyncio.to_thread(self._store_samples, frame)
        except Exception as exception:  # noqa: BLE001 - whatever it was, the client must hear of its frame
            error: RpsdError = understood(exception)
            if isinstance(error, InternalError):
                record(self._exchange, error, exception)
            return frames.error(error, frame.id)
        return frames.ack(frame.id, stored)

    def _store_samples(self, frame: Samples) -> Mapping[str, Any]:
        from rpsd.services.intake.ingest import from_json
        from rpsd.web.wire import decoded_json

        symbol, interval = checked_symbol(frame.symbol), checked_interval(frame.interval)
        parsed = from_json(decoded_json(bytes(frame.data)), interval, tz=None, date_format=None, on_error="reject")
        stored: Mapping[str, Any] = self._exchange.services.series.append(
            symbol, interval, parsed.samples, rejected=parsed.rejected, by=self._exchange.actor, once=None
        )
        return stored

    def _store_snapshots(self, frame: Snapshots) -> Mapping[str, Any]:
        from rpsd.web import book_wire

        symbol = checked_symbol(frame.symbol)
        most = frames.LONGEST // 4
        layout = replace(book_wire.SNAPSHOTS, symbol=symbol)
        given = book_wire.records(bytes(frame.data), book_wire.KINDS[0], layout, on_error="reject", most=most)
        try:
            done = self._exchange.services.book.ingest(
                symbol, given.feed, on_error="reject", by=self._exchange.actor, once=None, tick=given.tick
            )
        except RpsdError as error:
            raise given.placed(error) from error.__cause__
        return given.merged(done)
