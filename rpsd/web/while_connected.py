"""Work that ends when its client goes away."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from litestar import Request
from litestar.response import Response

from rpsd.core.errors import RpsdError
from rpsd.web.exchange import of


async def answered(request: Request[Any, Any, Any], work: Callable[[Callable[[], bool]], Response[bytes]]) -> Response[bytes]:
    """work(gone) in a thread of the batch service's own; gone() tells whether the client has closed its connection.

    Raises Unavailable when too many such calls wait already, and what the work raises.
    """
    gone = threading.Event()
    watch = asyncio.ensure_future(_until_gone(request, gone))
    try:
        return await asyncio.wrap_future(of(request).services.denoise_batch.submit(lambda: work(gone.is_set)))
    finally:
        gone.set()
        watch.cancel()


async def _until_gone(request: Request[Any, Any, Any], gone: threading.Event) -> None:
    """Set the event when the client closes its connection."""
    with suppress(RuntimeError, RpsdError):  # the server may have no more messages for us
        while (await request.receive())["type"] != "http.disconnect":
            pass
        gone.set()
