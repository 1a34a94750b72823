"""Frames of a stream: what a client may send, read strictly, and what it is told, as JSON text."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec

from rpsd.core import instant
from rpsd.core.errors import BadFrame, Kind, RpsdError
from rpsd.services.events import Event
from rpsd.web.limits import DEEPEST, check_depth

LONGEST: Final = 1 << 20
"""Bytes of a frame from a client; a larger one ends the socket with 1009."""
MOST_CHANNELS: Final = 64
"""Channels of one stream."""

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | Annotated[int, msgspec.Meta(ge=0, le=2**53)]
"""What a client calls a frame: a text, or a number that every JSON reader keeps whole."""
Name = Annotated[str, msgspec.Meta(max_length=80)]
Sequence = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Names = Annotated[list[Name], msgspec.Meta(min_length=1, max_length=MOST_CHANNELS)]


class _Frame(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, tag_field="type"):
    """Base of what a client may send; `id` comes back in whatever answers the frame."""

    id: Id | None = None


class Subscribe(_Frame, tag="subscribe"):
    """Hear these channels; of one named in `after` (JSON: from) what came after that sequence first."""

    channels: Names
    after: dict[Name, Sequence] = msgspec.field(name="from", default_factory=dict)


class Unsubscribe(_Frame, tag="unsubscribe"):
    """Hear these channels no more."""

    channels: Names


class Ping(_Frame, tag="ping"):
    """Ask for a pong."""


class Samples(_Frame, tag="samples"):
    """Rows of a series: `data` is the JSON body of POST /api/v1/series/{symbol}/{interval}/samples."""

    id: Id
    symbol: Annotated[str, msgspec.Meta(max_length=64)]
    interval: Annotated[str, msgspec.Meta(max_length=16)]
    data: msgspec.Raw


class Snapshots(_Frame, tag="snapshots"):
    """Whole order books: `data` is the JSON body of POST /api/v1/books/{symbol}/snapshots."""

    id: Id
    symbol: Annotated[str, msgspec.Meta(max_length=64)]
    data: msgspec.Raw


Given = Subscribe | Unsubscribe | Ping | Samples | Snapshots
_GIVEN: Final = msgspec.json.Decoder(Given)
_ID: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NAME: Final = msgspec.json.Decoder(Id | None)


def given(text: str) -> Given:
    """The frame that a client has sent. Raises BadFrame for anything that is none, also when it nests deeper than 32 levels."""
    raw = text.encode("utf-8", "surrogatepass")
    try:
        check_depth(raw)
        frame: Given = _GIVEN.decode(raw)
    except RpsdError as error:
        raise BadFrame(f"the frame nests deeper than {DEEPEST} levels") from error
    except RecursionError as error:
        raise BadFrame("the frame nests too deep") from error
    except UnicodeDecodeError as error:
        raise BadFrame("the frame is not UTF-8") from error
    except msgspec.MsgspecError as error:
        raise BadFrame(str(error)[:200]) from error
    return frame


def id_in(text: str) -> str | int | None:
    """The id of a frame that given() refused, if one can be made out."""
    try:
        named: str | int | None = _NAME.decode(_ID.decode(text).get("id", b"null"))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    return named


def _text(frame: Mapping[str, Any]) -> str:
    return msgspec.json.encode(frame).decode()


def data(event: Event) -> str:
    """The frame of an event, made once however many hear it."""
    if event.frame is None:
        event.frame = _text(
            {
                "type": "data",
                "channel": event.channel,
                "sequence": event.sequence,
                "timestamp": instant.text(event.at_ns),
                "data": event.data,
            }
        )
    return event.frame


def confirmed(given_id: str | int | None, last: Mapping[str, int]) -> str:
    """What a subscription begins with: each channel with the sequence of its newest event, 0 where there is none yet."""
    return _text({"type": "subscribe_confirmed", **_named(given_id), "channels": list(last), "sequence": last})


def parted(given_id: str | int | None, channels: list[str]) -> str:
    """The end of a subscription."""
    return _text({"type": "unsubscribe_confirmed", **_named(given_id), "channels": channels})


def gap(channel: str, after: int | None, missed: int, following: int | None) -> str:
    """Events since `after` that can no longer be had: at least `missed`; `to` is the sequence before the next that comes, if known."""
    return _text({"type": "gap", "channel": channel, "from": after, "to": None if following is None else following - 1, "missed": missed})


def dropped(channel: str, count: int) -> str:
    """Events that the reader was too slow for."""
    return _text({"type": "dropped", "channel": channel, "count": count})


def pong(given_id: str | int | None) -> str:
    """The answer to a ping."""
    return _text({"type": "pong", **_named(given_id)})


def ack(given_id: str | int, outcome: Mapping[str, Any]) -> str:
    """What was ingested, after its commit."""
    return _text({"type": "ack", "id": given_id, "result": outcome})


def error(problem: RpsdError, given_id: str | int | None = None) -> str:
    """Why a frame was refused; the stream goes on."""
    if problem.kind is Kind.INTERNAL:
        told: dict[str, Any] = {"detail": "An unexpected error happened; its cause is in the log."}
    else:
        told = {"detail": problem.detail}
    told["hint"] = problem.advice
    if problem.retry_after is not None:
        told["retry_after"] = max(1, round(problem.retry_after))
    if problem.errors:
        told["errors"] = [{"pointer": fault.pointer, "reason": fault.reason} for fault in problem.errors[:20]]
    return _text({"type": "error", "code": problem.code, **told, **_named(given_id)})


def _named(given_id: str | int | None) -> dict[str, str | int]:
    return {} if given_id is None else {"id": given_id}
