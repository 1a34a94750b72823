"""What every error is made of: a kind, a code, a hint, and the bad places of a request."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar


class Kind(Enum):
    """What went wrong in the caller's terms; each edge owns one table from kind to its own status."""

    INPUT = "input"
    MISSING = "missing"
    CONFLICT = "conflict"
    DENIED = "denied"
    BUSY = "busy"
    CONFIG = "config"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Fault:
    """One bad place in a request: JSON pointer and the reason in one sentence."""

    pointer: str
    reason: str


class RpsdError(Exception):
    """Base of all errors: `detail` says what happened here, `hint` what to do about it.

    `status` overrides the HTTP status that the kind gives (400, 413, 415, 401, 429, 507).
    """

    code: ClassVar[str] = "internal_error"
    kind: ClassVar[Kind] = Kind.INTERNAL
    title: ClassVar[str] = "Internal error"
    hint: ClassVar[str] = "Search the log for the request id and report it."
    status: ClassVar[int | None] = None

    def __init__(self, detail: str, *, errors: Sequence[Fault] = (), hint: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)
        self.advice = self.hint if hint is None else hint
        self.retry_after = retry_after
