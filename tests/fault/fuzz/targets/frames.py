"""A WebSocket frame from a client."""

from contextlib import suppress

from rpsd.core.errors import RpsdError
from rpsd.web.stream import frames


def one(data: bytes) -> None:
    """Read it, and make out its id as the refusal does."""
    text = data.decode("utf-8", "surrogateescape")
    with suppress(RpsdError):
        frames.given(text)
    frames.id_in(text)
