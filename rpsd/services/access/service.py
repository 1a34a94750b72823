"""Who may do what: API keys rpsd_<id>_<secret>, their scopes, and the audit of their making and misuse."""

import hashlib
import hmac
import os
import re
import secrets
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rpsd.config import kinds
from rpsd.core import instant
from rpsd.core.cursor import row_after
from rpsd.core.errors import BadConfig, Fault, Forbidden, InvalidRequest, StateConflict, Unauthenticated, Unavailable
from rpsd.core.market import SECOND_NS
from rpsd.store import audit
from rpsd.store import key as keys
from rpsd.store.db import Connection, Database
from rpsd.store.key import KeyRow
from rpsd.telemetry import Metrics

SCOPES: Final = ("read", "ingest", "predict", "train", "admin")
"""Each operation declares one of them; a key holds some, and `admin` holds them all."""

_TOKEN: Final = re.compile(r"rpsd_([0-9a-f]{8})_([0-9a-f]{32})", re.ASCII)
_NAME: Final = re.compile(r"\w[\w .@:-]{0,63}")
_MOST_A_MINUTE: Final = 1_000_000_000
_QUIET_NS: Final = 60 * SECOND_NS
"""Last use is written, and failures are audited, at most once in this time."""
_NOBODY: Final = bytes(32)
_PEPPER_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls: the key's id, its name, its scopes with all that they imply, and its own limit in requests a minute."""

    id: str
    name: str
    scopes: frozenset[str]
    limit: int | None = None

    def require(self, scope: str) -> None:
        """Raise Forbidden unless the key has the scope."""
        if scope not in self.scopes:
            raise Forbidden(f"this needs the scope {scope}; the key has {', '.join(sorted(self.scopes)) or 'none'}")


def read_pepper(secrets_dir: Path, credentials: str | None = None) -> bytes:
    """The secret that all key hashes depend on: systemd's credential `pepper`, else secrets_dir/pepper (0600), made when missing.

    Raises BadConfig when it is readable by others or too short. A new pepper ends every key that was made with another.
    """
    if credentials and (given := Path(credentials) / "pepper").is_file():
        return _checked(given)
    path = secrets_dir / "pepper"
    if not path.exists():
        secrets_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_PEPPER_BYTES))
            file.flush()
            os.fsync(file.fileno())
    if path.stat().st_mode & 0o077:
        raise BadConfig(f"{path} is readable by others", hint=f"chmod 600 {path}")
    return _checked(path)


def _checked(path: Path) -> bytes:
    pepper = path.read_bytes()
    if len(pepper) < _PEPPER_BYTES:
        raise BadConfig(f"{path} holds fewer than {_PEPPER_BYTES} bytes", hint=f"Put {_PEPPER_BYTES} random bytes there.")
    return pepper


class AccessService:
    """The keys of this data directory. All of them are held in memory: this process alone writes them."""

    def __init__(self, database: Database, metrics: Metrics, clock: Callable[[], int], pepper: bytes) -> None:
        self._database, self._metrics, self._clock = database, metrics, clock
        self._pepper = hashlib.blake2b(pepper, digest_size=64).digest()  # any length becomes a BLAKE2b key
        self._lock = threading.Lock()
        self._failures, self._failed_ns = 0, -_QUIET_NS
        self._used: dict[str, int] = {}
        self._known: dict[str, tuple[KeyRow, Principal]] = {}
        self._load()

    def _load(self) -> None:
        rows = self._database.read(keys.list_keys)
        self._known = {row.id: (row, _principal(row)) for row in rows if row.revoked_ns is None}
        now_ns = self._clock()
        self._metrics.active_keys.set(sum(not _expired(row, now_ns) for row, _ in self._known.values()))

    def authenticate(self, token: str) -> Principal:
        """The principal of a token, without touching the database. Raises Unauthenticated, always after the same work."""
        match = _TOKEN.fullmatch(token)
        key_id, secret = match.groups() if match else ("", "")
        row, principal = self._known.get(key_id, (None, None))
        same = hmac.compare_digest(self._hash(secret), row.hash if row else _NOBODY)
        now_ns = self._clock()
        if principal is None or row is None or not same or _expired(row, now_ns):
            self._note_failure(key_id, now_ns)
            raise Unauthenticated("the API key is unknown, expired or revoked")
        if now_ns - self._used.get(key_id, -_QUIET_NS) >= _QUIET_NS:
            self._used[key_id] = now_ns
            self._write_later(lambda c: keys.touch(c, key_id, now_ns))
        return principal

    def create(
        self, name: str, scopes: Sequence[str], *, by: str, expires_ns: int | None = None, limit: int | str | None = None
    ) -> tuple[dict[str, Any], str]:
        """A new key and its token, which cannot be shown again; audited. Raises InvalidRequest, StateConflict for a name in use."""
        now_ns, per_minute = self._clock(), _per_minute(limit)
        faults = _faults(name, scopes, expires_ns, per_minute, now_ns)
        if faults:
            raise InvalidRequest(f"{faults[0].pointer}: {faults[0].reason}", errors=faults)
        key_id, secret = secrets.token_hex(4), secrets.token_hex(16)
        ordered = tuple(scope for scope in SCOPES if scope in scopes)
        row = KeyRow(key_id, name, self._hash(secret), ordered, now_ns, expires_ns, None, None, per_minute)

        def write(c: Connection) -> None:
            if any(held.name == name and held.revoked_ns is None for held in keys.list_keys(c)):
                raise StateConflict(f"there is a key named {name!r} already", hint="Choose another name, or revoke that key first.")
            keys.add(c, row)
            audit.append(c, by, "key.create", key_id, {"name": name, "scopes": list(ordered), "limit": per_minute}, now_ns)

        self._database.write(write).result()
        self._load()
        return _described(row), f"rpsd_{key_id}_{secret}"

    def revoke(self, key_id: str, by: str) -> dict[str, Any]:
        """End a key at once; audited. Raises UnknownKey."""
        now_ns = self._clock()

        def write(c: Connection) -> KeyRow:
            row = keys.revoke(c, key_id, now_ns)
            audit.append(c, by, "key.revoke", key_id, {"name": row.name}, now_ns)
            return row

        row = self._database.write(write).result()
        self._load()
        return _described(row)

    def audit(self, after: str | None, limit: int) -> tuple[list[dict[str, Any]], str | None]:
        """Rows of the audit log, newest first, and the cursor of the next page. Raises InvalidRequest for a cursor that is none."""
        since = row_after(after)
        rows = self._database.read(lambda c: audit.page(c, since, limit + 1))
        listed = [
            {
                "seq": r.seq,
                "at": instant.text(r.at_ns),
                "actor": r.actor,
                "action": r.action,
                "subject": r.subject,
                "detail": dict(r.detail),
            }
            for r in rows[:limit]
        ]
        return listed, str(rows[limit - 1].seq) if len(rows) > limit else None

    def verify_audit(self) -> dict[str, Any]:
        """Whether every row of the audit log follows from the one before: {"intact", "rows", "first_bad_row"}."""
        bad, (rows, _) = self._database.read(lambda c: (audit.verify(c), audit.anchor(c)))
        return {"intact": bad is None, "rows": rows, "first_bad_row": bad}

    def record(self, actor: str, action: str, subject: str, detail: dict[str, Any]) -> None:
        """Put an event of the edge, such as a denied request, into the audit log without waiting for it."""
        now_ns = self._clock()
        self._write_later(lambda c: audit.append(c, actor, action, subject, detail, now_ns))

    def _write_later(self, fn: Callable[[Connection], object]) -> None:
        """Queue a write that nobody waits for; when the store takes none, the request goes on without it."""
        with suppress(Unavailable):
            self._database.write(fn)

    def list(self) -> list[dict[str, Any]]:
        """All keys without their secrets, oldest first, revoked ones too."""
        return [_described(row) for row in self._database.read(keys.list_keys)]

    def _note_failure(self, key_id: str, now_ns: int) -> None:
        """Audit failures in sums, so that a flood of them cannot fill the disk."""
        with self._lock:
            self._failures += 1
            if now_ns - self._failed_ns < _QUIET_NS:
                return
            count, self._failures, self._failed_ns = self._failures, 0, now_ns
        self._write_later(lambda c: audit.append(c, "anonymous", "key.refused", key_id or "none", {"since_last": count}, now_ns))

    def _hash(self, secret: str) -> bytes:
        return hashlib.blake2b(secret.encode(), digest_size=32, key=self._pepper).digest()


def _expired(row: KeyRow, now_ns: int) -> bool:
    return row.expires_ns is not None and row.expires_ns <= now_ns


def _principal(row: KeyRow) -> Principal:
    return Principal(row.id, row.name, frozenset(SCOPES if "admin" in row.scopes else row.scopes), row.limit)


def _per_minute(limit: int | str | None) -> int | None:
    """A limit in requests a minute, from a number of them or from words such as 100/s. Raises InvalidRequest."""
    if not isinstance(limit, str):
        return limit
    try:
        rate: kinds.Rate = kinds.RATE.parse(limit)
    except kinds.Unfit as error:
        raise InvalidRequest(f"/limit: {error}", errors=[Fault("/limit", str(error))]) from error
    return max(1, round(rate.count * 60 / rate.per_seconds))


def _faults(name: str, scopes: Sequence[str], expires_ns: int | None, limit: int | None, now_ns: int) -> list[Fault]:
    """What is wrong with the wish for a key."""
    faults = []
    if not _NAME.fullmatch(name):
        faults.append(Fault("/name", "expected 1 to 64 letters, digits, spaces or . _ @ : -, beginning with a letter or digit"))
    if not scopes or not set(scopes) <= set(SCOPES):
        faults.append(Fault("/scopes", f"expected at least one of {', '.join(SCOPES)}"))
    if expires_ns is not None and expires_ns <= now_ns:
        faults.append(Fault("/expires", "expected a time in the future"))
    if limit is not None and not 1 <= limit <= _MOST_A_MINUTE:
        faults.append(Fault("/limit", f"expected 1 to {_MOST_A_MINUTE:,} requests a minute"))
    return faults


def _described(row: KeyRow) -> dict[str, Any]:
    """A key as clients see it."""
    times = {"created": row.created_ns, "expires": row.expires_ns, "revoked": row.revoked_ns, "last_used": row.last_used_ns}
    shown = {name: None if ns is None else instant.text(ns) for name, ns in times.items()}
    return {"id": row.id, "name": row.name, "scopes": list(row.scopes), "limit": row.limit, **shown}
