"""The nightly retrain: the regime models that need it among those of all daily series that are long enough and all that serve."""

from typing import Any, Final

from rpsd.core.errors import RpsdError
from rpsd.core.retraining import Cause, Choice, Decision
from rpsd.jobs.job import Job, JobContext
from rpsd.jobs.trained import told
from rpsd.services.queue import BY as BY_SCHEDULE
from rpsd.services.regime.live import BY_STALE


def run(context: JobContext) -> dict[str, Any]:
    """Train the models in batches; one that is refused does not stop the rest, and what serves goes on serving.

    Result: that of trained.told. By schedule the models in production are scored first, so that no bar is trained on before it has
    judged what served; then RetrainingService decides about each, and `decided` counts its decisions. By hand all are trained.
    Args: {"model": "regime:AAPL:1d:3_state"} trains that one alone, whatever its length, and its error fails the run; {"cause": "drift"}
    trains those that the newest scan has found HIGH, as far as backoff and budget allow.
    """
    regime, retraining, cause = context.services.regime, context.services.retraining, context.args.get("cause")
    if (name := context.args.get("model")) is not None:
        return told(_one(context, str(name)))
    names, plan = regime.models_to_train(), dict[str, Decision]()
    if decides := cause is not None or context.by == BY_SCHEDULE:
        context.services.watch.look(names, job=context.run_id, cancelled=context.cancelled)
        plan = retraining.plan(names, job=context.run_id, only=None if cause is None else Cause(str(cause)))
        names = [name for name, decision in plan.items() if decision.choice is Choice.RETRAIN]
    context.go_on(0.0, f"0 of {len(names)}")
    outcomes = regime.train_many(names, progress=context.progress, cancelled=context.cancelled, by=context.by)
    retraining.tell(outcomes, plan, job=context.run_id)
    return told(outcomes) | ({"decided": counted(plan)} if decides else {})


def counted(plan: dict[str, Decision]) -> dict[str, int]:
    """How many models were decided about, by what was decided."""
    return {choice.value: sum(one.choice is choice for one in plan.values()) for choice in (Choice.RETRAIN, Choice.WAIT, Choice.SKIP)}


def _one(context: JobContext, name: str) -> dict[str, dict[str, Any] | RpsdError]:
    """The one model that was asked for; one that an answer found old waits as all others do. Raises what refuses it."""
    regime, retraining = context.services.regime, context.services.retraining
    if context.by == BY_STALE and retraining.plan([name], job=context.run_id)[name].choice is not Choice.RETRAIN:
        return {}
    try:
        trained = regime.train(name, progress=context.progress, cancelled=context.cancelled, by=context.by)
    except RpsdError as error:
        retraining.tell({name: error}, {}, job=context.run_id)
        raise
    retraining.tell({name: trained}, {}, job=context.run_id)
    return {name: trained}


RETRAIN: Final = Job(
    "retrain", "Fit the regime models that need it.", lambda settings: settings.jobs.retrain, run, arguments=("model", "cause")
)
