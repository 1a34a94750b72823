"""Tokens made from keys: JSON Web Tokens that live for minutes, never longer than their key, and can be called back."""

import hashlib
import re
import secrets
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rpsd.core.errors import Unauthenticated
from rpsd.core.market import SECOND_NS
from rpsd.services.access.principal import SCOPES, implied
from rpsd.services.access.signing import SigningKey, SigningKeys

ISSUER: Final = "rpsd"
AUDIENCE: Final = "rpsd"
_MOST_BYTES: Final = 4096
_SHAPE: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_REMEMBERED: Final = 4096
_CLAIMS: Final = frozenset({"sub", "scope", "iss", "aud", "iat", "nbf", "exp", "jti"})
_LATEST: Final = 2**33
"""Seconds since 1970 above which a time is nonsense, and would leave 64 bits in nanoseconds."""


class Outlived(Unauthenticated):
    """A token of ours whose time is over: no sign that somebody guesses."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a good token says; times in ns UTC."""

    token_id: str
    key_id: str
    scopes: frozenset[str]
    expires_ns: int


class Tokens:
    """Makes and verifies tokens; the keys are read when first needed, since loading the library for them costs memory."""

    def __init__(self, keys: SigningKeys, clock: Callable[[], int]) -> None:
        self._files, self._clock = keys, clock
        self._lock = threading.Lock()
        self._keys: dict[str, SigningKey] = {}
        self._verified: dict[bytes, Claims] = {}

    def prepare(self) -> None:
        """Read the keys if there is a file of them, so that the first token does not wait. Raises BadConfig."""
        if self._files.path.exists():
            self._signing_keys()

    def issue(self, key_id: str, scopes: Collection[str], expires_ns: int) -> tuple[str, Claims]:
        """A token of the key with these scopes, until expires_ns (whole seconds). Raises BadConfig."""
        import jwt

        key = [key for key in self._signing_keys().values() if key.signs is not None][-1]
        now, expires = self._clock() // SECOND_NS, expires_ns // SECOND_NS
        ordered = [scope for scope in SCOPES if scope in scopes]
        claims = {
            **{"sub": key_id, "scope": " ".join(ordered), "iss": ISSUER, "aud": AUDIENCE},
            **{"iat": now, "nbf": now, "exp": expires, "jti": secrets.token_hex(16)},
        }
        token = jwt.encode(claims, key.signs, algorithm=key.algorithm, headers={"kid": key.kid})
        return token, _claims(claims)

    def verified(self, token: str, now_ns: int) -> Claims:
        """What the token says. Raises Outlived, Unauthenticated; a token is checked whole once, then remembered."""
        if len(token) > _MOST_BYTES or not _SHAPE.fullmatch(token):
            raise _wrong()
        digest = hashlib.blake2b(token.encode(), digest_size=32).digest()
        claims = self._verified.get(digest)
        if claims is None:
            claims = self._checked(token, now_ns)
            if len(self._verified) >= _REMEMBERED:
                self._verified.clear()
            self._verified[digest] = claims
        if claims.expires_ns <= now_ns:
            raise Outlived("the token's time is over", hint="Ask POST /api/v1/auth/token for a new one.")
        return claims

    def rotate(self) -> list[dict[str, Any]]:
        """A new key signs from now on. Raises BadConfig, StateConflict."""
        with self._lock:
            self._keys = {key.kid: key for key in self._files.rotate(self._clock())}
            self._verified = {}  # some of them were signed by a key that is gone
        return self.described()

    @property
    def is_given(self) -> bool:
        """Whether the keys are a credential of systemd's, which is not ours to rotate."""
        return self._files.given

    def age_ns(self) -> int | None:
        """Age of the key that signs; None when there is none, or when nobody knows."""
        if not self._files.path.exists():
            return None
        signing = [key for key in self._signing_keys().values() if key.signs is not None][-1]
        return None if signing.created_ns is None else self._clock() - signing.created_ns

    def described(self) -> list[dict[str, Any]]:
        """The keys without their secrets, the one that signs last. Raises BadConfig."""
        held = list(self._signing_keys().values())
        last = [key for key in held if key.signs is not None][-1]
        return [
            {"kid": key.kid, "algorithm": key.algorithm, "created_ns": key.created_ns, "signs": key is last}
            for key in held
        ]  # fmt: skip

    def _signing_keys(self) -> Mapping[str, SigningKey]:
        if not self._keys:
            with self._lock:
                if not self._keys:
                    self._keys = {key.kid: key for key in self._files.read(self._clock())}
        return self._keys

    def _checked(self, token: str, now_ns: int) -> Claims:
        import jwt

        try:
            header = jwt.get_unverified_header(token)
            kid = header.get("kid")
            key = self._signing_keys().get(kid) if isinstance(kid, str) else None
            if key is None or header.get("alg") != key.algorithm or not header.keys() <= {"alg", "kid", "typ"}:
                raise _wrong()
            # our own clock judges the times below
            claims = jwt.decode(
                token, key.verifies, algorithms=[key.algorithm], issuer=ISSUER, audience=AUDIENCE,
                options={"require": sorted(_CLAIMS), "verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )  # fmt: skip
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise _wrong() from error
        if not _fits(claims) or claims["nbf"] * SECOND_NS > now_ns or claims["iat"] * SECOND_NS > now_ns:
            raise _wrong()
        return _claims(claims)


def _fits(claims: Mapping[str, Any]) -> bool:
    """Whether each claim is of the kind and size that ours are."""
    texts = all(isinstance(claims[name], str) and len(claims[name]) <= 128 for name in ("sub", "scope", "iss", "aud", "jti"))
    times = all(type(claims[name]) is int and 0 <= claims[name] < _LATEST for name in ("iat", "nbf", "exp"))
    return texts and times and bool(claims["scope"].split()) and set(claims["scope"].split()) <= set(SCOPES)


def _claims(claims: Mapping[str, Any]) -> Claims:
    return Claims(claims["jti"], claims["sub"], implied(claims["scope"].split()), claims["exp"] * SECOND_NS)


def _wrong() -> Unauthenticated:
    return Unauthenticated("the token is not valid", hint="Swap an API key for a token at POST /api/v1/auth/token, and send it whole.")
