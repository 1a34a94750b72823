"""Files of order books over HTTP: `?format=` streams a body of any size into the store, piece by piece."""

import asyncio
from typing import TYPE_CHECKING, Any, Final

from litestar import Request

from rpsd.web.exchange import of

if TYPE_CHECKING:
    from rpsd.services.book.feed.reader import ReaderOptions
    from rpsd.services.book.importing import BookImport

_SLICE: Final = 1 << 20


async def streamed(request: Request[Any, Any, Any], symbol: str, name: str, options: "ReaderOptions", tick: float | None) -> dict[str, Any]:
    """What became of the records of the body; a piece is stored in a thread while the next arrives. Raises as BookImport."""
    from rpsd.services.book.feed import opened
    from rpsd.services.book.importing import BookImport

    exchange = of(request)
    taking = BookImport(exchange.services.book, symbol, opened(name, options), by=exchange.actor, tick=tick)
    held, size = [], 0
    async for chunk in request.stream():
        held.append(chunk)
        size += len(chunk)
        if size >= _SLICE:
            await asyncio.to_thread(taking.feed, b"".join(held))
            held, size = [], 0
    return await asyncio.to_thread(_finished, taking, b"".join(held))


def _finished(taking: "BookImport", rest: bytes) -> dict[str, Any]:
    taking.feed(rest)
    return taking.finish()
