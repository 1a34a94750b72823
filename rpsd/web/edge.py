"""The outermost middleware, one pass: id, size, time, hosts, problems, headers, compression, metrics and the access log."""

import asyncio
import logging
import random
import re
from functools import lru_cache
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from rpsd import __version__
from rpsd.core.errors import Forbidden, MalformedBody, RpsdError, UnknownRoute, UrlTooLong
from rpsd.web import compression, held
from rpsd.web.exchange import KEY, Exchange
from rpsd.web.limits import BoundedBody
from rpsd.web.origin import check_origin
from rpsd.web.peer import Networks, PlainHttp, check_single, client_ip, gathered, within
from rpsd.web.probe import PROBES
from rpsd.web.problem import MEDIA_TYPE, body_of, counted, headers_of, record, status_of, understood

if TYPE_CHECKING:
    from rpsd.services.access.limiter import Standing
    from rpsd.services.wiring import Services
    from rpsd.web.stream.streams import Streams

_HOST: Final = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^:\[\]@/\s]+))(?::[0-9]{1,5})?", re.ASCII)
_ADMITTED: Final = 256  # Host headers that were looked at; a client may write any port behind a name
_TOKEN: Final = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_IDS: Final = random.Random()  # noqa: S311 - seeded by the kernel
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_ALWAYS: Final = (
    (b"server", b"rpsd"),  # else the engine tells its own name
    (b"x-rpsd-version", __version__.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)
_CLOSED: Final = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_NO_STORE: Final = (b"cache-control", b"no-store")
_MONITORING: Final = ("/metrics", "/health", "/api/v1/health")
_STREAMED: Final = (b"text/csv", b"application/x-ndjson")
_PIECE: Final = 1 << 16  # bytes of an answer that are handed to the engine at once
_SMALL: Final = 1 << 14  # and from _STUCK to _TAKEN of its bytes: the engine holds some pieces for a reader that has stopped there
_STUCK: Final = 1 << 18  # what the kernel and the engine take of any answer
_TAKEN: Final = 1 << 20
_LONGEST_PATH: Final = 1024
"""The framework remembers a thousand paths that it has matched, of strangers too."""
_LONGEST_QUERY: Final = 8192
_BOOKS: Final = "/api/v1/books/"
_COME_AGAIN: Final = (b"connection", b"close")
_HSTS: Final = (b"strict-transport-security", b"max-age=31536000")


class Edge:
    """The ASGI application around the application. `in_flight` holds the peers (host, port) whose requests are being answered.

    `app` may be a future of the application: until it is there, probes are answered and everything else waits. With `admin` its requests
    act as the administrator, with `outbound` as the one who carries things out; with `monitoring` it answers /metrics and the health family
    alone.
    """

    def __init__(
        self,
        app: Any,
        services: "Services",
        *,
        admin: bool = False,
        outbound: bool = False,
        monitoring: bool = False,
        streams: "Streams | None" = None,
    ) -> None:
        self._app, self._services, self._admin, self._monitoring = app, services, admin, monitoring
        self._outbound = outbound
        self._streams = streams
        server = services.settings.server
        self._hosts = frozenset(host.lower() for host in server.allowed_hosts)
        self._admitted: set[bytes] = set()
        self._server = server
        self._probes = {} if server.cors_origins else PROBES  # what other origins may read, only the framework knows
        self._watchers = Networks(services.settings.monitoring.metrics_allow)
        self._plain = None if admin or outbound or server.tls_cert else PlainHttp(server.plain_http_from, server.trusted_proxies)
        self._labels: dict[tuple[str, str, int], tuple[Any, Any]] = {}
        self._log: Any = None
        self.in_flight: set[tuple[str, str]] = set()
        self.leaving = False
        """Whether each answer from now on ends its connection: the server is about to go, and a busy client must not meet a reset."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one HTTP request; everything else passes through."""
        if scope["type"] == "websocket":
            await self._open(scope, receive, send)
            return
        if scope["type"] != "http":
            await (await self._built())(scope, receive, send)
            return
        started = perf_counter()
        method = scope["method"]
        headers = gathered(scope["headers"])
        client = scope.get("client")
        who = client_ip(client, headers, self._server.trusted_proxies)
        exchange = Exchange(self._services, _request_id(headers), headers, method, admin=self._admin, peer=who)
        exchange.streams, exchange.outbound = self._streams, self._outbound
        scope[KEY] = exchange
        if method == "HEAD":  # a GET whose body is not sent
            scope["method"] = "GET"
        peer = (client[0], str(client[1])) if client else ("", "")
        self.in_flight.add(peer)
        reply = Reply(exchange, send, started, self, secure=self._is_secure(scope, headers))
        try:
            await self._serve(scope, receive, reply, exchange)
        finally:
            self.in_flight.discard(peer)
            self._account(scope, exchange, perf_counter() - started)

    async def _open(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one WebSocket: through the same door as a request, and then below the edge."""
        from rpsd.web.stream.gate import PATH, refuse, served

        started, headers, client = perf_counter(), gathered(scope["headers"]), scope.get("client")
        who = client_ip(client, headers, self._server.trusted_proxies)
        exchange = Exchange(self._services, _request_id(headers), headers, "GET", admin=self._admin, peer=who)
        peer = (client[0], str(client[1])) if client else ("", "")
        self.in_flight.add(peer)  # it may be silent for as long as it likes
        try:
            self._check_door(scope)
            self._check_host(scope, exchange)
            check_origin(exchange, self._server.cors_origins, secure=self._is_secure(scope, headers))
            await held.until_accepted(self._services.probation, exchange, scope["path"])
            await served(self._streams, exchange, scope, receive, send)
        except Exception as exception:  # noqa: BLE001 - whatever it was, the client gets an answer, or its connection ends
            error = counted(exchange, understood(exception))
            record(exchange, error, exception)
            if exchange.status != 101:
                await refuse(send, exchange, error)
        finally:
            self.in_flight.discard(peer)
            route = PATH if scope["path"] == PATH else "unmatched"
            self._services.metrics.http_requests_total.labels("GET", route, str(exchange.status)).inc()
            self._write_log(exchange, route, perf_counter() - started)

    async def _serve(self, scope: Any, receive: Any, reply: "Reply", exchange: Exchange) -> None:
        incoming = reply.incoming = self._incoming(scope, receive, exchange.headers)
        try:
            self._check_door(scope)
            self._check_host(scope, exchange)
            if scope["path"] in PROBES:
                if not self._watchers.hold(exchange.peer):
                    exchange.charge("public")
                if (probe := self._probes.get(scope["path"])) is not None:
                    scope["path_template"] = scope["path"]
                    await probe(scope, receive, reply)
                    return
            if exchange.method not in held.READS:
                await held.until_accepted(self._services.probation, exchange, scope["path"])
            app = await self._built() if asyncio.isfuture(self._app) else self._app
            if incoming is not None:
                incoming.open(exchange.headers.get(b"content-length"), exchange.header(b"content-encoding").strip().lower())
            await app(scope, incoming or receive, reply)
            reply.require()
        except Exception as exception:
            await self._explain(reply, exchange, exception)
            if reply.broken:
                raise  # half an answer is out: the connection must end, not the answer

    @staticmethod
    async def _explain(reply: "Reply", exchange: Exchange, exception: Exception) -> None:
        """Answer with the error. A method of its own: kept in a frame that it came through, the error would hold the request for long."""
        reply.broken = reply.started
        error = counted(exchange, understood(exception))
        record(exchange, error, exception)
        if not reply.broken:
            await _send_problem(reply, exchange, error)

    async def _built(self) -> Any:
        """The application, once it is there. Raises what its building raised."""
        if asyncio.isfuture(self._app):
            self._app = await asyncio.shield(self._app)  # a client that leaves must not end the building
        return self._app

    def _check_door(self, scope: Any) -> None:
        """Raise Forbidden for plain HTTP from elsewhere, UrlTooLong, UnknownRoute for what the monitoring port does not serve."""
        if self._plain is not None and (client := scope.get("client")):
            self._plain.check(client[0])
        if len(scope["path"]) > _LONGEST_PATH or len(scope["query_string"]) > _LONGEST_QUERY:
            raise UrlTooLong(f"expected at most {_LONGEST_PATH} characters of path and {_LONGEST_QUERY} of query")
        if self._monitoring and not scope["path"].startswith(_MONITORING):
            raise UnknownRoute("not served on the monitoring port", hint="This port answers /metrics and /health alone.")

    def _check_host(self, scope: Any, exchange: Exchange) -> None:
        """Raise Forbidden for a host that is not allowed, InvalidRequest for two of them."""
        check_single(scope["headers"], exchange.headers)
        if self._admin or self._outbound or "*" in self._hosts:
            return
        given = exchange.headers.get(b"host", b"")
        if given in self._admitted:
            return
        match = _HOST.fullmatch(given.decode("latin-1").lower())
        name = (match[1] or match[2]) if match else ""
        if name not in self._hosts and not any(h.startswith("*.") and name.endswith(h[1:]) for h in self._hosts):
            raise Forbidden(f"host {(name or given.decode('latin-1'))[:60]!r} is not allowed", hint="Add the host to server.allowed_hosts.")
        if len(self._admitted) < _ADMITTED:
            self._admitted.add(given)

    def _incoming(self, scope: Any, receive: Any, headers: dict[bytes, bytes]) -> BoundedBody | None:
        """The body within its limits, or None when none is announced."""
        if headers.get(b"content-length") in (None, b"0") and b"transfer-encoding" not in headers:
            return None
        most = self._server.max_stream_bytes if _is_streamed(scope, headers) else self._server.max_body_bytes
        return BoundedBody(receive, most=most, timeout_seconds=self._server.body_timeout, inflate=None)

    def _is_secure(self, scope: Any, headers: dict[bytes, bytes]) -> bool:
        if scope.get("scheme") in ("https", "wss"):
            return True
        client, forwarded = scope.get("client"), headers.get(b"x-forwarded-proto", b"").lower()
        return forwarded == b"https" and bool(client) and within(client[0], self._server.trusted_proxies)

    def _account(self, scope: Any, exchange: Exchange, seconds: float) -> None:
        """Metrics by route template and the access log; what watches is logged at DEBUG only, and what waits for errands when refused."""
        route = scope.get("path_template") or "unmatched"
        if exchange.outbound:
            if 400 <= exchange.status < 500:
                self._write_log(exchange, route, seconds)
            return
        method = exchange.method if exchange.method in _METHODS else "OTHER"
        key = (method, route, exchange.status)
        if (pair := self._labels.get(key)) is None:  # children are kept: finding them costs more than counting
            metrics = self._services.metrics
            pair = self._labels[key] = (
                metrics.http_requests_total.labels(method, route, str(exchange.status)),
                metrics.http_request_duration_seconds.labels(method, route),
            )
        pair[0].inc()
        pair[1].observe(seconds)
        self._write_log(exchange, route, seconds)

    def _write_log(self, exchange: Exchange, route: str, seconds: float) -> None:
        if self._log is None:
            from rpsd.telemetry import request_line

            self._log = request_line
        status = exchange.status
        watching = status < 400 and route.startswith(_MONITORING)
        fields = {
            "operation": exchange.operation or "http",
            "user_id": exchange.by,
            "data_size": exchange.samples,
            "processing_time": round(seconds, 6),
            "outcome": "success" if status < 400 else "error",
            "request_id": exchange.request_id,
            "method": exchange.method,
            "route": route,
            "status": status,
            "client_ip": exchange.peer,
        }
        if exchange.extra:
            fields |= exchange.extra
        self._log(logging.DEBUG if watching else logging.INFO, f"{exchange.method} {route} {status}", fields)


class Reply:
    """ASGI `send` with the edge's headers, and compressed when the client wants it and the body is long enough."""

    __slots__ = ("_compress", "_edge", "_exchange", "_secure", "_send", "_start", "_started_at", "broken", "incoming", "started")

    def __init__(self, exchange: Exchange, send: Any, started_at: float, edge: Edge, *, secure: bool) -> None:
        self._edge = edge
        self._exchange, self._send, self._started_at, self._secure = exchange, send, started_at, secure
        self._start: dict[str, Any] | None = None
        self._compress: Any = None
        self.incoming: BoundedBody | None = None
        self.started = self.broken = False

    async def __call__(self, message: Any) -> None:
        """Pass a message on; the start waits for the first piece of the body, which decides about compression."""
        if message["type"] == "http.response.start":
            self._start = message
            if self.incoming is not None and not self.incoming.complete:
                await self._rinse(message, self.incoming)
            return
        if message["type"] != "http.response.body":
            await self._send(message)
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        if self._start is not None:
            start, self._start = self._start, None
            self._dress(start, long=more or len(body) >= compression.LEAST)
            if self._compress is not None and not more:
                body = await self._squeeze(body, last=True)
                start["headers"].append((b"content-length", str(len(body)).encode()))
                self._compress = None
            self.started = True
            await self._send(start)
        if self._compress is not None:
            body = await self._squeeze(body, last=not more)
        if self._exchange.method == "HEAD":
            body = b""
        begin, size = 0, _PIECE
        while len(body) - begin > size:  # the engine copies what it is given, but waits for the reader in between
            await self._send({"type": "http.response.body", "body": body[begin : begin + size], "more_body": True})
            begin += size
            size = _SMALL if _STUCK <= begin < _TAKEN else _PIECE
        await self._send({"type": "http.response.body", "body": body[begin:], "more_body": more})

    def require(self) -> None:
        """Raise MalformedBody when no answer was begun: a stream gives up before its first piece when the client seems gone."""
        if not self.started:
            raise MalformedBody("the request is cut off: the client closed the connection, or broke its chunks")

    async def _rinse(self, start: dict[str, Any], incoming: BoundedBody) -> None:
        """Let what is left of the body pass by; where that would take long, or the client waits to be asked for it, say that this ends."""
        if b"expect" in self._exchange.headers or not await incoming.drain():
            incoming.complete = True
            start["headers"] = [*start.get("headers", ()), _COME_AGAIN]

    def _dress(self, start: dict[str, Any], *, long: bool) -> None:
        """Complete the headers of the start message in place."""
        exchange = self._exchange
        exchange.status = start["status"]
        headers = [*start.get("headers", ()), *_ALWAYS]  # lower case: ASGI asks for it
        names = dict(headers)
        headers.append((b"x-request-id", exchange.request_id.encode()))
        headers.append((b"server-timing", b"app;dur=%.2f" % ((perf_counter() - self._started_at) * 1e3)))
        if b"content-security-policy" not in names:
            headers.append(_CLOSED)
        if b"cache-control" not in names:
            headers.append(_NO_STORE)
        if self._secure:
            headers.append(_HSTS)
        if self._edge.leaving:
            headers.append(_COME_AGAIN)
        if (standing := exchange.standing) is not None:
            headers += _limit_headers(standing)
        if long and b"content-encoding" not in names and exchange.method != "HEAD":
            encoding = compression.chosen(exchange.headers.get(b"accept-encoding", b""), names.get(b"content-type", b""))
            headers.append((b"vary", b"accept-encoding"))
            if encoding:
                headers = [(name, value) for name, value in headers if name != b"content-length"]
                headers.append((b"content-encoding", encoding.encode()))
                self._compress = compression.compressor(encoding)
        start["headers"] = headers

    async def _squeeze(self, body: bytes, *, last: bool) -> bytes:
        if len(body) < compression.OFF_LOOP:
            squeezed: bytes = self._compress(body, last)
            return squeezed
        return await asyncio.get_running_loop().run_in_executor(None, self._compress, body, last)


def _request_id(headers: dict[bytes, bytes]) -> str:
    """The client's own id when it is a sane token, else 64 random bits: no secret, so the kernel is not asked each time."""
    given = headers.get(b"x-request-id")
    return given.decode() if given and _TOKEN.fullmatch(given) else f"{_IDS.getrandbits(64):016x}"


def _limit_headers(standing: "Standing") -> tuple[tuple[bytes, bytes], ...]:
    """What is left of the caller's limit, as draft-ietf-httpapi-ratelimit-headers-06 says it."""
    return (
        *_policy_headers(standing.limit, standing.window_seconds),
        (b"ratelimit-remaining", b"%d" % standing.remaining),
        (b"ratelimit-reset", b"%d" % standing.reset_seconds),
    )


@lru_cache(256)
def _policy_headers(limit: int, window_seconds: float) -> tuple[tuple[bytes, bytes], ...]:
    return (b"ratelimit-limit", b"%d" % limit), (b"ratelimit-policy", b"%d;w=%d" % (limit, window_seconds))


async def _send_problem(reply: Reply, exchange: Exchange, error: RpsdError) -> None:
    body = body_of(error, exchange.request_id)
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    headers += [(name.encode(), value.encode()) for name, value in headers_of(error).items()]
    await reply({"type": "http.response.start", "status": status_of(error), "headers": headers})
    await reply({"type": "http.response.body", "body": body})


def _is_streamed(scope: Any, headers: dict[bytes, bytes]) -> bool:
    """Whether the body is read piece by piece, so that its size does not matter to memory: rows of text, files of order books."""
    if scope["path"].startswith(_BOOKS):
        return b"format=" in scope["query_string"]
    return scope["path"].endswith("/samples") and headers.get(b"content-type", b"").lower().startswith(_STREAMED)
