"""Spoilt frames over WebSocket: after each the server must still answer a ping, or have closed with a code that the protocol knows."""

import json
import random
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.fault.fuzz.judge import INTERNALS
from tests.fault.fuzz.mutate import numbers, octets, structure
from tests.fault.fuzz.request import Request
from tests.fault.fuzz.targets.__main__ import CORPUS

CLOSES: Final = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1013})
_PATIENCE_SECONDS: Final = 20.0


@dataclass
class Told:
    """What came of so many frames: answers by type (errors by code), closes by code, and complaints."""

    sent: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    closes: Counter[int] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)


def spoilt_frames(port: int, key: str, codes: frozenset[str], *, seed: int, frames: int) -> Told:
    """Send so many frames, a new socket after each close."""
    told, rng = Told(frames), random.Random(seed)
    seeds = [file.read_bytes() for file in sorted((CORPUS / "frames").iterdir())]
    address, headers = f"ws://127.0.0.1:{port}/api/v1/ws", {"X-API-Key": key}
    socket: ClientConnection | None = None
    with ExitStack() as opened:
        for number in range(frames):
            text = _spoilt(rng, rng.choice(seeds))
            socket = socket or opened.enter_context(connect(address, additional_headers=headers, max_size=None, compression=None))
            try:
                socket.send(text)
                _listen(socket, told, codes, number, text)
                continue
            except ConnectionClosed as closed:
                code = closed.rcvd.code if closed.rcvd else 1006
                told.closes[code] += 1
                if code not in CLOSES:
                    told.complaints.append(f"frame {number} {text[:300]!r}: closed with {code}")
            except TimeoutError:
                told.complaints.append(f"frame {number} {text[:300]!r}: no answer within {_PATIENCE_SECONDS:g} s")
            opened.close()
            socket = None
    return told


def _spoilt(rng: random.Random, seed: bytes) -> str | bytes:
    """A frame changed up to twice; a few go as bytes, which nothing here understands."""
    request = Request(b"WS", b"/", body=seed)
    for _ in range(rng.choice((0, 1, 1, 1, 2))):
        rng.choice((octets, structure, structure, numbers))(rng, request)
    return request.body.decode("utf-8", "replace") if rng.random() < 0.97 else request.body


def _listen(socket: ClientConnection, told: Told, codes: frozenset[str], number: int, text: str | bytes) -> None:
    """Judge what comes until the pong of a ping of our own. Raises ConnectionClosed, TimeoutError."""
    ours = f"fuzz-{number}"
    socket.send(json.dumps({"type": "ping", "id": ours}))
    while True:
        message = socket.recv(timeout=_PATIENCE_SECONDS)
        frame: Any = json.loads(message, parse_constant=lambda word: told.complaints.append(f"frame {number}: {word} in an answer"))
        if frame.get("type") == "pong" and frame.get("id") == ours:
            return
        told.answers[frame["code"] if frame["type"] == "error" else frame["type"]] += 1
        if frame["type"] != "error":
            continue
        if frame["code"] not in codes or frame["code"] == "internal_error":
            told.complaints.append(f"frame {number} {text[:300]!r}: code {frame['code']}")
        if INTERNALS.search(message.encode() if isinstance(message, str) else message):
            told.complaints.append(f"frame {number} {text[:300]!r}: internals in {message[:300]!r}")
