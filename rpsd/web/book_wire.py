"""Bodies about order books: JSON rows or columns, NDJSON, MessagePack and binary frames become tapes and updates."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import msgspec
import numpy as np

from rpsd.core import frame
from rpsd.core.book import Integers, Tape, Updates
from rpsd.core.errors import BadBook, Fault, InvalidRequest, MalformedBody, RpsdError
from rpsd.web.book_rows import QUOTES, SNAPSHOTS, TRADES, UPDATES, Layout
from rpsd.web.limits import check_count
from rpsd.web.msgpack import decoded_msgpack
from rpsd.web.places import convert
from rpsd.web.wire import FLOATS, JSON, MSGPACK, NDJSON, decoded_json

__all__ = ["KINDS", "QUOTES", "SNAPSHOTS", "TRADES", "UPDATES", "Given", "records"]

KINDS: Final = (JSON, NDJSON, MSGPACK, FLOATS)
"""Media types that are read; updates have no binary frames."""
_MOST_NAMED: Final = 100
_MOST_LISTED: Final = 1000
_RAWS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_FIELDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_UNREADABLE: Final = "unreadable"
"""What stands in the place of a validator's rule for a record that could not even be read."""


@lru_cache(8)
def _decoder(kind: type[Any]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


@lru_cache(8)
def _packed(kind: type[Any]) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(list[kind])  # type: ignore[valid-type]


@dataclass(frozen=True, slots=True)
class Given:
    """The readable records of a body.

    `feed`: what they say. `numbers` (n,): the place of each in the body, lines from 1 and list entries from 0, None where it is that of the
    feed. `rejected`: under on_error=skip the unreadable ones as {"row", "rule", "reason"}, the first thousand; `unreadable` how many.
    `tick`: as binary frames name it.
    """

    feed: Tape | Updates
    numbers: Integers | None = None
    rejected: tuple[dict[str, Any], ...] = ()
    unreadable: int = 0
    tick: float | None = None

    def merged(self, answer: dict[str, Any]) -> dict[str, Any]:
        """The answer of the ingestion, `rejected` and `counts` in it, by the places in the body, with the unreadable records among them."""
        if self.numbers is None and not self.rejected:
            return answer
        rows = [{**one, "row": self.place(int(one["row"]))} for one in answer.get("rejected", ())]
        counts = dict(answer.get("counts", {})) | ({_UNREADABLE: self.unreadable} if self.unreadable else {})
        rejected = sorted([*rows, *self.rejected], key=lambda one: int(one["row"]))[:_MOST_LISTED]
        return {**answer, "rejected": rejected, "counts": counts}

    def place(self, row: int) -> int:
        """Where the record of the feed stood in the body."""
        return row if self.numbers is None else int(self.numbers[row])

    def placed(self, error: RpsdError) -> RpsdError:
        """The error with the places of the body where its faults have those of the feed, /row or /row/…"""
        if self.numbers is not None:
            error.errors = tuple(self._moved(fault) for fault in error.errors)
        return error

    def _moved(self, fault: Fault) -> Fault:
        row, slash, rest = fault.pointer.removeprefix("/").partition("/")
        return Fault(f"/{self.place(int(row))}{slash}{rest}", fault.reason) if row.isdecimal() else fault


def records(body: bytes, kind: str, layout: Layout, *, on_error: str = "reject", most: int | None = None) -> Given:
    """The records of the body, of a media type of KINDS; O(n).

    A list of records, an object of columns, or one record alone in JSON and MessagePack; NDJSON has a record a line. Under on_error=skip
    records that cannot be read are left out and listed. `most`: values that the body may hold. Raises MalformedBody, BodyTooLarge,
    NotFinite, InvalidRequest (every bad place), BadTime, BadBook.
    """
    if not body.strip():
        raise MalformedBody("the body is empty")
    if kind == FLOATS:
        return _of_frames(body, layout)
    if kind == MSGPACK:
        return _of_msgpack(body, layout, on_error, most)
    if most is not None and len(body) > most:
        check_count(body.count(b","), most)
    if kind == NDJSON:
        return _of_lines(body, layout, on_error)
    if body.lstrip()[:1] == b"[":
        return _of_list(body, layout, on_error)
    if layout.of_columns is not None and _has_columns(body):
        return Given(_of_columns(decoded_json(body, layout.columns), layout))
    return Given(_of_rows([decoded_json(body, layout.row)], layout))


def _of_frames(body: bytes, layout: Layout) -> Given:
    if layout.event is None:
        raise BadBook("updates have no binary frames", hint="Send JSON, NDJSON or MessagePack.")
    tape, tick = frame.decoded(body)
    if (
        layout.noun != SNAPSHOTS.noun and (odd := np.flatnonzero(tape.kind != layout.event)).size
    ):  # a fused feed may come where its books do
        reason = f"event {odd[0]} is of another kind; {layout.noun} are read here"
        raise BadBook(reason, errors=[Fault(f"/{odd[0]}", reason)])
    return Given(tape, tick=tick)


def _of_msgpack(body: bytes, layout: Layout, on_error: str, most: int | None) -> Given:
    if 0x90 <= body[0] <= 0x9F or body[0] in (0xDC, 0xDD):  # a list: ten times as fast when its records are read by their type at once
        try:
            return Given(_of_rows(_packed(layout.row).decode(body), layout))  # type: ignore[arg-type]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, RpsdError):
            pass  # the slower look below explains
    return _of_values(decoded_msgpack(body, finite=False, most=most), layout, on_error)


def _of_values(value: Any, layout: Layout, on_error: str) -> Given:
    """Records of a body that is decoded already."""
    if isinstance(value, dict):
        stamps = value.get("timestamp")
        if layout.of_columns is not None and isinstance(stamps, list):
            return Given(_of_columns(convert(value, layout.columns), layout))
        return Given(_of_rows([convert(value, layout.row)], layout))
    if not isinstance(value, list):
        raise InvalidRequest("expected a list of records or an object of columns", errors=[Fault("", "expected a list or an object")])
    try:
        return Given(_of_rows(convert(value, list[layout.row]), layout))  # type: ignore[name-defined]  # a value, mypy wants a type
    except RpsdError:
        if on_error != "skip":
            raise
        return _each(value, range(len(value)), lambda one: convert(one, layout.row), layout)


def _of_list(body: bytes, layout: Layout, on_error: str) -> Given:
    """Records of a JSON list."""
    try:
        return Given(_of_rows(decoded_json(body, list[layout.row]), layout))  # type: ignore[name-defined]
    except MalformedBody:
        raise
    except RpsdError:
        if on_error != "skip":
            raise
    try:
        raws = _RAWS.decode(body)
    except msgspec.DecodeError as error:  # not JSON, but for a NaN or infinity somewhere
        raise MalformedBody("the list is not JSON", hint="NaN and infinity are not JSON; leave such records out.") from error
    return _each(raws, range(len(raws)), lambda raw: decoded_json(bytes(raw), layout.row), layout)


def _of_lines(body: bytes, layout: Layout, on_error: str) -> Given:
    """Records of NDJSON, a line each; empty lines count, too."""
    body = body.removeprefix(b"\xef\xbb\xbf")
    lines = body.split(b"\n")
    numbers = [number for number, line in enumerate(lines, 1) if line.strip()]
    try:
        rows = _decoder(layout.row).decode_lines(body)  # type: ignore[arg-type]  # a class is hashable
        return Given(_of_rows(rows, layout), np.array(numbers))
    except (msgspec.DecodeError, UnicodeDecodeError, RpsdError):  # each line by itself tells which and why
        texts = [lines[number - 1] for number in numbers]
        if on_error == "skip":
            return _each(texts, numbers, lambda line: decoded_json(line, layout.row), layout)
        raise _refused(texts, numbers, layout) from None


def _refused(lines: Sequence[bytes], numbers: Sequence[int], layout: Layout) -> RpsdError:
    """The error that names the bad lines, the first hundred."""
    faults: list[Fault] = []
    for number, line in zip(numbers, lines, strict=True):
        try:
            _of_rows([decoded_json(line, layout.row)], layout)
        except RpsdError as error:
            inner = error.errors or (Fault("", error.detail),)
            faults += [Fault(f"/{number}{fault.pointer.removeprefix('/0')}", fault.reason) for fault in inner]
            if len(faults) >= _MOST_NAMED:
                break
    first = faults[0] if faults else Fault("", "the times do not fit together")
    return BadBook(f"line {first.pointer[1:]}: {first.reason}", errors=faults[:_MOST_NAMED])


def _each(items: Sequence[Any], numbers: Sequence[int], read: Callable[[Any], Any], layout: Layout) -> Given:
    """The items that can be read, one by one; the others are listed. Raises BadBook when none can."""
    rows, kept, rejected, unreadable = [], [], [], 0
    for number, item in zip(numbers, items, strict=True):
        try:
            row = read(item)
            _of_rows([row], layout)
        except RpsdError as error:
            unreadable += 1
            if unreadable <= _MOST_LISTED:
                rejected.append({"row": number, "rule": _UNREADABLE, "reason": error.detail})
        else:
            rows.append(row)
            kept.append(number)
    if not rows:
        raise BadBook(f"no record can be read; the first: {rejected[0]['reason']}" if rejected else "there are no records")
    return Given(_of_rows(rows, layout), np.array(kept), tuple(rejected), unreadable)


def _of_rows(rows: list[Any], layout: Layout) -> Tape | Updates:
    if not rows:
        raise BadBook("there are no records", errors=[Fault("", f"expected at least one of the {layout.noun}")])
    layout.check_symbols([row.symbol for row in rows], lambda at: f"/{at}/symbol")
    return layout.of_rows(rows)


def _of_columns(given: Any, layout: Layout) -> Tape:
    layout.check_symbols([given.symbol], lambda _: "/symbol")
    assert layout.of_columns is not None
    return layout.of_columns(given)


def _has_columns(body: bytes) -> bool:
    """Whether the object holds lists of its times; what cannot be told is left to the reader of single records."""
    try:
        stamps = _FIELDS.decode(body).get("timestamp")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return b'"timestamp":[' in body.translate(None, b" \r\n\t")  # broken columns are to be explained as columns
    return stamps is not None and bytes(stamps).lstrip()[:1] == b"["
