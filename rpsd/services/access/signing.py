"""The keys that sign tokens: a file of JSON Web Keys, the last one that can signs, all of them verify."""

import base64
import binascii
import json
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rpsd.core import instant
from rpsd.core.errors import BadConfig, BadTime, StateConflict

_BYTES: Final = 32
_MOST_KEYS: Final = 8
_MOST_FILE_BYTES: Final = 65_536
_KID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key, pinned to one algorithm; `signs` is None where the file holds the public half alone. `created_ns` None: not said."""

    kid: str
    algorithm: str
    verifies: Any
    signs: Any
    created_ns: int | None


class SigningKeys:
    """secrets_dir/jwt.json (0600), made when missing; systemd's credential `jwt` (`given`) comes first and is never written."""

    def __init__(self, secrets_dir: Path, credentials: str | None) -> None:
        credential = Path(credentials) / "jwt" if credentials else None
        self.given = credential is not None and credential.is_file()
        self.path = credential if credential is not None and self.given else secrets_dir / "jwt.json"

    def read(self, now_ns: int) -> tuple[SigningKey, ...]:
        """The keys in the order of the file. Raises BadConfig."""
        if not self.path.exists():
            self._write([_new(now_ns)])
        return parsed(self.path, private=not self.given)

    def rotate(self, now_ns: int) -> tuple[SigningKey, ...]:
        """A new HS256 key signs; the one that signed before still verifies, and so do keys of which only the public half is held.

        Raises BadConfig, StateConflict when the keys are systemd's.
        """
        if self.given:
            raise StateConflict(
                f"the signing keys come from {self.path}", hint="Add a key at the end of that credential, and restart the service."
            )
        held = self.read(now_ns)
        last = [key.kid for key in held if key.signs is not None][-1]
        kept = {key.kid for key in held if key.signs is None or key.kid == last}
        entries = [entry for entry in _entries(self.path) if entry["kid"] in kept]
        self._write([*entries, _new(now_ns)])
        return self.read(now_ns)

    def _write(self, entries: list[Mapping[str, Any]]) -> None:
        """Whole or not at all."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = self.path.with_suffix(".partial")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            json.dump({"keys": entries}, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.path)


def _new(now_ns: int) -> dict[str, Any]:
    key = base64.urlsafe_b64encode(secrets.token_bytes(_BYTES)).rstrip(b"=").decode()
    return {"kid": secrets.token_hex(4), "kty": "oct", "k": key, "created": instant.text(now_ns)}


def parsed(path: Path, *, private: bool = True) -> tuple[SigningKey, ...]:
    """The keys of a file. Raises BadConfig when it cannot be used, or with `private` when others can read it."""
    if private and path.stat().st_mode & 0o077:
        raise BadConfig(f"{path} is readable by others", hint=f"chmod 600 {path}")
    entries = _entries(path)
    kids = [entry.get("kid") for entry in entries]
    if not 1 <= len(entries) <= _MOST_KEYS or len(set(kids)) < len(kids):
        raise _unusable(path, f"expected 1 to {_MOST_KEYS} keys with a kid of their own each")
    found = tuple(_read(path, entry) for entry in entries)
    if not any(key.signs is not None for key in found):
        raise _unusable(path, "none of its keys can sign")
    return found


def _entries(path: Path) -> list[dict[str, Any]]:
    try:
        with path.open("rb") as file:
            entries = json.loads(file.read(_MOST_FILE_BYTES))["keys"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise _unusable(path, "it is no JSON object with a list `keys`") from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise _unusable(path, "`keys` is no list of objects")
    return entries


def _read(path: Path, entry: Mapping[str, Any]) -> SigningKey:
    kid = entry.get("kid")
    if not isinstance(kid, str) or not _KID.fullmatch(kid):
        raise _unusable(path, "a kid is 1 to 64 letters, digits or . _ -")
    created = entry.get("created")
    try:
        created_ns = None if created is None else instant.parse(str(created))
    except BadTime as error:
        raise _unusable(path, f"key {kid}: created is no time") from error
    if entry.get("kty") == "oct" and entry.get("alg", "HS256") == "HS256":
        secret = _decoded(path, kid, entry.get("k"))
        if len(secret) < _BYTES or len(set(secret)) < _BYTES // 4:  # the chance of a random key with so few different bytes is nil
            raise _unusable(path, f"key {kid} is shorter than {_BYTES} random bytes")
        return SigningKey(kid, "HS256", secret, secret, created_ns)
    if entry.get("kty") == "OKP" and entry.get("crv") == "Ed25519" and entry.get("alg", "EdDSA") == "EdDSA":
        return _ed25519(path, kid, entry, created_ns)
    raise _unusable(path, f"key {kid} is neither of kty oct (HS256) nor of OKP with crv Ed25519 (EdDSA)")


def _ed25519(path: Path, kid: str, entry: Mapping[str, Any], created_ns: int | None) -> SigningKey:
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

    try:
        public = Ed25519PublicKey.from_public_bytes(_decoded(path, kid, entry.get("x")))
        private = None if entry.get("d") is None else Ed25519PrivateKey.from_private_bytes(_decoded(path, kid, entry["d"]))
    except ValueError as error:
        raise _unusable(path, f"key {kid}: x and d are 32 bytes each") from error
    raw = form.Encoding.Raw, form.PublicFormat.Raw
    if private is not None and private.public_key().public_bytes(*raw) != public.public_bytes(*raw):
        raise _unusable(path, f"key {kid}: x and d are no pair")
    return SigningKey(kid, "EdDSA", public, private, created_ns)


def _decoded(path: Path, kid: str, text: Any) -> bytes:
    try:
        return base64.b64decode(str(text) + "=" * (-len(str(text)) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise _unusable(path, f"key {kid} is no base64url") from error


def _unusable(path: Path, why: str) -> BadConfig:
    return BadConfig(
        f"{path}: {why}", hint="Put a good file there, or take it away: a new one is made. Tokens then have to be asked for again."
    )
