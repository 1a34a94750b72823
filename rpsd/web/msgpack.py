"""MessagePack bodies: read as JSON bodies are, and refused where they hold what JSON cannot say."""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from math import isfinite
from typing import Any, Final

import msgspec

from rpsd.core.errors import Fault, InvalidRequest, MalformedBody, NotFinite
from rpsd.web.limits import DEEPEST, check_count
from rpsd.web.places import below, convert, plain

_MOST: Final = 100  # faults named in one answer
_OPENERS: Final = bytes([*range(0x80, 0xA0), 0xDC, 0xDD, 0xDE, 0xDF])
_FREE: Final = 1 << 16
_SCALARS: Final = frozenset({float, int, str, bool, type(None)})
_raws: Final = msgspec.msgpack.Decoder(list[msgspec.Raw])
_any: Final = msgspec.msgpack.Decoder()


def decoded_msgpack(body: bytes, kind: Any = Any, *, finite: bool = True, most: int | None = None) -> Any:
    """The MessagePack body as a value of the kind: maps with texts as names, lists, texts, numbers, booleans, nil.

    `finite=False` leaves NaN and infinity for the reader of the rows to name. Raises MalformedBody (damaged, cut off, too deep),
    BodyTooLarge (more than `most` values), NotFinite, InvalidRequest (every bad place; names given twice, binary and extension values
    among them).
    """
    if not body:
        raise MalformedBody("the body is empty")
    if len(body) > _FREE and 3 * (len(body) - len(body.translate(None, _OPENERS))) > len(body):
        raise MalformedBody("the body holds too many lists and maps for its size")  # an empty list costs 64 times its byte
    try:
        value = _any.decode(body)
    except UnicodeDecodeError as error:
        raise MalformedBody("a text of the body is not UTF-8") from error
    except RecursionError as error:
        raise MalformedBody(f"the MessagePack nests deeper than {DEEPEST} levels") from error
    except msgspec.DecodeError as error:
        reason = plain(str(error).removeprefix("MessagePack data is malformed: "))
        raise MalformedBody(f"the MessagePack is damaged: {reason}") from error
    _check(value, body, finite=finite, most=most)
    return value if kind is Any else convert(value, kind)


def _check(value: Any, body: bytes, *, finite: bool, most: int | None) -> None:
    """Raise for what JSON could not hold: names given twice or not texts, binary, extensions, numbers that are not finite."""
    faults = list(islice(_foreign(value, body, most), _MOST))
    odd = [fault for fault in faults if fault.reason != _NOT_FINITE]
    if odd:
        raise InvalidRequest(f"{odd[0].pointer or '/'}: {odd[0].reason}", errors=odd)
    if faults and finite:
        raise NotFinite(f"{faults[0].pointer or '/'}: {_NOT_FINITE}", errors=faults)


_NOT_FINITE: Final = "not a finite number"


def _foreign(value: Any, body: bytes, most: int | None) -> Iterator[Fault]:
    """Every place that JSON could not hold, containers of one level after another. Raises MalformedBody (too deep), BodyTooLarge."""
    total = 0
    level: list[tuple[Any, Any, str]] = [(value, body, "")]
    if type(value) not in (dict, list):
        yield from _odd(value, "")
        return
    for _ in range(DEEPEST):
        below_it: list[tuple[Any, Any, str]] = []
        for held, raw, pointer in level:
            if type(held) is dict:
                yield from _names(held, raw, pointer)
            inner = held.values() if type(held) is dict else held
            total += len(inner)
            check_count(total, most)
            kinds = set(map(type, inner))
            if kinds <= _SCALARS and (float not in kinds or all(isfinite(x) for x in inner if type(x) is float)):
                continue
            yield from _inside(held, raw, pointer, below_it)
        if not below_it:
            return
        level = below_it
    raise MalformedBody(f"the MessagePack nests deeper than {DEEPEST} levels")


def _inside(held: Any, raw: Any, pointer: str, below_it: list[tuple[Any, Any, str]]) -> Iterator[Fault]:
    """The odd values of one container; the containers in it go to below_it with their bytes."""
    pieces = _pieces(raw)
    if type(held) is dict:
        named = {str(_any.decode(name)): piece for name, piece in zip(pieces[::2], pieces[1::2], strict=True)}
        rows = [(str(name), item, named.get(str(name))) for name, item in held.items()]
    else:
        rows = [(str(row), item, piece) for row, (item, piece) in enumerate(zip(held, pieces, strict=True))]
    for name, item, piece in rows:
        if type(item) in (dict, list) and piece is not None:
            below_it.append((item, piece, below(pointer, name)))
        else:
            yield from _odd(item, below(pointer, name))


def _names(held: dict[Any, Any], raw: Any, pointer: str) -> Iterator[Fault]:
    """The names that are no texts, and those given twice."""
    for name in held:
        if type(name) is not str:
            yield Fault(pointer, f"expected texts as names, got {str(name)[:40]}")
    if _size(memoryview(raw))[0] != len(held):
        counts = Counter(str(_any.decode(piece)) for piece in _pieces(raw)[::2])
        yield from (Fault(below(pointer, name), "given twice") for name, count in counts.items() if count > 1)


def _odd(item: Any, pointer: str) -> Iterator[Fault]:
    """The fault of a single value, if it has one."""
    if type(item) is float and not isfinite(item):
        yield Fault(pointer, _NOT_FINITE)
    elif type(item) not in _SCALARS:
        yield Fault(pointer, "expected a number, a text, a list or a map; binary and extension types are not read")


def _pieces(raw: Any) -> list[Any]:
    """The members of a list, or the names and values of a map in turn, each as its bytes."""
    view = memoryview(raw)
    count, begin = _size(view)
    twice = count if 0x90 <= view[0] <= 0x9F or view[0] in (0xDC, 0xDD) else 2 * count
    return _raws.decode(b"\xdd" + twice.to_bytes(4, "big") + view[begin:])


def _size(view: memoryview) -> tuple[int, int]:
    """How many members the list or map has, and where they begin."""
    if view[0] < 0xA0:
        return view[0] & 0x0F, 1
    width = 2 if view[0] in (0xDC, 0xDE) else 4
    return int.from_bytes(view[1 : 1 + width], "big"), 1 + width
