"""Addresses of requests that must never be made, and a server on every loopback address that counts who tried."""

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

NEVER_READ = (
    # numbers that some readers take for 127.0.0.1
    "http://2130706433:{port}/", "http://0x7f000001:{port}/", "http://0x7f.0x0.0x0.0x1:{port}/", "http://0177.0.0.1:{port}/",
    "http://017700000001:{port}/", "http://127.1:{port}/", "http://127.0.1:{port}/", "http://0x7f.1:{port}/", "http://127.0.0.01:{port}/",
    "http://0127.0.0.1:{port}/", "http://127.0.0.0x1:{port}/", "http://0:{port}/", "http://00000000.0:{port}/", "http://127.0.0.1.:{port}/",
    "http://2130706433.:{port}/", "http://4429185025:{port}/", "http://383.0.0.1:{port}/", "http://127.0.0.1.1:{port}/", "http://0x:{port}/",
    "http://-1:{port}/", "http://1e10:{port}0/",
    # digits, dots and letters beyond ASCII
    "http://①②⑦.⓪.⓪.①:{port}/", "http://127。0。0。1:{port}/", "http://127．0．0．1:{port}/", "http://１２７.0.0.1:{port}/",
    "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:{port}/", "http://loc\u00adalhost:{port}/", "http://localhost\u200b:{port}/", "http://bücher.example:{port}/",
    "http://localhoſt:{port}/", "http://٠١٢:{port}/",
    # escapes, also nested
    "http://%31%32%37.0.0.1:{port}/", "http://127%2e0%2e0%2e1:{port}/", "http://127%252e0.0.1:{port}/", "http://%6cocalhost:{port}/",
    "http://localhost%00.example:{port}/", "http://example.org%2f@localhost:{port}/", "http://localhost%3a{port}/",
    # users, backslashes, white space and other marks
    "http://example.org@127.0.0.1:{port}/", "http://user:word@127.0.0.1:{port}/", "http://@127.0.0.1:{port}/", "http://:@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}\\@example.org/", "http://example.org\\@127.0.0.1:{port}/", "http:\\\\127.0.0.1:{port}\\", "http://127.0.0.1\t:{port}/",
    " http://127.0.0.1:{port}/", "http://127.0.0.1:{port}/ ", "http://127.0.0.1:{port}/\r\nHost: x", "http://\n127.0.0.1:{port}/",
    "http://127.0.0.1:{port}/\x00", "http://localhost,example.org:{port}/", "http://localhost;x:{port}/", "http://localhost&x:{port}/",
    "http://*:{port}/", "http://(localhost):{port}/", "http://localhost!:{port}/", "http://'localhost':{port}/",
    # empty parts, zones, brackets, ports
    "http://:{port}/", "http:///127.0.0.1:{port}/", "http:/127.0.0.1:{port}/", "http:127.0.0.1:{port}/", "//127.0.0.1:{port}/", "http://",
    "http://localhost.:{port}/", "http://localhost..:{port}/", "http://.localhost:{port}/", "http://a..b:{port}/", "http://-a.example:{port}/",
    "http://[::1%25lo]:{port}/", "http://[::1%lo]:{port}/", "http://[fe80::1%25eth0]:{port}/", "http://[::1:{port}/", "http://::1:{port}/",
    "http://[127.0.0.1]:{port}/", "http://[::1].example.org:{port}/", "http://[::1]x:{port}/", "http://x[::1]:{port}/", "http://[]:{port}/",
    "http://[v1.x]:{port}/", "http://[::ffff:0177.0.0.1]:{port}/", "http://127.0.0.1:0/", "http://127.0.0.1:65536/", "http://127.0.0.1:/",
    "http://127.0.0.1:+{port}/", "http://127.0.0.1:{port}:80/", "http://127.0.0.1:0x50/", "http://127.0.0.1:８０/",
    # other schemes
    "file:///etc/passwd", "gopher://127.0.0.1:{port}/_x", "ftp://127.0.0.1:{port}/", "dict://127.0.0.1:{port}/", "ws://127.0.0.1:{port}/",
    "jar:http://127.0.0.1:{port}/!/", "data:text/plain,x", "unix:///run/x.sock", "http+unix://x/", "javascript:1", "", "127.0.0.1:{port}",
    "https//127.0.0.1:{port}/", "h\u0442tp://127.0.0.1:{port}/", "http://" + "a" * 64 + ".example/", "http://" + "a." * 127 + "example/",
    "http://127.0.0.1:{port}/" + "x" * 2048,
)  # fmt: skip
"""What no two readers take for the same host; no address in it is read at all."""

NEVER_CALLED = (
    "http://127.0.0.1:{port}/", "http://127.0.0.2:{port}/", "http://127.255.255.254:{port}/", "http://localhost:{port}/",
    "http://LOCALHOST:{port}/", "https://127.0.0.1:{port}/", "https://localhost:{port}/", "http://0.0.0.0:{port}/", "http://0.0.0.1:{port}/",
    "http://[::1]:{port}/", "http://[0:0:0:0:0:0:0:1]:{port}/", "http://[::]:{port}/", "https://[::1]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/", "http://[::ffff:7f00:1]:{port}/", "http://[0:0:0:0:0:ffff:127.0.0.1]:{port}/",
    "http://[::127.0.0.1]:{port}/", "http://[::7f00:1]:{port}/", "http://[::ffff:0:127.0.0.1]:{port}/", "http://[64:ff9b::127.0.0.1]:{port}/",
    "http://[64:ff9b::7f00:1]:{port}/", "http://[64:ff9b:1::7f00:1]:{port}/", "http://[2002:7f00:1::]:{port}/", "http://[2001::1]:{port}/",
    "http://[fe80::1]:{port}/", "http://[fec0::1]:{port}/", "http://[fc00::1]:{port}/", "http://[fd00:ec2::254]:{port}/",
    "http://[ff02::1]:{port}/", "http://10.0.0.1:{port}/", "http://172.16.0.1:{port}/", "http://192.168.0.1:{port}/",
    "http://169.254.169.254:{port}/latest/meta-data", "https://169.254.169.254/", "http://100.64.0.1:{port}/", "http://100.100.100.200/",
    "http://168.63.129.16/", "http://192.0.0.192/", "http://198.18.0.1:{port}/", "http://224.0.0.1:{port}/", "http://255.255.255.255:{port}/",
    "http://240.0.0.1:{port}/",
)  # fmt: skip
"""Addresses with one reading, which leads where no stranger may send rpsd."""


class Trap:
    """Listens on one port of every loopback address; `seen` holds who connected."""

    def __init__(self) -> None:
        self.seen: list[object] = []
        self._sockets = [socket.create_server(("0.0.0.0", 0))]
        self.port = self._sockets[0].getsockname()[1]
        if socket.has_ipv6:
            six = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
            six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                six.bind(("::", self.port))
                six.listen()
                self._sockets.append(six)
            except OSError:  # this machine has no IPv6
                six.close()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look once more for those that wait, and end; a second call does nothing."""
        if self._ending.is_set():
            return
        self._ending.set()
        self._thread.join()
        for one in self._sockets:
            one.close()

    def _watch(self) -> None:
        with selectors.DefaultSelector() as waiting:
            for one in self._sockets:
                waiting.register(one, selectors.EVENT_READ)
            while True:
                is_last = self._ending.is_set()
                for key, _ in waiting.select(0 if is_last else 0.05):
                    connection, peer = key.fileobj.accept()  # type: ignore[union-attr]
                    self.seen.append(peer)
                    connection.close()
                if is_last:
                    return


@contextmanager
def trap() -> Iterator[Trap]:
    """A trap that is closed at the end."""
    made = Trap()
    try:
        yield made
    finally:
        made.close()
