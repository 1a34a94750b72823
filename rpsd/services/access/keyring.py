"""The keys that work, held in memory: verified without the database, and with the same work for every key that fails."""

import hashlib
import hmac
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from rpsd.services.access.principal import Principal, implied
from rpsd.store import key as keys
from rpsd.store.db import Database
from rpsd.store.key import KeyRow

_NEVER: Final = 2**63
PREFIX: Final = "rpsd_"
"""What every API key that rpsd made begins with."""
ADOPTED: Final = "x"
"""What the id of a key begins with that came from an earlier system; the ids that rpsd makes are hexadecimal."""


@dataclass(frozen=True, slots=True)
class Held:
    """A key that works until `expires_ns` (UTC), and what its token says before the secret."""

    beginning: bytes
    hash: bytes
    expires_ns: int
    principal: Principal


class Keyring:
    """Keys are looked up by their keyed hash and by their id. `told` hears the id of each that ends.

    A lookup in a table takes longer or shorter with what is asked for. Asked for by the hash, that says nothing about any secret or id:
    without the pepper nobody can choose a hash, nor tell which of two is near a stored one.
    """

    def __init__(self, database: Database, pepper: bytes, told: Callable[[str], None]) -> None:
        self._database, self._told = database, told
        self._pepper = hashlib.blake2b(pepper, digest_size=64).digest()  # any length becomes a BLAKE2b key
        self._loading = threading.Lock()
        self._by_hash: dict[bytes, Held] = {}
        self._by_id: dict[str, Held] = {}

    def hash(self, secret: str) -> bytes:
        """BLAKE2b (32 bytes) of the text, keyed with the pepper."""
        return hashlib.blake2b(_bytes(secret), digest_size=32, key=self._pepper).digest()

    def load(self, now_ns: int) -> None:
        """Hold the keys of the database that work at now_ns; ids that no longer do are told. O(keys)."""
        with self._loading:  # an older reading must not replace a newer one
            rows = self._database.read(keys.list_keys)
            alive = [_held(row) for row in rows if row.is_alive(now_ns)]
            before = self._by_id
            self._by_id = {held.principal.id: held for held in alive}
            self._by_hash = {held.hash: held for held in alive}
            gone = before.keys() - self._by_id.keys()
        for key_id in gone:
            self._told(key_id)

    def verified(self, token: str, now_ns: int) -> Principal | None:
        """The principal of an API key that works at now_ns; one of an earlier system is known by the whole of its text."""
        start = 14 if token.startswith(PREFIX) else 0
        digest = self.hash(token[start:])  # whatever its form: looking for digits takes longer with some than with others
        held = self._by_hash.get(digest)
        if held is None or not (hmac.compare_digest(held.hash, digest) and hmac.compare_digest(held.beginning, _bytes(token[:start]))):
            return None
        return self._unless_ended(held, now_ns)

    def find(self, key_id: str, now_ns: int) -> Principal | None:
        """The principal of the key with that id, if it works at now_ns."""
        held = self._by_id.get(key_id)
        return None if held is None else self._unless_ended(held, now_ns)

    def end_expired(self, now_ns: int) -> None:
        """Let go of the keys that have expired, and tell them. O(keys)."""
        for held in list(self._by_id.values()):
            self._unless_ended(held, now_ns)

    def count(self, now_ns: int) -> int:
        """How many keys work at now_ns. O(keys)."""
        return sum(held.expires_ns > now_ns for held in list(self._by_id.values()))

    def _unless_ended(self, held: Held, now_ns: int) -> Principal | None:
        if held.expires_ns > now_ns:
            return held.principal
        self._by_hash.pop(held.hash, None)
        if self._loading.acquire(blocking=False):  # else a new table is on its way
            try:  # a table remembers where something was taken out, and takes longer there: a new one does not
                self._by_hash = {digest: other for digest, other in self._by_hash.items()}  # noqa: C416 - a copy would remember it too
            finally:
                self._loading.release()
        if self._by_id.pop(held.principal.id, None) is not None:
            self._told(held.principal.id)
        return None


def _held(row: KeyRow) -> Held:
    principal = Principal(row.id, row.name, implied(row.scopes), row.limit, row.expires_ns)
    beginning = b"" if row.id.startswith(ADOPTED) else f"{PREFIX}{row.id}_".encode()
    return Held(beginning, row.hash, row.expires_ns if row.expires_ns is not None else _NEVER, principal)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
