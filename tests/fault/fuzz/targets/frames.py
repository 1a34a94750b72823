"""A WebSocket frame from a client, and the rows that it carries."""

from contextlib import suppress

from rpsd.core import market
from rpsd.core.errors import RpsdError
from rpsd.services import channel
from rpsd.services.intake.ingest import from_json
from rpsd.web.stream import frames
from rpsd.web.wire import decoded_json


def one(data: bytes) -> None:
    """Read it as the stream does, up to the store, and make out its id as the refusal does."""
    text = data.decode("utf-8", "surrogateescape")
    frames.id_in(text)
    with suppress(RpsdError):
        _read(frames.given(text))


def _read(frame: frames.Given) -> None:
    if isinstance(frame, frames.Subscribe | frames.Unsubscribe):
        for name in frame.channels:
            channel.parse(name)
    if isinstance(frame, frames.Samples):
        market.symbol(frame.symbol)
        from_json(decoded_json(bytes(frame.data)), market.interval(frame.interval), tz=None, date_format=None, on_error="skip")
