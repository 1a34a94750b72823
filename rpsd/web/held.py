"""Requests that write wait while a new release is on probation: what is not acknowledged cannot be lost when it is taken back."""

import asyncio
from time import monotonic
from typing import Final

from rpsd.core.operations_errors import InMaintenance
from rpsd.services.probation import WAIT_SECONDS, Probation
from rpsd.web.exchange import Exchange

READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
COMPUTES: Final = frozenset({"/api/v1/denoise", "/api/v1/denoise/batch", "/api/v1/denoise/compare"})
"""What is sent by POST for its length alone, and leaves nothing behind."""
_ACCEPT: Final = "/api/v1/admin/release/accept"
_POLL_SECONDS: Final = 0.05


async def until_accepted(probation: Probation, exchange: Exchange, path: str) -> None:
    """Return as soon as writes may go on; at once but for the seconds after an upgrade that changed the layout of the data.

    Raises InMaintenance when that takes too long, or the process stops: the release may be on its way to be taken back, and whoever waits
    would hold that up.
    """
    if not probation.holds or path in COMPUTES or (exchange.admin and path == _ACCEPT):
        return
    until = monotonic() + WAIT_SECONDS
    while probation.holds:
        if probation.ending or monotonic() > until:
            raise InMaintenance("an upgrade has not been accepted yet", retry_after=5)
        await asyncio.sleep(_POLL_SECONDS)
