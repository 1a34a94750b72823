"""Alerting: looks at the metrics every 15 s, and raises and resolves what the rules and objectives say."""

import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

from rpsd.config import Settings
from rpsd.core.errors import RpsdError
from rpsd.core.market import SECOND_NS
from rpsd.services.alert import AlertService
from rpsd.services.alerting.defaults import chosen
from rpsd.services.alerting.judging import Judge
from rpsd.services.alerting.look import Look
from rpsd.services.alerting.slo import BURNS, Burning, objectives
from rpsd.services.alerting.switches import Switches
from rpsd.store import setting
from rpsd.store.db import Database
from rpsd.telemetry import Metrics, logger

TICK_SECONDS: Final = 15.0
_REPEAT_SECONDS: Final = 3600.0
"""An alert that goes on is said again so often, which counts it up, and raises it anew when somebody resolved it by hand."""
_KEEP_SECONDS: Final = 300.0
"""Between two commits of what is left of the budgets; a crash forgets at most so much of them."""
_BUDGETS: Final = "slo_budgets"
_RULED: Final = (
    "http_errors", "slow_requests", "resource_high", "backup_old", "model_old", "source_stale", "slo_burn", "certificate_expiring",
    "upgrade_rolled_back", "rule",
)  # fmt: skip
"""Alerts that only this file raises."""


class AlertingService:
    """Made once the kernels are warm; begin() starts its thread, tick() is one look."""

    def __init__(
        self, settings: Settings, database: Database, metrics: Metrics, alert: AlertService, clock: Callable[[], int], switches: Switches
    ) -> None:
        self._database, self._metrics, self._alert, self._clock, self._switches = database, metrics, alert, clock, switches
        born = clock() / SECOND_NS - metrics.uptime()
        stored = database.read(lambda c: setting.find(c, _BUDGETS))
        self._judges = [Judge(rule, born) for rule in chosen(settings)]
        self._burning = [Burning(one, metrics, born, _of(stored, one.name)) for one in objectives(settings)]
        self._said: dict[tuple[str, str], float] = {}
        self._silent: set[tuple[str, str]] = set()
        self._kept = born
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._forget_others()

    def begin(self) -> None:
        """Look every 15 s until close()."""
        self._thread = threading.Thread(target=self._look_forever, name="alerting", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread, and keep what is left of the budgets."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5.0)
            self._guarded([self._keep])

    def tick(self) -> None:
        """Judge every rule and objective now; some milliseconds, more with many routes in use. A rule that fails stops no other."""
        look = Look(self._metrics, self._clock() / SECOND_NS)
        steps: list[Callable[[], None]] = [lambda judge=judge: self._apply(judge, look) for judge in self._judges]  # type: ignore[misc]
        steps += [lambda one=one: self._follow(one, look) for one in self._burning]  # type: ignore[misc]
        steps.append(lambda: self._look_at_switches(look))
        if not 0 <= look.now - self._kept < _KEEP_SECONDS:  # the clock may be set back
            steps.append(self._keep)
        self._guarded(steps)

    def _apply(self, judge: Judge, look: Look) -> None:
        rule, held = judge.rule, judge.holds(look)
        if held is not None:
            value = "" if judge.measured is None else f"{judge.measured:.4g}"
            self._say(look, rule.alert, rule.subject, (rule.severity, rule.detail.replace("{value}", value)) if held else None)

    def _follow(self, burning: Burning, look: Look) -> None:
        for subject, severity, sentence in burning.follow(look):
            self._say(look, "slo_burn", subject, None if sentence is None else (severity, sentence))

    def _look_at_switches(self, look: Look) -> None:
        told = self._switches.look(self._metrics)
        self._say(look, "upgrade_rolled_back", "release", None if told is None else ("HIGH", told))

    def _say(self, look: Look, name: str, subject: str, told: tuple[str, str] | None) -> None:
        """Raise with severity and sentence, or resolve; what has been said is not said again at each look."""
        key = (name, subject)
        if told is None:
            if key not in self._silent:  # after a start, what an earlier process raised may still stand
                self._alert.resolve(name, subject)
                self._silent.add(key)
                self._said.pop(key, None)
        elif not 0 <= look.now - self._said.get(key, -_REPEAT_SECONDS) < _REPEAT_SECONDS:
            self._alert.raise_(name, subject, *told)
            self._silent.discard(key)
            self._said[key] = look.now

    def _forget_others(self) -> None:
        """Resolve what was raised by rules that are no more."""
        subjects = {(judge.rule.alert, judge.rule.subject) for judge in self._judges}
        subjects |= {("slo_burn", f"{one.objective.name}:{burn.pace}") for one in self._burning for burn in BURNS} | {
            ("upgrade_rolled_back", "release")
        }
        for name in _RULED:
            for subject in self._alert.subjects(name):
                if (name, subject) not in subjects:
                    self._alert.resolve(name, subject)

    def _keep(self) -> None:
        told: dict[str, Any] = {one.objective.name: one.budget.plain() for one in self._burning}
        self._kept = self._clock() / SECOND_NS
        self._database.write(lambda c: setting.put(c, _BUDGETS, told)).result()

    def _guarded(self, steps: Sequence[Callable[[], None]]) -> None:
        for step in steps:
            try:
                step()
            except RpsdError as error:  # such as a full disk, which has alerts of its own
                logger(operation="alerting", error_code=error.code).warning(f"a rule could not be judged: {error.detail}")
            except Exception as error:  # noqa: BLE001 - the thread must outlive a fault in one rule: nothing else tells of the others
                logger(operation="alerting", error_code="internal_error").error(f"a rule could not be judged: {type(error).__name__}")

    def _look_forever(self) -> None:
        while not self._stop.wait(TICK_SECONDS):
            self.tick()


def _of(stored: Any, name: str) -> Any:
    return stored.get(name) if isinstance(stored, dict) else None
