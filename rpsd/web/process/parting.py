"""How a server takes leave of its clients without a reset: it says so, accepts no more, and hears out who has just come."""

import asyncio
import time
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rpsd.web.edge import Edge
    from rpsd.web.process.engine import Engine
    from rpsd.web.process.reaper import Reaper

_TOLD_SECONDS: Final = 0.25
"""So long all is served as before, and each answer ends its connection: who asks four times a second has come again by then."""
_SETTLED_SECONDS: Final = 0.05
"""A connection that has sent nothing for so long has nothing on its way to us."""
_MOST_SECONDS: Final = 2.0
"""So long answers are waited for here, while newcomers wait; what takes longer has server.shutdown_grace with the engine."""
_LOOK_SECONDS: Final = 0.01


async def part(edges: Collection["Edge"], engines: Sequence["Engine"], reaper: "Reaper") -> None:
    """Bring the engines to accept no more with nothing unread on any connection, within three seconds.

    Who asks meanwhile learns from the answer that its connection ends; who does not ask learns it from the end itself, before it asks
    again. New connections wait in the backlog of a socket that systemd holds. Source: RFC 9112, section 9.6.
    """
    for edge in edges:
        edge.leaving = True
    if await asyncio.to_thread(reaper.has_clients):
        await asyncio.sleep(_TOLD_SECONDS)
        await asyncio.to_thread(reaper.end_idle, _TOLD_SECONDS)
    for engine in engines:
        engine.leave()
    until = time.monotonic() + _MOST_SECONDS
    await asyncio.sleep(_LOOK_SECONDS)  # what was being accepted is a connection now
    while time.monotonic() < until:
        await asyncio.to_thread(reaper.end_idle, _SETTLED_SECONDS)  # the engine would not look whether a request has just come
        if not any(edge.in_flight for edge in edges) and not await asyncio.to_thread(reaper.has_clients):
            return
        await asyncio.sleep(_LOOK_SECONDS)
