"""One request on its way through the edge: who asks, under which id, and what the handlers need to answer it."""

import dataclasses
import hashlib
from typing import TYPE_CHECKING, Any

from rpsd.core.actor import Actor
from rpsd.core.errors import Fault, InvalidRequest

if TYPE_CHECKING:
    from rpsd.services.access.limiter import Standing
    from rpsd.services.access.service import Principal
    from rpsd.services.idempotency import Once
    from rpsd.services.wiring import Services

KEY = "rpsd.exchange"
"""Where the exchange lies in the ASGI scope."""


class Exchange:
    """A request's id, headers (lower-case names), peer and, once the guard has run, its principal.

    `admin` and `outbound` mark requests that came over those sockets, `peer` is the address of the client behind any trusted proxy, and
    `standing` what it has left of its limit, `streams` where live streams come from. `route` is the template, for labels and logs.
    """

    __slots__ = (
        "admin", "extra", "headers", "method", "operation", "outbound", "peer", "principal", "request_id", "samples", "services",
        "standing", "status", "streams",
    )  # fmt: skip

    def __init__(
        self, services: "Services", request_id: str, headers: dict[bytes, bytes], method: str, *, admin: bool, peer: str = ""
    ) -> None:
        self.services = services
        self.request_id = request_id
        self.headers = headers
        self.method = method
        self.admin = admin
        self.outbound = False
        self.peer = peer
        self.standing: Standing | None = None
        self.streams: Any = None  # web/stream/streams.py, which needs this file
        self.principal: Principal | None = None
        self.status = 500
        self.samples = 0
        self.operation = ""
        self.extra: dict[str, Any] = {}

    def header(self, name: bytes) -> str:
        """The header's text, or an empty one."""
        return self.headers.get(name, b"").decode("latin-1")

    @property
    def by(self) -> str:
        """Who acts: the key's id."""
        return self.principal.id if self.principal else "anonymous"

    @property
    def actor(self) -> Actor:
        """Who acts and from where, for the audit."""
        return Actor(self.by, self.peer)

    @property
    def who(self) -> "Principal":
        """Who acts, with the scopes held, and from where; only where the guard has let the request through."""
        assert self.principal is not None
        return dataclasses.replace(self.principal, peer=self.peer)

    def charge(self, kind: str) -> None:
        """Count this call against the limit of who makes it; on the loop, or for `train` in any thread. Raises RateLimited."""
        if self.admin or self.outbound:
            return
        limiter = self.services.limiter
        self.standing = limiter.ask_peer(self.peer) if self.principal is None else limiter.ask(self.principal, kind, self.peer)
        self.standing.require()

    def once(self, route: str, digest: str) -> "Once | None":
        """The idempotency key of a write with the digest of its body, or None without the header. Raises InvalidRequest."""
        given = self.header(b"idempotency-key")
        if not given:
            return None
        if len(given) > 128 or not given.isascii() or not given.isprintable():
            reason = "expected 1 to 128 printable ASCII characters"
            raise InvalidRequest(f"Idempotency-Key: {reason}", errors=[Fault("/header/Idempotency-Key", reason)])
        from rpsd.services.idempotency import Once  # apsw comes with the store, which the services have open by now

        return Once(key=given, principal=self.by, route=route, body_hash=digest)


def of(connection: Any) -> Exchange:
    """The exchange of a Litestar connection."""
    exchange: Exchange = connection.scope[KEY]
    return exchange


def digest_of(body: bytes) -> str:
    """BLAKE2b of a body, for idempotency."""
    return hashlib.blake2b(body, digest_size=32).hexdigest()
