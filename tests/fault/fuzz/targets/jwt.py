"""A token that a client presents, and a file of signing keys that an operator gives."""

import time
from contextlib import suppress
from functools import lru_cache

from rpsd.core.errors import RpsdError
from rpsd.services.access.signing import SigningKeys, parsed
from rpsd.services.access.token import Tokens
from tests.fault.fuzz.targets.place import directory, file_of


@lru_cache(1)
def _tokens() -> Tokens:
    return Tokens(SigningKeys(directory(), None), time.time_ns)


def one(data: bytes) -> None:
    """Verify the token; no bytes that were not issued here may pass."""
    with suppress(RpsdError):
        _tokens().verified(data.decode("latin-1"), time.time_ns())
        raise AssertionError("a token passed that was not issued here")
    with suppress(RpsdError):
        parsed(file_of(data, "keys.json"))
