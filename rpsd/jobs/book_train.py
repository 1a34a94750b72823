"""Training models of order books: all that serve and all books that are long enough, or the one asked for."""

import json
from typing import Any, Final

from rpsd.core.errors import RpsdError
from rpsd.jobs.job import Job, JobContext
from rpsd.jobs.trained import told
from rpsd.services.model import BOOK_JOB
from rpsd.services.queue import BY as BY_SCHEDULE


def run(context: JobContext) -> dict[str, Any]:
    """Fit the models one after the other; one that is refused does not stop the rest, and what serves goes on serving.

    Result: that of trained.told. By schedule models younger than books.retrain_interval are passed over; by hand none is.
    Args: {"model": "book:BTC-USDT:next_mid_move"} trains that one alone, and its error fails the run; `params` is a JSON text of
    BookParameters, the defaults without it.
    """
    training = context.services.book_training
    if (name := context.args.get("model")) is not None:
        params = json.loads(context.args.get("params") or "{}")
        trained = training.train(str(name), params, progress=context.progress, cancelled=context.cancelled, by=context.by)
        return told({str(name): trained})
    names = training.names(only_due=context.by == BY_SCHEDULE)
    outcomes: dict[str, dict[str, Any] | RpsdError] = {}
    for number, one in enumerate(names):
        context.go_on(number / len(names), f"{number} of {len(names)}")
        try:
            outcomes[one] = training.train(one, {}, cancelled=context.cancelled, by=context.by)
        except RpsdError as error:
            if context.cancelled():
                raise
            outcomes[one] = error
    return told(outcomes)


BOOK_TRAIN: Final = Job(
    BOOK_JOB, "Fit the models of the order books.", lambda settings: settings.jobs.retrain, run, arguments=("model", "params")
)
