"""One kept connection that sends a request's bytes and gives back its answer, however it comes."""

import gzip
import socket
import zlib
from typing import Final

from tests.fault.fuzz.judge import Answer
from tests.fault.fuzz.request import Request

_BODYLESS: Final = frozenset({204, 304})


class Gone(Exception):
    """The server closed the connection; `how` is closed or reset."""

    def __init__(self, how: str) -> None:
        super().__init__(how)
        self.how = how


class Link:
    """A connection to the server, opened when first needed. `number` and `request` are of the case under way, `before` is the number of
    the one that the connection served before it, -1 for none."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.sock: socket.socket | None = None
        self.number, self.before, self.since = -1, -1, 0.0
        self.request: Request | None = None
        self.half_closed = False
        self._buffer = b""

    def open(self) -> socket.socket:
        """The socket; a new one when there is none."""
        if self.sock is None:
            self.sock = socket.create_connection(("127.0.0.1", self._port), timeout=30)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._buffer = b""
        return self.sock

    def close(self) -> None:
        """End the connection."""
        if self.sock is not None:
            self.sock.close()
            self.sock = None

    def send(self, request: Request, number: int, now: float) -> None:
        """Write a request. A server that closes while it is written may have answered: reading will tell."""
        self.before = self.number if self.sock is not None else -1
        self.request, self.number, self.since, self.half_closed = request, number, now, False
        try:
            self.open().sendall(request.wire())
        except (BrokenPipeError, ConnectionResetError):
            self.half_closed = True

    @property
    def begun(self) -> bool:
        """Whether some of the answer has come."""
        return bool(self._buffer)

    def half_close(self) -> None:
        """Say that nothing more will come."""
        self.half_closed = True
        if self.sock is not None:
            self.sock.shutdown(socket.SHUT_WR)

    def receive(self) -> Answer | None:
        """The answer once it is complete, else None. Raises Gone."""
        assert self.sock is not None and self.request is not None
        try:
            data = self.sock.recv(1 << 18)
        except (ConnectionResetError, TimeoutError) as error:
            raise Gone("reset") from error
        self._buffer += data
        answer = self._answer(ended=not data)
        if answer is None and not data:
            raise Gone("closed" if not self._buffer else "cut off")
        return answer

    def _answer(self, *, ended: bool) -> Answer | None:
        while True:
            head, separator, rest = self._buffer.partition(b"\r\n\r\n")
            if not separator:
                return None
            first, *lines = head.split(b"\r\n")
            status = int(first[9:12])
            if status >= 200:
                break
            self._buffer = rest  # 100 Continue
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
        if headers.get(b"content-type", b"").startswith(b"text/event-stream"):  # never ends: its beginning must do
            headers[b"connection"] = b"close"
            return Answer(status, headers, b"")
        body = self._body(status, headers, rest, ended=ended)
        if body is None:
            return None
        self._buffer = b""
        plain, encoded = _plain(body, headers.get(b"content-encoding", b""))
        return Answer(status, headers, plain, encoded)

    def _body(self, status: int, headers: dict[bytes, bytes], rest: bytes, *, ended: bool) -> bytes | None:
        assert self.request is not None
        if self.request.method == b"HEAD" or status in _BODYLESS:
            return b""
        if b"chunked" in headers.get(b"transfer-encoding", b"").lower():
            return _unchunked(rest) if rest.endswith(b"0\r\n\r\n") else None
        if b"content-length" in headers:
            length = int(headers[b"content-length"])
            return rest[:length] if len(rest) >= length else None
        return rest if ended else None


def _unchunked(rest: bytes) -> bytes | None:
    """The body of all chunks; None when the last has not come."""
    pieces, at = [], 0
    while True:
        end = rest.find(b"\r\n", at)
        if end < 0:
            return None
        size = int(rest[at:end].partition(b";")[0], 16)
        if size == 0:
            return b"".join(pieces)
        pieces.append(rest[end + 2 : end + 2 + size])
        at = end + 4 + size


def _plain(body: bytes, encoding: bytes) -> tuple[bytes, bool]:
    """The body decoded, and whether it is still encoded."""
    if not encoding or not body:
        return body, False
    try:
        return (gzip.decompress(body), False) if encoding == b"gzip" else (body, True)
    except (OSError, EOFError, zlib.error):
        return body, True
