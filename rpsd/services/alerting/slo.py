"""Service level objectives: how much of the budget of errors is left, and how fast it is being used up."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from rpsd.config import Settings
from rpsd.core.alert_rule import Match, Selector
from rpsd.services.alerting.defaults import UNWATCHED
from rpsd.services.alerting.look import Look
from rpsd.services.alerting.trail import Trail
from rpsd.telemetry import Metrics

PREDICT_ROUTES: Final = ("/predict", "/api/v1/predict")
_DAY_SECONDS: Final = 86_400
_PERIOD_DAYS: Final = 30
_LEAST_BAD: Final = 10
"""Failures of the long window below which nobody is woken: on a quiet machine one of them can be a large share."""
_P99: Final = 0.99


class Burn(NamedTuple):
    """A pair of windows, both of which must burn faster than `limit` times what the budget of 30 days allows.

    14.4 for an hour uses up 2 % of the budget, 6 for six hours 5 %. The short window ends the alert soon after the cause.
    Source: Beyer et al., The Site Reliability Workbook (2018), chapter 5, Multiwindow, Multi-Burn-Rate Alerts.
    """

    pace: str
    short: str
    long: str
    limit: float
    severity: str


BURNS: Final = (Burn("fast", "5m", "1h", 14.4, "HIGH"), Burn("slow", "30m", "6h", 6.0, "MEDIUM"))
"""An alert each, so that a fire that grows is told of anew."""
WINDOWS: Final[Mapping[str, int]] = {"5m": 300, "30m": 1800, "1h": 3600, "6h": 21_600}


@dataclass(frozen=True, slots=True)
class Objective:
    """`target` is the share of events that must be good; `count` tells good and all events since the process began."""

    name: str
    target: float
    count: Callable[[Look], tuple[float, float]]


def objectives(settings: Settings) -> tuple[Objective, ...]:
    """The three of monitoring.slo."""
    slo = settings.monitoring.slo
    predict = Selector("rpsd_http_request_duration_seconds", (Match("route", PREDICT_ROUTES),))
    fresh = Selector("rpsd_detect_fresh_seconds")
    return (
        Objective("availability", slo.availability, _available),
        Objective("predict_p99", _P99, lambda look: _within(look, predict, slo.predict_p99)),
        Objective("detect_fresh_p99", _P99, lambda look: _within(look, fresh, slo.detect_fresh_p99)),
    )


def _available(look: Look) -> tuple[float, float]:
    watched = Match("route", tuple(UNWATCHED.split("|")), negated=True)
    everything = look.total(Selector("rpsd_http_requests_total", (watched,)))
    failed = look.total(Selector("rpsd_http_requests_total", (watched, Match("status", ("5*",)))))
    return everything - failed, everything


def _within(look: Look, selector: Selector, seconds: float) -> tuple[float, float]:
    """Observations of at most so many seconds, and all; exact where the seconds are a bound of the buckets, else too strict."""
    limits, counts = look.buckets(selector)
    good = max((count for bound, count in zip(limits, counts, strict=True) if bound <= seconds), default=0.0)
    return good, (counts[-1] if counts else 0.0)


class Budget:
    """Good and all events of an objective by day, over 30 days; plain() of it can be stored and comes back as `stored`.

    Of what is stored nothing counts when a part of it cannot be read.
    """

    def __init__(self, stored: Any = None) -> None:
        self._days: dict[int, tuple[float, float]] = {}
        with suppress(AttributeError, TypeError, ValueError):
            self._days = {int(day): (float(good), float(every)) for day, (good, every) in (stored or {}).items()}
        self._last = (0.0, 0.0)

    def add(self, now: float, good: float, every: float) -> None:
        """Take in what the counters of the process say now (seconds since 1970)."""
        today = int(now // _DAY_SECONDS)
        before = self._days.get(today, (0.0, 0.0))
        self._days[today] = (before[0] + good - self._last[0], before[1] + every - self._last[1])
        self._last = (good, every)
        for day in [day for day in self._days if not today - _PERIOD_DAYS < day <= today + 1]:  # a clock that was wrong leaves none
            del self._days[day]

    def left(self, target: float) -> float:
        """Share of the budget that is left; 1 without any event, below 0 when it is overdrawn."""
        every = sum(day[1] for day in self._days.values())
        bad = every - sum(day[0] for day in self._days.values())
        return 1.0 - _burning(bad, every, target)

    def plain(self) -> dict[str, list[float]]:
        """In JSON terms."""
        return {str(day): list(counts) for day, counts in self._days.items()}


def _burning(bad: float, every: float, target: float) -> float:
    """Share of bad events in units of the share that is allowed; an objective of 1 allows nothing, and burns at a million times."""
    if not every or not bad:
        return 0.0
    return min(1e6, bad / every / (1.0 - target)) if target < 1 else 1e6


class Burning:
    """Follows one objective: sets its metrics, and says what is to be raised."""

    def __init__(self, objective: Objective, metrics: Metrics, born: float, stored: Any = None) -> None:
        self.objective = objective
        self.budget = Budget(stored)
        self._trail = Trail(WINDOWS["6h"], born)
        self._left = metrics.slo_error_budget_ratio.labels(objective.name)
        self._rates = {window: metrics.slo_burn_rate.labels(objective.name, window) for window in WINDOWS}
        self._left.set(self.budget.left(objective.target))

    def follow(self, look: Look) -> list[tuple[str, str, str | None]]:
        """For each pair of windows: subject, severity, and the sentence of the alert that is due or None."""
        good, every = self.objective.count(look)
        self._trail.add(look.now, (every - good, every))
        self.budget.add(look.now, good, every)
        self._left.set(self.budget.left(self.objective.target))
        grown = {window: self._trail.growth(look.now - seconds, look.now) for window, seconds in WINDOWS.items()}
        rates = {window: _burning(bad, total, self.objective.target) for window, (bad, total) in grown.items()}
        for window, rate in rates.items():
            self._rates[window].set(rate)
        return [(f"{self.objective.name}:{burn.pace}", burn.severity, self._sentence(burn, rates, grown[burn.long][0])) for burn in BURNS]

    def _sentence(self, burn: Burn, rates: Mapping[str, float], bad: float) -> str | None:
        if min(rates[burn.short], rates[burn.long]) <= burn.limit or bad < _LEAST_BAD:
            return None
        told = f"{self.objective.name} used up its budget of errors {rates[burn.long]:.3g} times as fast as allowed in the last {burn.long}"
        return f"{told}, and {rates[burn.short]:.3g} times in the last {burn.short}."
