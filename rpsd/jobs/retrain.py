"""The nightly retrain: the regime models of all daily series that are long enough and all that serve, or the one asked for."""

from typing import Any, Final

from rpsd.jobs.job import Job, JobContext
from rpsd.jobs.trained import told
from rpsd.services.queue import BY as BY_SCHEDULE


def run(context: JobContext) -> dict[str, Any]:
    """Train the models in batches; one that is refused does not stop the rest, and what serves goes on serving.

    Result: that of trained.told. By schedule models younger than regimes.retrain_interval are passed over; by hand none is.
    Args: {"model": "regime:AAPL:1d:3_state"} trains that one alone, whatever its length, and its error fails the run.
    """
    regime = context.services.regime
    if (name := context.args.get("model")) is not None:
        trained = regime.train(str(name), progress=context.progress, cancelled=context.cancelled, by=context.by)
        return told({str(name): trained})
    names = regime.models_to_train(only_due=context.by == BY_SCHEDULE)
    context.go_on(0.0, f"0 of {len(names)}")
    return told(regime.train_many(names, progress=context.progress, cancelled=context.cancelled, by=context.by))


RETRAIN: Final = Job(
    "retrain", "Fit the regime models of all daily series.", lambda settings: settings.jobs.retrain, run, arguments=("model",)
)
