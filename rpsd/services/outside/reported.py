"""Breakers that stand in `rpsd outbound`, as it last told of them: health, metrics and alerts are the same as if they stood here."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rpsd.services.outside.breaker import LEVELS, Breakers, State
from rpsd.telemetry import Metrics


class ReportedBreakers(Breakers):
    """Closed until a report says otherwise; `told` hears the name, the state and the reason of each change."""

    def __init__(
        self, names: Iterable[str], clock: Callable[[], int], metrics: Metrics, told: Callable[[str, State, str], None] = lambda *_: None
    ) -> None:
        super().__init__(clock, metrics, told)
        self._accounts: dict[str, dict[str, Any]] = {name: {"state": State.CLOSED.value, "failures": 0} for name in names}
        self._proven: set[str] = set()
        for name in self._accounts:
            metrics.circuit_breaker_state.labels(name).set(LEVELS[State.CLOSED])

    def take(self, accounts: Mapping[str, Mapping[str, Any]], proven: Iterable[str]) -> None:
        """The accounts of Breakers.snapshot() there, and the names of those with a success since the process began there."""
        before, succeeded = self._accounts, frozenset(proven) & self._accounts.keys()
        now = {name: dict(accounts.get(name, account)) for name, account in before.items()}
        self._accounts = now
        for name, account in now.items():
            state = State(account["state"])
            is_news = state.value != before[name]["state"] or (state is State.CLOSED and name in succeeded - self._proven)
            if is_news and (state is not State.CLOSED or name in succeeded):
                self._changed(name, state, str(account.get("reason", "")))
        self._proven = set(succeeded)

    def states(self) -> dict[str, dict[str, Any]]:
        """{name: {"state"}}, the short account of /health."""
        return {name: {"state": account["state"]} for name, account in self._accounts.items()}

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """{name: the breaker's whole account}."""
        return {name: dict(account) for name, account in self._accounts.items()}

    def names(self, prefix: str = "") -> list[str]:
        """Names that start with the prefix."""
        return [name for name in self._accounts if name.startswith(prefix)]

    def unhealthy(self, prefix: str = "") -> list[str]:
        """Names, starting with the prefix, of those that are not closed."""
        return [name for name in self.names(prefix) if self._accounts[name]["state"] != State.CLOSED.value]
