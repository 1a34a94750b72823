"""Rules of alerts in words: what of the metrics must hold, for how long, and what is said then."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

NOW: Final = ("max", "min", "sum", "age", "left")
"""Functions of what a metric says now: the largest, least or sum of its series; seconds since, or until, the moment that it tells."""
OVER: Final = ("rate", "ratio", "p50", "p90", "p95", "p99")
"""Functions of what happened in a window: growth a second; growth against another's; quantiles of a histogram."""


@dataclass(frozen=True, slots=True)
class Match:
    """What the value of a label must be, or with `negated` must not be: one of `choices`; a choice that ends in `*` is a beginning."""

    label: str
    choices: tuple[str, ...]
    negated: bool = False

    def admits(self, value: str) -> bool:
        """Whether a series with this value is meant.

        >>> Match("status", ("5*",)).admits("503"), Match("status", ("5*",), negated=True).admits("503")
        (True, False)
        """
        return _chosen(self.choices, value) is not self.negated


@lru_cache(8192)  # routes and codes come again at every look
def _chosen(choices: tuple[str, ...], value: str) -> bool:
    return any(value.startswith(choice[:-1]) if choice.endswith("*") else value == choice for choice in choices)


@dataclass(frozen=True, slots=True)
class Selector:
    """Series of one metric; those whose labels every match admits."""

    metric: str
    matches: tuple[Match, ...] = ()


@dataclass(frozen=True, slots=True)
class Condition:
    """`function` of the series, above or below the limit, for `windows` stretches of `window_seconds` in a row.

    `text` is how it was written. `whole` is what a ratio is taken of.
    """

    text: str
    function: str
    part: Selector
    above: bool
    limit: float
    windows: int = 1
    window_seconds: float = 0.0
    whole: Selector | None = None


@dataclass(frozen=True, slots=True)
class AlertRule:
    """One rule: what is raised about whom when the condition holds. `detail` is a sentence; `{value}` in it is what was measured.

    `least`: events that a window must hold, lest the first failure of a quiet night be half of all requests.
    """

    name: str
    alert: str
    subject: str
    severity: str
    condition: Condition
    detail: str
    least: int = 20
