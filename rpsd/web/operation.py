"""What an operation declares besides its code: its scope, and what it reads and writes, for the guard and for OpenAPI."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

PUBLIC: Final = "public"
"""The scope of operations that need no key."""
OPT: Final = "operation"
"""The key of the declaration in a Litestar handler's `opt`."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. `reads` and `writes` map media types to structs (None: bytes that the summary describes).

    `monitoring` opens a `read` operation to the networks of monitoring.metrics_allow, and from there it counts against no limit; `kind` is
    the limit it counts against, where that is not its scope's own; `once` says that it takes an Idempotency-Key; `deputised` that the
    worker stands in while the server still loads its numerics.
    """

    scope: str
    summary: str
    tag: str
    query: type[Any] | None = None
    reads: Mapping[str, Any] = field(default_factory=dict)
    writes: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    monitoring: bool = False
    once: bool = False
    kind: str = ""
    deputised: bool = False

    @property
    def limit(self) -> str:
        """The kind of call in services/access/limiter.py."""
        return self.kind or ("read" if self.scope in ("admin", "outbound") else self.scope)


def declare(scope: str, summary: str, tag: str, **more: Any) -> dict[str, Any]:
    """The declaration as a Litestar `opt`; arguments as those of Operation."""
    return {OPT: Operation(scope, summary, tag, **more)}
