"""Requests that write wait while a new release is on probation: what is not acknowledged cannot be lost when it is taken back."""

import asyncio
from time import monotonic
from typing import Final

from rpsd.core.operations_errors import InMaintenance
from rpsd.services.probation import WAIT_SECONDS, Probation
from rpsd.web.exchange import Exchange

READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_ACCEPT: Final = "/api/v1/admin/release/accept"
_POLL_SECONDS: Final = 0.05


async def until_accepted(probation: Probation, exchange: Exchange, path: str) -> None:
    """Return as soon as writes may go on; at once but for the seconds after an upgrade that changed the layout of the data.

    Raises InMaintenance when that takes too long.
    """
    if not probation.holds or (exchange.admin and path == _ACCEPT):
        return
    until = monotonic() + WAIT_SECONDS
    while probation.holds:
        if monotonic() > until:
            raise InMaintenance("an upgrade has not been accepted yet", retry_after=5)
        await asyncio.sleep(_POLL_SECONDS)
