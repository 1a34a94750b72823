"""Retraining in words: what was decided about a model, what moved it, and why."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from rpsd.core import instant


class Choice(StrEnum):
    """What was decided: fit it, wait for something, nothing to do; and of a fit: it serves, it was kept back, its predecessor serves."""

    RETRAIN = "retrain"
    WAIT = "wait"
    SKIP = "skip"
    PROMOTE = "promote"
    KEEP = "keep"
    ROLLBACK = "rollback"


class Cause(StrEnum):
    """What moved it: the model's age, drift, new data, the schedule, somebody who asked, or how it scored since it serves."""

    AGE = "age"
    DRIFT = "drift"
    NEW_DATA = "new_data"
    SCHEDULE = "schedule"
    ASKED = "asked"
    LIVE_SCORE = "live_score"


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision about one model with its reason in a sentence.

    `version` is the one that came of it or that serves, `job` the run of the job that decided, `run` the one of the experiment that holds
    the fit; `id` and `at_ns` (UTC) are given when it is kept.
    """

    model: str
    choice: Choice
    cause: Cause
    reason: str
    version: int | None = None
    job: int | None = None
    run: str | None = None
    at_ns: int = 0
    id: int = 0

    def as_dict(self) -> dict[str, Any]:
        """JSON."""
        told = asdict(self) | {"at": instant.text(self.at_ns), "decision": self.choice.value, "cause": self.cause.value}
        return {name: told[name] for name in ("id", "at", "model", "decision", "cause", "reason", "version", "job", "run")}
