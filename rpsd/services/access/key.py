"""API keys from their making to their end; every step is in the audit log."""

import itertools
import secrets
from collections.abc import Callable, Sequence
from typing import Any, Final

from rpsd.core import instant
from rpsd.core.cursor import not_of_this_list
from rpsd.core.errors import Fault, InvalidRequest, StateConflict, UnknownKey
from rpsd.core.market import SECOND_NS
from rpsd.services.access import wish
from rpsd.services.access.keyring import ADOPTED, PREFIX, Keyring
from rpsd.services.access.principal import SCOPES
from rpsd.store import audit
from rpsd.store import key as keys
from rpsd.store.db import Connection, Database
from rpsd.store.key import KeyRow

OVERLAP_SECONDS: Final = 86_400.0
"""How long a key goes on working beside the one that replaces it."""
_LONGEST_OVERLAP_SECONDS: Final = 90 * 86_400.0
_MOST_KEYS: Final = 10_000
MOST_ADOPTED: Final = 1000
"""Keys that are adopted at once."""


class Keys:
    """The keys of this data directory; what changes in the database is at once in the keyring."""

    def __init__(self, database: Database, clock: Callable[[], int], keyring: Keyring) -> None:
        self._database, self._clock, self._keyring = database, clock, keyring

    def create(
        self, name: str, scopes: Sequence[str], *, by: str, expires_ns: int | None = None, limit: int | str | None = None
    ) -> tuple[dict[str, Any], str]:
        """A new key and its token, which cannot be shown again; audited. Raises InvalidRequest, StateConflict for a name in use."""
        now_ns, a_minute = self._clock(), wish.per_minute(limit)
        wish.check(name, scopes, expires_ns, a_minute, now_ns)
        ordered = tuple(scope for scope in SCOPES if scope in scopes)
        row, token = self._made(name, ordered, expires_ns, a_minute, now_ns)

        def write(c: Connection) -> None:
            living = [held.name for held in keys.list_keys(c) if held.is_alive(now_ns)]
            if name in living:
                raise StateConflict(f"there is a key named {name!r} already", hint="Choose another name, or revoke that key first.")
            if len(living) >= _MOST_KEYS:
                raise StateConflict(f"there are {_MOST_KEYS} keys already", hint="Revoke those that nobody uses.")
            keys.add(c, row)
            audit.append(c, by, "key.create", row.id, {"name": name, "scopes": list(ordered), "limit": a_minute}, now_ns)

        self._database.write(write).result()
        self._keyring.load(now_ns)
        return _described(row), token

    def adopt(
        self, texts: Sequence[str], name: str, scopes: Sequence[str], *, by: str, expires_ns: int | None = None, limit: int | None = None
    ) -> dict[str, Any]:
        """Let keys of an earlier system work as they are, named `name`, `name 2`, …; only their hash is kept; audited.

        {"keys": those that are new, "known": ids of those that work already}: doing it again does no harm. All of them or none.
        Raises InvalidRequest with each that is too short, can be guessed or was revoked here, by its number, never repeating it.
        """
        now_ns, faults = self._clock(), []
        wish.check(name, scopes, expires_ns, limit, now_ns)
        for number, one in enumerate(texts):
            if reason := wish.unfit_for_adoption(one):
                faults.append(Fault(f"/keys/{number}", reason))
        if faults or not 1 <= len(texts) <= MOST_ADOPTED:
            faults = faults or [Fault("/keys", f"expected 1 to {MOST_ADOPTED} keys")]
            raise InvalidRequest(f"{faults[0].pointer}: {faults[0].reason}", errors=faults, hint=wish.ADOPTION_HINT)
        ordered = tuple(scope for scope in SCOPES if scope in scopes)
        given = [self._keyring.hash(one) for one in texts]
        digests = list(dict.fromkeys(given))

        def write(c: Connection) -> dict[str, Any]:
            listed = keys.list_keys(c)
            _refuse_taken_away(listed, given, now_ns)
            living = [held for held in listed if held.is_alive(now_ns)]
            known = {held.hash: held.id for held in living if held.id.startswith(ADOPTED)}
            fresh = [digest for digest in digests if digest not in known]
            if len(living) + len(fresh) > _MOST_KEYS:
                raise StateConflict(f"there would be more than {_MOST_KEYS} keys", hint="Revoke those that nobody uses.")
            names = _free_names(name, {held.name for held in living}, len(fresh))
            made = [
                KeyRow(ADOPTED + secrets.token_hex(4), one, digest, ordered, now_ns, expires_ns, None, None, limit)
                for one, digest in zip(names, fresh, strict=True)
            ]
            for row in made:
                keys.add(c, row)
                audit.append(c, by, "key.adopt", row.id, {"name": row.name, "scopes": list(ordered), "limit": limit}, now_ns)
            return {"keys": [_described(row) for row in made], "known": [known[digest] for digest in digests if digest in known]}

        answer: dict[str, Any] = self._database.write(write).result()
        self._keyring.load(now_ns)
        return answer

    def rotate(self, key_id: str, overlap_seconds: float = OVERLAP_SECONDS, *, by: str) -> tuple[dict[str, Any], str]:
        """A new key with the name, scopes, limit and end of an old one, which goes on working for the overlap; audited.

        Raises UnknownKey, InvalidRequest for an overlap above 90 days, StateConflict for a key that has ended or was rotated before.
        """
        if not 0 <= overlap_seconds <= _LONGEST_OVERLAP_SECONDS:
            raise InvalidRequest("/overlap: expected 0 to 90 days", errors=[Fault("/overlap", "expected 0 to 90 days")])
        now_ns = self._clock()
        old = self._database.read(lambda c: keys.require(c, key_id))
        row, token = self._made(old.name, old.scopes, old.expires_ns, old.limit, now_ns)

        def write(c: Connection) -> None:
            held = keys.require(c, key_id)
            if not held.is_alive(now_ns):
                raise StateConflict(f"the key {key_id} has ended", hint="`rpsd keys create` makes a new one.")
            if held.replaced_by is not None:
                raise StateConflict(f"the key {key_id} was rotated already", hint=f"Rotate {held.replaced_by}, which replaced it.")
            keys.add(c, row)
            keys.replace(c, key_id, row.id, now_ns + int(overlap_seconds * SECOND_NS))
            audit.append(c, by, "key.rotate", key_id, {"name": old.name, "new": row.id, "overlap_seconds": overlap_seconds}, now_ns)

        self._database.write(write).result()
        self._keyring.load(now_ns)
        return _described(row), token

    def _made(self, name: str, scopes: tuple[str, ...], expires_ns: int | None, limit: int | None, now_ns: int) -> tuple[KeyRow, str]:
        key_id, secret = secrets.token_hex(4), secrets.token_hex(16)
        row = KeyRow(key_id, name, self._keyring.hash(secret), scopes, now_ns, expires_ns, None, None, limit)
        return row, f"{PREFIX}{key_id}_{secret}"

    def revoke(self, key_id: str, by: str) -> dict[str, Any]:
        """End a key at once, and with it its tokens and tickets; audited. Raises UnknownKey."""
        now_ns = self._clock()

        def write(c: Connection) -> KeyRow:
            row = keys.revoke(c, key_id, now_ns)
            audit.append(c, by, "key.revoke", key_id, {"name": row.name}, now_ns)
            return row

        row = self._database.write(write).result()
        self._keyring.load(now_ns)
        return _described(row)

    def page(self, after: str | None, limit: int) -> tuple[list[dict[str, Any]], str | None]:
        """As list(), some of them after a cursor, and the cursor of the next page. Raises InvalidRequest for a cursor that is none."""
        try:
            rows = self._database.read(lambda c: keys.page(c, after, limit + 1))
        except UnknownKey as error:
            raise not_of_this_list() from error
        return [_described(row) for row in rows[:limit]], rows[limit - 1].id if len(rows) > limit else None

    def list(self) -> list[dict[str, Any]]:
        """All keys without their secrets, oldest first, revoked ones too."""
        return [_described(row) for row in self._database.read(keys.list_keys)]


def _refuse_taken_away(listed: Sequence[KeyRow], given: Sequence[bytes], now_ns: int) -> None:
    """Raise InvalidRequest for keys that were revoked or replaced here: that had a reason; one that has expired may return."""
    gone = {held.hash for held in listed if not held.is_alive(now_ns) and (held.revoked_ns is not None or held.replaced_by is not None)}
    reason = "it worked here and was taken away: make a new one"
    if faults := [Fault(f"/keys/{number}", reason) for number, digest in enumerate(given) if digest in gone]:
        raise InvalidRequest(f"{faults[0].pointer}: {reason}", errors=faults, hint=wish.ADOPTION_HINT)


def _free_names(name: str, taken: set[str], count: int) -> list[str]:
    """So many names that nobody bears: the name itself, then with numbers."""
    candidates = (name if number == 1 else f"{name[:58]} {number}" for number in itertools.count(1))
    return list(itertools.islice((one for one in candidates if one not in taken), count))


def _described(row: KeyRow) -> dict[str, Any]:
    """A key as clients see it."""
    times = {"created": row.created_ns, "expires": row.expires_ns, "revoked": row.revoked_ns, "last_used": row.last_used_ns}
    shown = {name: None if ns is None else instant.text(ns) for name, ns in times.items()}
    return {"id": row.id, "name": row.name, "scopes": list(row.scopes), "limit": row.limit, **shown, "replaced_by": row.replaced_by}
