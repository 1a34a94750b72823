"""Training models of order books: those that need it of all that serve and all books that are long enough, or the one asked for."""

import json
from typing import Any, Final

from rpsd.core.errors import RpsdError
from rpsd.core.retraining import Cause, Choice, Decision
from rpsd.jobs.job import Job, JobContext
from rpsd.jobs.retrain import counted
from rpsd.jobs.trained import told
from rpsd.services.model.service import BOOK_JOB
from rpsd.services.queue import BY as BY_SCHEDULE


def run(context: JobContext) -> dict[str, Any]:
    """Fit the models one after the other; one that is refused does not stop the rest, and what serves goes on serving.

    Result: that of trained.told. By schedule RetrainingService decides about each, and `decided` counts its decisions; by hand all are
    trained. Args: {"model": "book:BTC-USDT:next_mid_move"} trains that one alone, and its error fails the run; `params` is a JSON text of
    BookParameters, the defaults without it; {"cause": "drift"} trains those that the newest scan has found HIGH.
    """
    training, retraining, cause = context.services.book_training, context.services.retraining, context.args.get("cause")
    if (name := context.args.get("model")) is not None:
        return told({str(name): _one(context, str(name), json.loads(context.args.get("params") or "{}"))})
    names, plan = training.names(), dict[str, Decision]()
    if decides := cause is not None or context.by == BY_SCHEDULE:
        context.services.watch.look(names, job=context.run_id, cancelled=context.cancelled)
        plan = retraining.plan(names, job=context.run_id, only=None if cause is None else Cause(str(cause)))
        names = [name for name, decision in plan.items() if decision.choice is Choice.RETRAIN]
    outcomes: dict[str, dict[str, Any] | RpsdError] = {}
    for number, one in enumerate(names):
        context.go_on(number / len(names), f"{number} of {len(names)}")
        try:
            outcomes[one] = training.train(one, {}, cancelled=context.cancelled, by=context.by)
        except RpsdError as error:
            if context.cancelled():
                raise
            outcomes[one] = error
        retraining.tell({one: outcomes[one]}, plan, job=context.run_id)
    return told(outcomes) | ({"decided": counted(plan)} if decides else {})


def _one(context: JobContext, name: str, params: dict[str, Any]) -> dict[str, Any]:
    """The one model that was asked for. Raises what refuses it."""
    training, retraining = context.services.book_training, context.services.retraining
    try:
        trained = training.train(name, params, progress=context.progress, cancelled=context.cancelled, by=context.by)
    except RpsdError as error:
        retraining.tell({name: error}, {}, job=context.run_id)
        raise
    retraining.tell({name: trained}, {}, job=context.run_id)
    return trained


BOOK_TRAIN: Final = Job(
    BOOK_JOB,
    "Fit the models of the order books that need it.",
    lambda settings: settings.jobs.retrain,
    run,
    arguments=("model", "params", "cause"),
)
