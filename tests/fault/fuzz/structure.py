"""Changes of a JSON value at one random place, written so that what is no JSON can stand in it, too."""

import json
import random
from typing import Any, Final

from tests.fault.fuzz.values import NUMBERS, TEXTS, TIMES

_MARK: Final = "\x02here\x02"
_MARKED: Final = json.dumps(_MARK).encode()
_WHOLE: Final = (b"null", b"true", b"false", b"{}", b"[]", b'""', b"[[]]", b"[null]", b'{"a":1}', b'[1,"a"]', b"")


def restructured(rng: random.Random, value: Any) -> bytes:
    """The JSON of the value, changed at one place; it is changed in place, too."""
    places = list(_places(value))
    if not places:
        return rng.choice(_WHOLE)
    parent, key = rng.choice(places)
    old = parent[key]
    way = rng.randrange(11)
    filling = _any(rng)
    if way < 5:
        parent[key] = _MARK
    elif way == 5:
        del parent[key]
    elif way == 6:
        parent[key], filling = _MARK, b"[" + _json(old) + b"]"
    elif way == 7:
        parent[key], filling = _MARK, b'{"a":' + _json(old) + b"}"
    elif way == 8 and isinstance(parent, list):
        parent[key:key] = [old] * rng.choice((1, 2, 50, 400))
    elif way == 8 and isinstance(old, list):
        parent[key] = old * rng.choice((0, 2, 20))
    elif way == 9 and isinstance(parent, dict):
        parent[rng.choice(TEXTS)[:64]] = _MARK
    elif way == 10 and isinstance(parent, dict):  # the same name twice
        name = json.dumps(key).encode()
        parent[key], filling = _MARK, _json(old) + b"," + name + b":" + filling
    else:
        parent[key] = _MARK
    return _json(value).replace(_MARKED, filling, 1)


def _json(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


def _any(rng: random.Random) -> bytes:
    """A value of any kind."""
    way = rng.randrange(7)
    if way == 0:
        return rng.choice(_WHOLE)
    if way in (1, 2):
        return rng.choice(NUMBERS)
    if way == 3:
        return json.dumps(rng.choice(TIMES)).encode()
    if way == 4:
        depth = rng.choice((2, 31, 33, 2000))
        return b"[" * depth + b"1" + b"]" * depth
    text = rng.choice(TEXTS)
    if way == 5 and not any(0xD800 <= ord(one) <= 0xDFFF for one in text):
        return json.dumps(text, ensure_ascii=False).encode()  # as UTF-8
    return json.dumps(text).encode()  # as \uXXXX, lone surrogates among them


def _places(value: Any, room: int = 400) -> list[tuple[Any, Any]]:
    """(container, key) of every place, at most so many."""
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting and len(found) < room:
        one = waiting.pop(0)
        keys = list(one) if isinstance(one, dict) else range(min(len(one), 40)) if isinstance(one, list) else ()
        for key in keys:
            found.append((one, key))
            if isinstance(one[key], dict | list):
                waiting.append(one[key])
    return found
