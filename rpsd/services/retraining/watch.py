"""The watch over models in production: one that does worse than its predecessor would have is taken back."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from rpsd.config import Settings
from rpsd.core.errors import CorruptData, GateRefused, StateConflict, UnknownModel
from rpsd.core.market import SECOND_NS
from rpsd.core.retraining import Cause, Choice, Decision
from rpsd.services.retraining.shadow import PREDECESSOR, ShadowService
from rpsd.store import decision as decisions
from rpsd.store import score as scores
from rpsd.store.db import Database
from rpsd.store.score import SERVED, Row

if TYPE_CHECKING:
    from rpsd.services.model.service import ModelService
    from rpsd.telemetry import Metrics

ALERT: Final = "model_rollback"
BY: Final = "watch"
"""Who takes a version back, in the audit log."""

_BESIDE: Final = 0.05
"""Level of the test that trusts neither model, beside the bound on the likelihood ratio."""

Raise = Callable[[str, str, str, str], Any]
"""Raises an alert: name, subject, severity, detail."""


class Watch:
    """Scores what serves, and goes back to the predecessor where that has led beyond chance."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        metrics: "Metrics",
        *,
        model: "ModelService",
        shadow: ShadowService,
        alert: Raise,
        clock: Callable[[], int],
    ) -> None:
        self._settings, self._database, self._metrics, self._clock = settings, database, metrics, clock
        self._model, self._shadow, self._alert = model, shadow, alert

    def look(
        self, names: Sequence[str] | None = None, *, job: int | None = None, cancelled: Callable[[], bool] = lambda: False
    ) -> dict[str, Any]:
        """Score the models, all that serve unless they are named, and take back what did worse than its predecessor would have.

        Answer: `scored` how many there was something new of, `rolled_back` [{model, version, reason}]. A rollback is audited, kept among
        the decisions, and raises the alert model_rollback. Raises Cancelled, WorkerFailed, DeadlineExceeded.
        """
        wanted = list(self._model.serving()) if names is None else [name for name in names if name in self._model.serving()]
        found = self._shadow.score(wanted, cancelled=cancelled)
        taken_back = [done for name, rows in found.items() if (done := self._judged(name, rows, job)) is not None]
        return {"scored": len(found), "rolled_back": taken_back}

    def prune(self) -> int:
        """Drop decisions past models.retraining.keep_decisions and scores of models that no longer serve; how many rows."""
        before_ns = self._clock() - int(self._settings.models.retraining.keep_decisions * SECOND_NS)
        return sum(self._database.write(step).result() for step in (lambda c: decisions.prune(c, before_ns), scores.prune))

    def _judged(self, name: str, rows: Sequence[Row], job: int | None) -> dict[str, Any] | None:
        """The rollback, or None when nothing speaks for one, or when the version cannot serve."""
        rules = self._settings.models.watch
        row = next((one for one in rows if one.role == PREDECESSOR), None)
        if row is None or not rules.rollback or not is_ahead(row, rules.level):
            return None
        served = next(one for one in rows if one.version == SERVED)
        reason = _sentence(row, int(served.scores.by[-1]), "move" if name.startswith("book:") else "bar")
        try:
            done = self._model.rollback(name, row.version, reason, BY)
        except (StateConflict, GateRefused, CorruptData, UnknownModel):
            return None  # somebody was faster, or the version can no longer serve: what serves goes on
        decision = Decision(name, Choice.ROLLBACK, Cause.LIVE_SCORE, reason, int(done["version"]), job)
        now_ns = self._clock()
        self._database.write(lambda c: decisions.append(c, [decision], now_ns)).result()
        self._metrics.retrain_decisions_total.labels(decision.choice.value, decision.cause.value).inc()
        self._alert(ALERT, name, "HIGH", reason)
        return {"model": name, "version": done["version"], "reason": reason}


def is_ahead(row: Row, level: float) -> bool:
    """Whether the version leads what served beyond chance.

    Both must say so: the likelihood ratio passes 1 / level, which happens with no more than that probability, ever and however often one
    looks, while what serves foretells as well as can be; and the lead passes a test that trusts neither model, whose `p` is of both sides.
    Source: Ville (1939), Étude critique de la notion de collectif; Shafer (2021), JRSS A 184, 407-431; drift.score for the second.
    """
    p, lead = row.facts["p"], row.facts["lead"]
    if p is None or lead is None:
        return False
    return bool(lead * row.facts["scored"] >= math.log(1 / level) and p / 2 < _BESIDE)


def _sentence(row: Row, served: int, unit: str) -> str:
    facts = row.facts
    lead = f"version {row.version} would have done better by {facts['lead']:.4f} nats a {unit} over {facts['scored']} {unit}s"
    total = f"{facts['lead'] * facts['scored']:.1f} nats in all, p {facts['p'] / 2:.2g}"
    return f"since {facts['since']} {lead} than what served up to version {served} ({total})"
