"""One HTTP/1.1 request as bytes that may be anything, and as the curl command that sends the same."""

import shlex
from dataclasses import dataclass, field
from typing import Final

_PLAIN: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/:@!$&'()*+,;=%")


@dataclass
class Request:
    """A request before it is written. `query` is a list of pairs already encoded; `raw` replaces the whole when its framing is spoilt.

    `broken` says that HTTP itself is broken, so that an answer of the engine's own, or a closed connection, is right; `did` names the
    mutations.
    """

    method: bytes
    path: bytes
    query: list[tuple[bytes, bytes]] = field(default_factory=list)
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    version: bytes = b"HTTP/1.1"
    chunked: bool = False
    raw: bytes | None = None
    broken: bool = False
    did: list[str] = field(default_factory=list)

    @property
    def target(self) -> bytes:
        """Path and query as they stand in the request line."""
        if not self.query:
            return self.path
        return self.path + b"?" + b"&".join(name + b"=" + value if value is not None else name for name, value in self.query)

    def header(self, name: bytes) -> bytes:
        """The first header of that name in lower case, or nothing."""
        return next((value for given, value in self.headers if given.lower() == name), b"")

    def put(self, name: bytes, value: bytes) -> None:
        """Set the header, in the place of those of the same name."""
        self.headers = [(given, old) for given, old in self.headers if given.lower() != name] + [(name, value)]

    def drop(self, name: bytes) -> None:
        """Take the header away."""
        self.headers = [(given, value) for given, value in self.headers if given.lower() != name]

    def wire(self) -> bytes:
        """The bytes to send; the length is announced unless the body goes in chunks."""
        if self.raw is not None:
            return self.raw
        head = [b"%s %s %s" % (self.method, self.target, self.version), *(b"%s: %s" % pair for pair in self.headers)]
        if self.chunked:
            third = len(self.body) // 3 + 1
            pieces = [self.body[at : at + third] for at in range(0, len(self.body), third)]
            body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
            return b"\r\n".join([*head, b"transfer-encoding: chunked", b"", body])
        if self.body or self.method in (b"POST", b"PUT", b"PATCH"):
            head.append(b"content-length: %d" % len(self.body))
        return b"\r\n".join([*head, b"", self.body])

    def curl(self, port: int) -> str:
        """A shell command that sends the same with curl, or its raw bytes through a socket where curl would not."""
        if self.raw is not None or set(self.target) - _PLAIN - set(b"?") or self.version != b"HTTP/1.1":
            return f"printf '{_octal(self.wire())}' | nc -q 5 127.0.0.1 {port}"
        words = ["curl", "-i", "--path-as-is", "-X", self.method.decode("latin-1")]
        for name, value in self.headers:
            words += ["-H", f"{name.decode('latin-1')}: {value.decode('latin-1')}"]
        words.append(f"http://127.0.0.1:{port}{self.target.decode('latin-1')}")
        command = " ".join(shlex.quote(word) for word in words)
        return f"printf '{_octal(self.body)}' | {command} --data-binary @-" if self.body else command


def _octal(data: bytes) -> str:
    """For printf: what is not plain as octal."""
    return "".join(chr(byte) if chr(byte).isalnum() else f"\\{byte:03o}" for byte in data)
