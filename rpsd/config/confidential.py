"""Secrets on disk: who can read them, and whether they are worth the name."""

import base64
import binascii
import json
import math
import stat
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from rpsd.config.settings import Settings
from rpsd.core.errors import Fault

_LEAST_BYTES: Final = 32
_LEAST_BITS: Final = 90.0
"""Of what the bytes of a secret tell: 32 random ones have 155 or so, 32 hexadecimal digits 115."""
_KNOWN: Final = (
    b"changeme",
    b"change-me",
    b"change_me",
    b"password",
    b"passw0rd",
    b"default",
    b"example",
    b"your-",
    b"your_",
    b"secret",
    b"insecure",
)
_MOST_BYTES: Final = 65_536
_OTHERS: Final = stat.S_IROTH | stat.S_IWOTH


def weakness(secret: bytes) -> str:
    """Why the bytes are no secret, empty when they may be one; what is random passes, and so does much that is not.

    >>> weakness(b"changeme" * 5)
    'is a well-known default'
    """
    if len(secret) < _LEAST_BYTES:
        return f"holds fewer than {_LEAST_BYTES} bytes"
    lowered = secret.lower()
    if any(word in lowered for word in _KNOWN):
        return "is a well-known default"
    if any(secret == (secret[:period] * len(secret))[: len(secret)] for period in range(1, len(secret) // 2 + 1)):
        return "repeats itself"
    if _is_counted(secret):
        return "counts up or down"
    share = [count / len(secret) for count in Counter(secret).values()]
    bits = -len(secret) * sum(p * math.log2(p) for p in share)
    return "is too regular to be random" if bits < _LEAST_BITS else ""


def _is_counted(secret: bytes) -> bool:
    """Whether most bytes follow the one before by the same step, as in 0123456789 or in abcdef."""
    steps = Counter((after - before) % 256 for before, after in pairwise(secret))
    return max(steps.values()) > len(secret) // 2


def secret_faults(settings: Settings) -> list[Fault]:
    """Every fault of files and directories that hold secrets, and of the settings file itself."""
    found = [*_key_file(settings), *_secrets_dir(settings.storage.secrets_dir)]
    faults = [Fault(settings.origin.get(name, "default"), f"{name}: {reason}") for name, reason in found]
    file = settings.path
    if file is not None and file.is_file() and file.stat().st_mode & stat.S_IWOTH:
        faults.append(Fault(str(file), f"everybody can change this file; run chmod o-w {file}"))
    data = settings.storage.data_dir
    if data.is_dir() and data.stat().st_mode & stat.S_IWOTH:
        name = "storage.data_dir"
        faults.append(Fault(settings.origin.get(name, "default"), f"{name}: everybody can write to {data}; run chmod o-w {data}"))
    return faults


def _key_file(settings: Settings) -> Iterator[tuple[str, str]]:
    cert, key = settings.server.tls_cert, settings.server.tls_key
    for name, file in (("server.tls_cert", cert), ("server.tls_key", key)):
        if file is not None and not file.is_file():
            yield name, f"{file} does not exist"
    if key is not None and key.is_file() and key.stat().st_mode & _OTHERS:
        yield "server.tls_key", f"{key} can be read by everybody; run chmod o-rwx {key}"


def _secrets_dir(place: Path) -> Iterator[tuple[str, str]]:
    name = "storage.secrets_dir"
    if not place.is_dir():
        return
    if place.stat().st_mode & stat.S_IRWXO:
        yield name, f"everybody can look into {place}; run chmod o-rwx {place}"
    try:
        files = [file for file in sorted(place.iterdir()) if file.is_file()]
    except OSError as error:
        yield name, f"{place} cannot be read: {error.strerror}"
        return
    for file in files:
        if file.stat().st_mode & _OTHERS:
            yield name, f"{file} can be read by everybody; run chmod o-rwx {file}"
        elif reason := _content(file):
            yield name, f"{file} {reason}"


def _content(file: Path) -> str:
    """Why a secret that rpsd knows by its name is weak; empty for what cannot be read here, which its reader will tell."""
    if file.name not in ("pepper", "jwt.json"):
        return ""
    try:
        with file.open("rb") as stream:
            data = stream.read(_MOST_BYTES)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if file.name == "pepper":
        reason = weakness(data)
        return f"{reason}; put 32 random bytes there (every key made with another pepper ends)" if reason else ""
    reasons = [f"holds a signing key that {reason}" for secret in _symmetric(data) if (reason := weakness(secret))]
    return f"{reasons[0]}; remove it, a new one is made" if reasons else ""


def _symmetric(data: bytes) -> list[bytes]:
    """The secrets among the keys of a JSON Web Key Set."""
    try:
        document: Any = json.loads(data)
        keys = document["keys"] if isinstance(document, dict) else document
        texts = [key["k"] for key in keys if key.get("kty") == "oct"]
        return [base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)) for text in texts]
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error, RecursionError):
        return []  # not to be read at all: whoever uses the file says so
