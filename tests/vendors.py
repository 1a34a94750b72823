"""A local HTTP server that speaks like the vendors of market data, and misbehaves on request."""

import gzip
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

DAY = 86_400
Bar = tuple[int, float, float, float, float, float]
"""Open in seconds since 1970, open, high, low, close, volume."""
Reply = tuple[int, dict[str, str], bytes]


def daily(first: int, count: int, step: int = DAY) -> list[Bar]:
    """Bars whose close is 100, 101, 102 …"""
    return [(first + i * step, 99.5 + i, 101.0 + i, 99.0 + i, 100.0 + i, 1000.0 + i) for i in range(count)]


class Vendors:
    """The bars of each symbol, what to answer instead of them, and what was asked."""

    def __init__(self) -> None:
        self.bars: dict[str, list[Bar]] = {}
        self.instead: list[Callable[[BaseHTTPRequestHandler], Reply | None]] = []
        self.asked: list[dict[str, str]] = []
        self.posted: list[dict[str, Any]] = []
        self.calls: Counter[str] = Counter()
        self.base = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> Reply | None:
        parts = urlsplit(handler.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.asked.append(query | {"path": parts.path} | {f"header-{name.lower()}": value for name, value in handler.headers.items()})
        self.calls[parts.path.split("/")[1]] += 1
        if self.instead:
            return self.instead.pop(0)(handler)
        vendor, _, rest = parts.path[1:].partition("/")
        speak: dict[str, Callable[[dict[str, str], str], Reply]] = {
            "stooq": self.stooq, "yahoo": self.yahoo, "alpha": self.alpha, "binance": self.binance, "csv": self.csv,
        }  # fmt: skip
        return speak[vendor](query, rest)

    def within(self, symbol: str, start: float, end: float) -> list[Bar]:
        return [bar for bar in self.bars.get(symbol, []) if start <= bar[0] <= end]

    def stooq(self, query: dict[str, str], _: str) -> Reply:
        start, end = (datetime.strptime(query[name], "%Y%m%d").replace(tzinfo=UTC).timestamp() for name in ("d1", "d2"))
        found = self.within(query["s"], start, end)
        if not found:
            return plain("No data")
        rows = [f"{day(bar[0])},{','.join(f'{value:g}' for value in bar[1:])}" for bar in found]
        return plain("\r\n".join(["Date,Open,High,Low,Close,Volume", *rows]) + "\r\n")

    def yahoo(self, query: dict[str, str], rest: str) -> Reply:
        if rest not in self.bars:
            error = {"code": "Not Found", "description": "No data found, symbol may be delisted"}
            return reply({"chart": {"result": None, "error": error}}, 404)
        found = self.within(rest, int(query["period1"]), int(query["period2"]) - 1)
        quote = {name: [bar[i] for bar in found] for i, name in ((1, "open"), (2, "high"), (3, "low"), (4, "close"), (5, "volume"))}
        meta = {"currency": "USD", "symbol": rest, "gmtoffset": -18000, "dataGranularity": query["interval"]}
        opened = 14 * 3600 + 1800 if query["interval"] == "1d" else 0  # half past nine in New York
        result: dict[str, Any] = {"meta": meta, "indicators": {"quote": [quote], "adjclose": [{"adjclose": quote["close"]}]}}
        if found:
            result["timestamp"] = [bar[0] + opened for bar in found]
        return reply({"chart": {"result": [result], "error": None}})

    def alpha(self, query: dict[str, str], _: str) -> Reply:
        if query["apikey"] != "good key":
            sentence = f"We have detected your API key as {query['apikey']} and our standard API rate limit is 25 requests per day."
            return reply({"Information": sentence})
        if query["symbol"] not in self.bars:
            return reply({"Error Message": "Invalid API call. Please retry or visit the documentation"})
        found = self.bars[query["symbol"]][-(100 if query["outputsize"] == "compact" else 10**6) :]
        names = ("1. open", "2. high", "3. low", "4. close", "5. volume")
        days = {day(bar[0]): dict(zip(names, (f"{value:.4f}" for value in bar[1:]), strict=True)) for bar in reversed(found)}
        return reply({"Meta Data": {"2. Symbol": query["symbol"], "5. Time Zone": "US/Eastern"}, "Time Series (Daily)": days})

    def binance(self, query: dict[str, str], _: str) -> Reply:
        if query["symbol"] not in self.bars:
            return reply({"code": -1121, "msg": "Invalid symbol."}, 400)
        found = self.within(query["symbol"], int(query["startTime"]) / 1000, int(query["endTime"]) / 1000)[: int(query["limit"])]
        rows = [
            [bar[0] * 1000, *(f"{value:.8f}" for value in bar[1:]), (bar[0] + 60) * 1000 - 1, "1.0", 10, "0.5", "0.5", "0"] for bar in found
        ]
        return reply(rows)

    def csv(self, _: dict[str, str], rest: str) -> Reply:
        symbol = rest.removesuffix(".csv")
        if symbol not in self.bars:
            return plain("not here", 404)
        return plain("\n".join(["time,close", *(f"{day(bar[0])},{bar[4]:g}" for bar in self.bars[symbol])]) + "\n")


def day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


def plain(text: str, status: int = 200) -> Reply:
    return status, {"content-type": "text/csv"}, text.encode()


def reply(found: Any, status: int = 200) -> Reply:
    return status, {"content-type": "application/json"}, json.dumps(found).encode()


def status(number: int, **headers: str) -> Callable[[BaseHTTPRequestHandler], Reply]:
    """An answer without anything to read."""
    return lambda _: (number, {name.replace("_", "-"): value for name, value in headers.items()}, b"Too Many Requests\r\n")


def body(text: bytes, **headers: str) -> Callable[[BaseHTTPRequestHandler], Reply]:
    return lambda _: (200, {name.replace("_", "-"): value for name, value in headers.items()}, text)


def truncated(handler: BaseHTTPRequestHandler) -> None:
    """Less than was announced, then the end."""
    handler.send_response(200)
    handler.send_header("content-length", "1000")
    handler.end_headers()
    handler.wfile.write(b"Date,Open,High,Low,Close\n2024-01-02,1,")


def dripping(seconds: float) -> Callable[[BaseHTTPRequestHandler], None]:
    """A byte now and then."""

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("content-length", "100000")
        handler.end_headers()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            handler.wfile.write(b"D")
            handler.wfile.flush()
            time.sleep(0.05)

    return drip


def dripping_headers(seconds: float) -> Callable[[BaseHTTPRequestHandler], None]:
    """A byte of the headers now and then: each keeps a read from timing out."""

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.0 200 OK\r\nx-slow: ")
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            handler.wfile.write(b"a")
            handler.wfile.flush()
            time.sleep(0.05)

    return drip


def endless(handler: BaseHTTPRequestHandler) -> None:
    """As many bytes as are read, without saying how many."""
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"2024-01-02,1,1,1,1,1\n" * 4096)


def bomb(handler: BaseHTTPRequestHandler) -> Reply:
    """A small body that unpacks to a hundred megabytes."""
    return 200, {"content-encoding": "gzip"}, gzip.compress(bytes(100 << 20), 1)


@contextmanager
def serving() -> Iterator[Vendors]:
    """The vendors on a free port; `base` is their address."""
    vendors = Vendors()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"

        def do_GET(self) -> None:
            with suppress(BrokenPipeError, ConnectionResetError):
                self.speak(vendors.answer(self))

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["content-length"]))
            told = {"path": self.path, "headers": dict(self.headers.items()), "body": json.loads(content), "raw": content}
            vendors.posted.append(told)
            self.speak(vendors.instead.pop(0)(self) if vendors.instead else (204, {}, b""))

        def speak(self, found: Reply | None) -> None:
            if found is None:
                return
            self.send_response(found[0])
            for name, value in found[1].items():
                self.send_header(name, value)
            if "content-length" not in found[1]:
                self.send_header("content-length", str(len(found[2])))
            self.end_headers()
            self.wfile.write(found[2])

        def log_message(self, *_: Any) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            pass

    server = Quiet(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    vendors.base = f"http://127.0.0.1:{server.server_port}"
    try:
        yield vendors
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
