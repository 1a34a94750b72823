"""Requests that come before the kernels are compiled or loaded wait for them on the event loop, and hold no thread meanwhile."""

import asyncio
from time import monotonic
from typing import Final

from rpsd.core.errors import Unavailable
from rpsd.web.exchange import Exchange

_LOOK: Final = 0.02
"""Seconds between two looks; only the first moments after a start know them."""


async def loaded(exchange: Exchange, family: str, *, deputised: bool) -> None:
    """Return once the numerics of the family are loaded from the cache, a second after a start; they are compiled by whoever needs them.

    What is `deputised` goes on as soon as the worker has loaded them.
    """
    services = exchange.services
    while family in services.loading and not (deputised and services.denoise.deputy and services.denoise.deputy.on_duty):
        await asyncio.sleep(_LOOK)


async def warmed(exchange: Exchange) -> None:
    """Return once the kernels are ready, at once as a rule. Raises Unavailable after server.request_timeout.

    Whoever went on without them would compile them, and on the event loop all others would wait for it.
    """
    health = exchange.services.health
    if health.kernels_warm:
        return
    until = monotonic() + exchange.services.settings.server.request_timeout
    while not health.kernels_warm:
        if monotonic() > until:
            raise Unavailable("the numerical kernels are still being compiled, as after each upgrade", retry_after=10.0)
        await asyncio.sleep(_LOOK)
