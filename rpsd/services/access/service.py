"""Who may do what: API keys rpsd_<id>_<secret>, tokens and tickets made from them, their ends, and the audit of it all."""

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from rpsd.core import instant
from rpsd.core.cursor import row_after
from rpsd.core.errors import Fault, InvalidRequest, LockedOut, RateLimited, Unauthenticated
from rpsd.core.market import DAY_NS, SECOND_NS
from rpsd.services.access.key import OVERLAP_SECONDS, Keys
from rpsd.services.access.keyring import PREFIX, Keyring
from rpsd.services.access.lockout import Lockout, network_of
from rpsd.services.access.principal import KEYLESS, SCOPES, Principal
from rpsd.services.access.signing import SigningKeys
from rpsd.services.access.sums import QUIET_NS, Sums
from rpsd.services.access.ticket import Tickets
from rpsd.services.access.token import Outlived, Tokens
from rpsd.store import audit, denied
from rpsd.store import key as keys
from rpsd.store.db import Connection, Database
from rpsd.telemetry import Metrics, logger

if TYPE_CHECKING:
    from rpsd.config import Settings

__all__ = ["SCOPES", "AccessService", "Principal"]

_REFUSED: Final = "the API key is unknown, expired or revoked"
SIGNING_DAYS: Final = 30
"""Signing keys older than this are rotated by the nightly upkeep."""
_MOST_DENIED: Final = 4096
"""Tokens of one key that can be called back within their life."""


class AccessService(Keys):
    """The keys of this data directory. All of them are held in memory: this process alone writes them."""

    def __init__(
        self,
        settings: "Settings",
        database: Database,
        metrics: Metrics,
        clock: Callable[[], int],
        pepper: bytes,
        credentials: str | None = None,
    ) -> None:
        super().__init__(database, clock, Keyring(database, pepper, self._tell))
        self._auth, self._metrics = settings.auth, metrics
        now_ns, lockout = clock(), settings.auth.lockout
        self._listeners: list[Callable[[str], None]] = []
        self._sums = Sums(database)
        self._lockout = Lockout(
            database, self._sums.write, failures=lockout.failures, window_ns=int(lockout.window * SECOND_NS), now_ns=now_ns
        )
        self._tickets = Tickets(clock)
        self._tokens = Tokens(SigningKeys(settings.storage.secrets_dir, credentials), clock)
        self._denied = database.read(lambda c: denied.denied(c, now_ns))
        self._used: dict[str, int] = {}
        self._keyring.load(now_ns)
        metrics.active_keys.set_function(lambda: self._keyring.count(clock()))

    def prepare(self) -> None:
        """Load what verifies tokens, if any were ever made, so that the first request with one does not wait. Raises BadConfig."""
        self._tokens.prepare()

    def rotate(self, key_id: str, overlap_seconds: float = OVERLAP_SECONDS, *, by: str) -> tuple[dict[str, Any], str]:
        """As Keys.rotate(); the new key goes on working wherever the old one has, also where strangers are locked out."""
        described, token = super().rotate(key_id, overlap_seconds, by=by)
        self._lockout.succeed(key_id, described["id"], self._clock())
        return described, token

    def authenticate(self, token: str, peer: str = "") -> Principal:
        """The principal of an API key or a token, without touching the database; `peer` is the address that the failure counts for.

        Raises Unauthenticated, for API keys always after the same work; LockedOut where too many have failed.
        """
        now_ns = self._clock()
        principal = self._keyring.verified(token, now_ns)
        if principal is None and token.startswith(PREFIX):
            self._fail("key", token[5:13], peer, now_ns)
            raise Unauthenticated(_REFUSED)
        if principal is None:
            principal = self._of_token(token, peer, now_ns)
        return self._let_in(principal, peer, now_ns)

    def _of_token(self, token: str, peer: str, now_ns: int) -> Principal:
        try:
            return self._verified(token, now_ns)
        except Outlived:
            self._refuse_locked(peer, now_ns)
            raise
        except Unauthenticated:
            self._fail("token", "none", peer, now_ns)
            raise

    def _verified(self, token: str, now_ns: int) -> Principal:
        if token.count(".") != 2:
            raise Unauthenticated(_REFUSED)
        claims = self._tokens.verified(token, now_ns)
        key = self._keyring.find(claims.key_id, now_ns)
        if key is None or claims.token_id in self._denied:
            raise Outlived("the token or its key has ended", hint="Log in again with a key that works.")
        ends_ns = claims.expires_ns if key.expires_ns is None else min(claims.expires_ns, key.expires_ns)
        return Principal(key.id, key.name, claims.scopes & key.scopes, key.limit, ends_ns, claims.token_id)

    def _let_in(self, principal: Principal, peer: str, now_ns: int) -> Principal:
        """Note that the key has worked. Raises LockedOut where its peer is locked out and the key is new there."""
        if network := network_of(peer):
            left = self._lockout.seconds_left(network, now_ns)
            if left and not self._lockout.knows(network, principal.id, now_ns):
                raise _locked_out(left)
            self._lockout.worked(network, principal.id, now_ns)
        key_id = principal.id
        if now_ns - self._used.get(key_id, -QUIET_NS) >= QUIET_NS:
            self._used[key_id] = now_ns
            self._sums.write(lambda c: keys.touch(c, key_id, now_ns))
        return principal

    def _refuse_locked(self, peer: str, now_ns: int) -> None:
        if (network := network_of(peer)) and (left := self._lockout.seconds_left(network, now_ns)):
            raise _locked_out(left)

    def _fail(self, what: str, subject: str, peer: str, now_ns: int) -> None:
        """Count a failed login. Raises LockedOut where its peer is locked out already."""
        self._metrics.logins_failed_total.labels(what).inc()
        self._refuse_locked(peer, now_ns)
        network = network_of(peer)
        told = subject if subject.isalnum() and subject.isascii() else "none"
        self._sums.note("anonymous", f"{what}.refused", told, {"from": network or "here"}, now_ns)
        if network and (locked := self._lockout.failed(network, now_ns)):
            self._metrics.lockouts_total.inc()
            detail = {"round": locked.rounds, "until": instant.text(locked.until_ns)}
            self._sums.note("anonymous", "peer.locked", network, detail, now_ns)

    def token(self, key: str, peer: str = "", scopes: Sequence[str] | None = None) -> dict[str, Any]:
        """A token made from an API key: {"token", "type", "expires", "scopes"}, for some of its scopes or all.

        Raises Unauthenticated for what is no API key that works, LockedOut, Forbidden for a scope that the key has not, BadConfig.
        """
        principal = self.authenticate(key, peer)
        if principal.token_id is not None:
            raise Unauthenticated("an API key is needed to make a token")
        for scope in scopes or ():
            principal.require(scope)
        ends_ns = self._clock() + int(self._auth.jwt_ttl * SECOND_NS)
        ends_ns = ends_ns if principal.expires_ns is None else min(ends_ns, principal.expires_ns)
        made, claims = self._tokens.issue(principal.id, scopes or principal.scopes, ends_ns)
        listed = [scope for scope in SCOPES if scope in claims.scopes]
        return {"token": made, "type": "Bearer", "expires": instant.text(claims.expires_ns), "scopes": listed}

    def end_token(self, principal: Principal) -> None:
        """End the token that the principal came with, for good. Raises InvalidRequest when it came with none, RateLimited."""
        token_id, expires_ns, now_ns = principal.token_id, principal.expires_ns, self._clock()
        if token_id is None or expires_ns is None:
            raise InvalidRequest("no token was sent", hint="Send the token that shall end; keys are revoked at /api/v1/admin/keys.")

        def write(c: Connection) -> None:
            if denied.count(c, principal.id, now_ns) >= _MOST_DENIED:
                raise RateLimited("the key has called back too many tokens", retry_after=self._auth.jwt_ttl)
            denied.deny(c, token_id, principal.id, expires_ns)

        self._database.write(write).result()
        self._denied[token_id] = expires_ns
        self._sums.note(principal.id, "token.end", token_id, {}, now_ns)
        self._tell(token_id)

    def ticket(self, principal: Principal) -> dict[str, Any]:
        """A ticket that opens one WebSocket, soon: {"ticket", "expires"}."""
        ticket, expires_ns = self._tickets.issue(principal)
        return {"ticket": ticket, "expires": instant.text(expires_ns)}

    def redeem(self, ticket: str, peer: str = "") -> Principal:
        """Who a ticket was made for; it opens nothing more. Raises Unauthenticated, LockedOut."""
        now_ns, principal = self._clock(), self._tickets.redeem(ticket)
        if principal is None or not self.is_alive(principal):
            self._fail("ticket", "none", peer, now_ns)
            raise Unauthenticated("the ticket is unknown, used or too old", hint="POST /api/v1/auth/ws-ticket gives a new one.")
        return principal if principal.id in KEYLESS else self._let_in(principal, peer, now_ns)

    def is_alive(self, principal: Principal) -> bool:
        """Whether what the principal came with still works: cheap enough to ask of every open socket twice a second."""
        now_ns = self._clock()
        if principal.expires_ns is not None and principal.expires_ns <= now_ns:
            return False
        if principal.token_id is not None and principal.token_id in self._denied:
            return False
        return principal.id in KEYLESS or self._keyring.find(principal.id, now_ns) is not None

    def ended(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """Let the callback hear the id of each key, and the `jti` of each token, that ends; the returned function stops that.

        It is called in whatever thread ends them and must neither wait nor raise. That a key has expired is told when somebody next
        looks: by a request with it, is_alive() or end_expired().
        """
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback)

    def end_expired(self) -> None:
        """Tell of the keys that have expired by now. O(keys)."""
        self._keyring.end_expired(self._clock())

    def _tell(self, ended: str) -> None:
        for callback in tuple(self._listeners):
            callback(ended)

    def signing_keys(self) -> list[dict[str, Any]]:
        """The keys that sign tokens, without their secrets. Raises BadConfig."""
        return [_signing(key) for key in self._tokens.described()]

    def rotate_signing(self, by: str) -> list[dict[str, Any]]:
        """Sign tokens with a new key; those that the last one signed work until their time is over. Audited.

        Raises BadConfig, StateConflict when the keys are systemd's.
        """
        held = self._tokens.rotate()
        now_ns, kid = self._clock(), held[-1]["kid"]
        self._database.write(lambda c: audit.append(c, by, "signing_key.rotate", kid, {}, now_ns)).result()
        return [_signing(key) for key in held]

    def upkeep(self, by: str = "rpsd") -> dict[str, int]:
        """Drop what no longer counts, and rotate the signing keys when they are old; how many of each."""
        now_ns, age_ns = self._clock(), self._tokens.age_ns()
        for token_id, ends_ns in list(self._denied.items()):  # in place: another thread may be ending a token
            if ends_ns <= now_ns:
                self._denied.pop(token_id, None)
        dropped = self._database.write(lambda c: denied.prune(c, now_ns) + self._lockout.prune(c, now_ns)).result()
        self.end_expired()
        due = age_ns is not None and age_ns >= SIGNING_DAYS * DAY_NS and not self._tokens.is_given
        if due:
            self.rotate_signing(by)
        return {"access_rows": dropped, "signing_keys_rotated": int(due)}

    def audit(
        self, after: str | None, limit: int, *, action: str | None = None, actor: str | None = None, since_ns: int | None = None
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Rows of the audit log, newest first, and the cursor of the next page. Raises InvalidRequest for a cursor that is none.

        `action` finds itself and what is below it (`key` finds key.create), `since_ns` what happened from then on.
        """
        before, wanted = row_after(after), audit.AuditFilter(action, actor, since_ns)
        rows = self._database.read(lambda c: audit.page(c, before, limit + 1, wanted))
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

    def verify_audit(self, anchor: str | None = None) -> dict[str, Any]:
        """Whether every row of the audit log follows from the one before: {"intact", "rows", "first_bad_row", "anchor"}.

        With an earlier anchor, SEQ:HASH, also whether that row is there unchanged: only so a cut end or a chain made anew shows.
        Raises InvalidRequest for what is no anchor. O(rows).
        """
        known = None if anchor is None else _anchor(anchor)
        bad, (rows, link) = self._database.read(lambda c: (audit.verify(c, known), audit.anchor(c)))
        return {"intact": bad is None, "rows": rows, "first_bad_row": bad, "anchor": f"{rows}:{link.hex()}"}

    def tell_anchor(self) -> dict[str, Any]:
        """Put number and hash of the last row of the audit log into the program's log, which lies elsewhere: {"seq", "hash"}."""
        seq, link = self._database.read(audit.anchor)
        logger(operation="audit").info(f"audit anchor {seq}:{link.hex()}", seq=seq, hash=link.hex())
        return {"seq": seq, "hash": link.hex()}

    def deny(self, actor: str, subject: str, detail: dict[str, Any]) -> None:
        """Audit, in sums, that a request was refused to somebody; nothing waits for it."""
        self._sums.note(actor, "access.denied", subject, detail, self._clock())

    def record(self, actor: str, action: str, subject: str, detail: dict[str, Any]) -> None:
        """Put an event of the edge, such as a denied request, into the audit log without waiting for it."""
        now_ns = self._clock()
        self._sums.write(lambda c: audit.append(c, actor, action, subject, detail, now_ns))


def _anchor(text: str) -> tuple[int, bytes]:
    """The number and hash of SEQ:HASH. Raises InvalidRequest."""
    match = re.fullmatch(r"(\d{1,18}):([0-9a-f]{64})", text.strip().lower(), re.ASCII)
    if match is None:
        reason = "an anchor is SEQ:HASH, a number and 64 hexadecimal digits"
        raise InvalidRequest(reason, errors=[Fault("anchor", reason)], hint="The program's log and each backup's manifest tell anchors.")
    return int(match[1]), bytes.fromhex(match[2])


def _locked_out(seconds: float) -> LockedOut:
    return LockedOut("too many logins from this address have failed", retry_after=seconds)


def _signing(key: dict[str, Any]) -> dict[str, Any]:
    """A signing key as clients see it."""
    created_ns = key["created_ns"]
    created = None if created_ns is None else instant.text(created_ns)
    return {"kid": key["kid"], "algorithm": key["algorithm"], "created": created, "signs": key["signs"]}
