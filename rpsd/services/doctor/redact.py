"""Takes secrets out of text that leaves the box: those that this box holds, and whatever looks like one."""

import base64
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from rpsd.config import Settings

GONE: Final = "[redacted]"
_LEAST: Final = 8
"""Shorter words would take half of the text with them."""
_MOST_BYTES: Final = 1 << 20
_PATTERNS: Final = tuple(
    (re.compile(pattern, flags), put)
    for pattern, flags, put in (
        (r"-----BEGIN [A-Z ]+-----.*?(-----END [A-Z ]+-----|\Z)", re.DOTALL, GONE),
        (r"\brpsd_[A-Za-z0-9]+_[A-Za-z0-9_-]{6,}", 0, GONE),
        (r"\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*", 0, GONE),
        (r"\bAGE-SECRET-KEY-[0-9A-Z]+", re.IGNORECASE, GONE),
        (r"\b([a-z][a-z0-9+.-]{1,10}://)(?:[^\s/@\"']*@)?([^\s/?#\"'\\]+)[/?#][^\s\"'\\]*", re.IGNORECASE, rf"\1\2/{GONE}"),
        (r"\b([a-z][a-z0-9+.-]{1,10}://)[^\s/@\"']+@", re.IGNORECASE, rf"\1{GONE}@"),
        (r"\b((?:proxy-)?authorization\\?[\"']?\s*[:=]\s*\\?[\"']?)[^\"'\r\n,}]+", re.IGNORECASE, rf"\1{GONE}"),
        (
            r"((?:api[-_]?key|password|passwd|passphrase|secret|token|cookie|routing[-_]key)\\?[\"']?\s*[:=]\s*\\?[\"']?)[^\s\"',;}\\]+",
            re.IGNORECASE,
            rf"\1{GONE}",
        ),
    )
)


def secrets_of(settings: Settings, environ: Iterable[tuple[str, str]] = ()) -> list[str]:
    """Every secret that this user can read here, in the spellings that text could hold, the longest first."""
    found: set[str] = set()
    for path in _files(settings):
        try:
            with path.open("rb") as stream:
                found.update(_spellings(stream.read(_MOST_BYTES)))
        except OSError:
            continue  # what cannot be read cannot be leaked by what runs as this user
    found.update(value for name, value in environ if re.search(r"KEY|SECRET|TOKEN|PASS", name) and len(value) >= _LEAST)
    return sorted(found, key=len, reverse=True)


def _files(settings: Settings) -> Iterator[Path]:
    named = (settings.server.tls_key, *(receiver.secret_file for receiver in settings.alerts.webhooks))
    for name in named:
        if name:
            yield Path(name) if os.sep in str(name) else settings.storage.secrets_dir / str(name)
    for place in (settings.storage.secrets_dir, Path(os.environ.get("CREDENTIALS_DIRECTORY") or os.devnull)):
        if place.is_dir() and os.access(place, os.R_OK | os.X_OK):
            yield from (path for path in sorted(place.rglob("*")) if path.is_file())


def _spellings(data: bytes) -> Iterator[str]:
    """The content as a whole and line by line, and as hexadecimal digits and base64 where it is short enough to be quoted."""
    if len(data) <= 4096:
        yield data.hex()
        yield base64.b64encode(data).decode().rstrip("=")
        yield base64.urlsafe_b64encode(data).decode().rstrip("=")
    text = data.decode("utf-8", "replace")
    for line in text.splitlines():
        yield from (word for word in (line.strip(), *re.findall(r"[A-Za-z0-9+/_=-]{16,}", line)) if len(word) >= _LEAST)


class Redactor:
    """redactor(text) is the text without secrets. O(text × secrets)."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = [secret for secret in secrets if len(secret) >= _LEAST]

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, GONE)
        for pattern, put in _PATTERNS:
            text = pattern.sub(put, text)
        return text

    def each(self, value: Any) -> Any:
        """The JSON value with every text in it redacted, what stands under the name of a secret altogether."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, dict):
            return {self(str(name)): self.each(item) for name, item in value.items()}
        return [self.each(item) for item in value] if isinstance(value, list | tuple) else value
