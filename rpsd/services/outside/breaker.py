"""Circuit breakers: whoever fails again and again is left alone for a while, then tried once before it is believed again."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, Final

from rpsd.core import instant
from rpsd.core.errors import Cancelled, RpsdError, SourceFailed
from rpsd.core.market import SECOND_NS
from rpsd.telemetry import Metrics


class State(StrEnum):
    """Where a breaker stands: calls pass, none passes, or one passes on trial."""

    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


LEVELS: Final = {State.CLOSED: 0, State.HALF_OPEN: 1, State.OPEN: 2}
"""What the metric says of each state."""


class Breaker:
    """Guards the calls to one other end; safe between threads.

    After `failures` of them in a row it opens, and every call is refused without being made. After `wait_seconds` it is half open: one call
    passes on trial, the others are refused. A trial that succeeds closes it; one that fails doubles the wait, up to `longest_seconds`.
    A clock that is set back does not keep it open: the wait is over then.
    """

    def __init__(
        self,
        name: str,
        clock: Callable[[], int],
        *,
        failures: int = 5,
        wait_seconds: float = 30.0,
        longest_seconds: float = 900.0,
        told: Callable[[State, str], None] = lambda *_: None,
    ) -> None:
        """`clock` tells ns UTC; `told` hears of each change of state with the last reason, and of the first success of this process."""
        self.name = name
        self._clock, self._told = clock, told
        self._most, self._first_ns, self._longest_ns = failures, int(wait_seconds * SECOND_NS), int(longest_seconds * SECOND_NS)
        self._lock = threading.Lock()
        self._failed, self._reason = 0, ""
        self._opened_ns: int | None = None
        self._wait_ns = self._first_ns
        self._on_trial, self._has_succeeded = False, False

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Around one call: SourceFailed or OSError counts as a failure; any other error of rpsd's is an answer, and so is its end.

        Cancelled, and what is no error of rpsd's, counts as neither.

        Raises SourceFailed with `retry_after` when the call may not be made.
        """
        on_trial = self._enter()
        try:
            yield
        except (SourceFailed, OSError) as error:
            self._fail(error.detail if isinstance(error, SourceFailed) else type(error).__name__, on_trial)
            raise
        except BaseException as error:
            if isinstance(error, RpsdError) and not isinstance(error, Cancelled):
                self._succeed(on_trial)
            elif on_trial:
                with self._lock:  # a stop or a defect of ours says nothing about the other end: let the next call try
                    self._on_trial = False
            raise
        self._succeed(on_trial)

    @property
    def has_succeeded(self) -> bool:
        """Whether any call has gone well since this process began."""
        return self._has_succeeded

    @property
    def state(self) -> State:
        """Where it stands now."""
        with self._lock:
            return self._state()

    def snapshot(self) -> dict[str, Any]:
        """State, failures in a row, and of one that is not closed since when, when the next call may pass, and the last reason."""
        with self._lock:
            told: dict[str, Any] = {"state": self._state().value, "failures": self._failed}
            if self._opened_ns is not None:
                told |= {"opened": instant.text(self._opened_ns), "next_trial": instant.text(self._opened_ns + self._wait_ns)}
            return told | ({"reason": self._reason} if self._reason else {})

    def _state(self) -> State:
        if self._opened_ns is None:
            return State.CLOSED
        return State.HALF_OPEN if self._left_ns() <= 0 else State.OPEN

    def _left_ns(self) -> int:
        """What is left of the wait of an open breaker."""
        assert self._opened_ns is not None
        since_ns = self._clock() - self._opened_ns
        return self._wait_ns - since_ns if since_ns >= 0 else 0

    def _enter(self) -> bool:
        """Let a call pass; whether it is on trial."""
        with self._lock:
            state = self._state()
            if state is State.OPEN or (state is State.HALF_OPEN and self._on_trial):
                left = max(1.0, self._left_ns() / SECOND_NS)
                reason = f"{self.name} is left alone after {self._failed} failures in a row; the last: {self._reason}"
                raise SourceFailed(reason, retry_after=left)
            self._on_trial = state is State.HALF_OPEN
        if state is State.HALF_OPEN:
            self._told(state, self._reason)
        return state is State.HALF_OPEN

    def _fail(self, reason: str, on_trial: bool) -> None:
        with self._lock:
            is_open = self._opened_ns is not None
            if is_open and not on_trial:
                return  # a call from before it opened: the trial decides
            self._failed, self._reason = self._failed + 1, reason
            if not is_open and self._failed < self._most:
                return
            self._wait_ns = min(2 * self._wait_ns, self._longest_ns) if is_open else self._first_ns
            self._opened_ns, self._on_trial = self._clock(), False
        self._told(State.OPEN, reason)

    def _succeed(self, on_trial: bool) -> None:
        with self._lock:
            if self._opened_ns is not None and not on_trial:
                return  # a call from before it opened: the trial decides
            self._failed, self._reason, self._opened_ns, self._on_trial = 0, "", None, False
            is_news, self._has_succeeded = on_trial or not self._has_succeeded, True
        if is_news:  # the first success too: before a restart it may have been open
            self._told(State.CLOSED, "")


class Breakers:
    """All breakers of the appliance by name: `source:stooq`, `webhook:1`. The names come from the settings, so they are few and fixed."""

    def __init__(self, clock: Callable[[], int], metrics: Metrics, told: Callable[[str, State, str], None] = lambda *_: None) -> None:
        """`told` hears the name, the state and the last reason of each change, in the thread that made the call."""
        self._clock, self._metrics, self._told = clock, metrics, told
        self._all: dict[str, Breaker] = {}

    def add(self, name: str, *, failures: int = 5, wait_seconds: float = 30.0, longest_seconds: float = 900.0) -> Breaker:
        """A closed breaker of a new name; see Breaker."""
        self._metrics.circuit_breaker_state.labels(name).set(LEVELS[State.CLOSED])
        made = Breaker(
            name,
            self._clock,
            failures=failures,
            wait_seconds=wait_seconds,
            longest_seconds=longest_seconds,
            told=lambda state, reason: self._changed(name, state, reason),
        )
        self._all = {**self._all, name: made}  # readers in other threads keep the one that they go through
        return made

    def _changed(self, name: str, state: State, reason: str) -> None:
        self._metrics.circuit_breaker_state.labels(name).set(LEVELS[state])
        self._told(name, state, reason)

    def states(self) -> dict[str, dict[str, Any]]:
        """{name: {"state"}}, the short account of /health."""
        return {name: {"state": breaker.state.value} for name, breaker in self._all.items()}

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """{name: the breaker's whole account}."""
        return {name: breaker.snapshot() for name, breaker in self._all.items()}

    def names(self, prefix: str = "") -> list[str]:
        """Names that start with the prefix."""
        return [name for name in self._all if name.startswith(prefix)]

    def proven(self) -> list[str]:
        """Names of those with a success since this process began."""
        return [name for name, breaker in self._all.items() if breaker.has_succeeded]

    def unhealthy(self, prefix: str = "") -> list[str]:
        """Names, starting with the prefix, of those that are not closed."""
        return [name for name, breaker in self._all.items() if name.startswith(prefix) and breaker.state is not State.CLOSED]
