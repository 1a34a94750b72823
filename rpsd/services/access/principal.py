"""Who calls: what a key, a token made from it, or a ticket stands for."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from rpsd.core.actor import Actor
from rpsd.core.errors import Forbidden

SCOPES: Final = ("read", "ingest", "predict", "train", "admin")
"""Each operation declares one of them; a key holds some, and `admin` holds them all."""


@dataclass(frozen=True, slots=True)
class Principal:
    """`id` is the key's, whatever came: key, token or ticket. `scopes` with all that they imply, `limit` in requests a minute.

    `expires_ns` (UTC, None: never) is when what came ends by itself, `token_id` the `jti` of a token, `peer` where it came from, if told.
    """

    id: str
    name: str
    scopes: frozenset[str]
    limit: int | None = None
    expires_ns: int | None = None
    token_id: str | None = None
    peer: str = ""

    @property
    def actor(self) -> Actor:
        """Who acts and from where, for the audit."""
        return Actor(self.id, self.peer)

    def require(self, scope: str) -> None:
        """Raise Forbidden unless the key has the scope."""
        if scope not in self.scopes and not (scope == OUTBOUND and "admin" in self.scopes):
            raise Forbidden(f"this needs the scope {scope}; the key has {', '.join(sorted(self.scopes)) or 'none'}")


def implied(scopes: Iterable[str]) -> frozenset[str]:
    """The scopes with all that they imply.

    >>> sorted(implied(["read"])), len(implied(["admin"]))
    (['read'], 5)
    """
    held = frozenset(scopes)
    return frozenset(SCOPES) if "admin" in held else held


ANONYMOUS: Final = "anonymous"
ADMIN_SOCKET: Final = "admin-socket"
OUTBOUND: Final = "outbound"
"""The scope of what `rpsd outbound` takes and tells, which no key can be given, and who calls over its socket."""
CARRIER: Final = Principal(OUTBOUND, "outbound socket", frozenset({"read", "ingest", OUTBOUND}))
"""Whoever calls over the outbound socket: it brings samples and reads what is stored of them, and is no administrator."""
KEYLESS: Final = frozenset({ANONYMOUS, ADMIN_SOCKET, OUTBOUND})
"""Ids of principals that no key stands behind: whoever calls while auth.required is off, and the sockets of the machine."""
