"""What somebody wishes for in a new key, and what can be wrong with it."""

import re
from collections.abc import Sequence
from typing import Final

from rpsd.config import kinds
from rpsd.core.errors import Fault, InvalidRequest
from rpsd.services.access.keyring import PREFIX
from rpsd.services.access.principal import SCOPES

_NAME: Final = re.compile(r"\w[\w .@:-]{0,63}")
_MOST_A_MINUTE: Final = 1_000_000_000
_ADOPTABLE: Final = re.compile(r"[!-~]{32,256}")
_LEAST_DISTINCT: Final = 8
"""A word that is repeated is long and yet no secret."""
ADOPTION_HINT: Final = "Take out those that cannot be taken over; `rpsd keys create` makes new ones for whoever uses them."


def per_minute(limit: int | str | None) -> int | None:
    """A limit in requests a minute, from a number of them or from words such as 100/s. Raises InvalidRequest.

    >>> per_minute("100/s"), per_minute("2000"), per_minute(5), per_minute(None)
    (6000, 2000, 5, None)
    """
    if not isinstance(limit, str):
        return limit
    if limit.isascii() and limit.isdigit() and len(limit) < 19:
        return int(limit)
    try:
        rate: kinds.Rate = kinds.RATE.parse(limit)
    except kinds.Unfit as error:
        raise InvalidRequest(f"/limit: {error}", errors=[Fault("/limit", str(error))]) from error
    return max(1, round(rate.count * 60 / rate.per_seconds))


def check(name: str, scopes: Sequence[str], expires_ns: int | None, limit: int | None, now_ns: int) -> None:
    """Raise InvalidRequest with every fault of the wish."""
    faults = []
    if not _NAME.fullmatch(name):
        faults.append(Fault("/name", "expected 1 to 64 letters, digits, spaces or . _ @ : -, beginning with a letter or digit"))
    if not scopes or not set(scopes) <= set(SCOPES):
        faults.append(Fault("/scopes", f"expected at least one of {', '.join(SCOPES)}"))
    if expires_ns is not None and expires_ns <= now_ns:
        faults.append(Fault("/expires", "expected a time in the future"))
    if limit is not None and not 1 <= limit <= _MOST_A_MINUTE:
        faults.append(Fault("/limit", f"expected 1 to {_MOST_A_MINUTE:,} requests a minute"))
    if faults:
        raise InvalidRequest(f"{faults[0].pointer}: {faults[0].reason}", errors=faults)


def unfit_for_adoption(key: str) -> str:
    """Why a key of an earlier system cannot go on working, or nothing.

    >>> unfit_for_adoption("a" * 40), unfit_for_adoption("0123456789abcdef0123456789abcdef")
    ('it can be guessed: too few different characters', '')
    """
    if not _ADOPTABLE.fullmatch(key):
        return "expected 32 to 256 printable ASCII characters without blanks"
    if key.startswith(PREFIX):
        return f"keys that begin with {PREFIX} are made by rpsd itself"
    return "it can be guessed: too few different characters" if len(set(key)) < _LEAST_DISTINCT else ""
