"""The nightly retrain: the regime models of all daily series that are long enough and all that serve, or the one asked for."""

from typing import Any, Final

from rpsd.core.errors import RpsdError
from rpsd.jobs.job import Job, JobContext

_BY_SCHEDULE: Final = "scheduler"


def run(context: JobContext) -> dict[str, Any]:
    """Train the models in batches; one that is refused does not stop the rest, and what serves goes on serving.

    Result: `trained`, `promoted`, `failed` [{model, code, detail}], `models` [{name, version, stage, reason where it was kept back}]. By
    schedule models younger than regimes.retrain_interval are passed over; by hand none is.
    Args: {"model": "regime:AAPL:1d:3_state"} trains that one alone, whatever its length, and its error fails the run.
    """
    regime = context.services.regime
    if (name := context.args.get("model")) is not None:
        trained = regime.train(str(name), progress=context.progress, cancelled=context.cancelled, by=context.by)
        return _result({str(name): trained})
    names = regime.models_to_train(only_due=context.by == _BY_SCHEDULE)
    context.go_on(0.0, f"0 of {len(names)}")
    return _result(regime.train_many(names, progress=context.progress, cancelled=context.cancelled, by=context.by))


def _result(outcomes: dict[str, dict[str, Any] | RpsdError]) -> dict[str, Any]:
    trained = [one for one in outcomes.values() if not isinstance(one, RpsdError)]
    refused = {name: one for name, one in outcomes.items() if isinstance(one, RpsdError)}
    return {
        "trained": len(trained),
        "promoted": sum(one["promoted"] for one in trained),
        "failed": [{"model": name, "code": error.code, "detail": error.detail} for name, error in refused.items()],
        "models": [_brief(one) for one in trained],
    }


def _brief(model: dict[str, Any]) -> dict[str, Any]:
    """What the run's row keeps of a training; the card holds the rest."""
    brief = {key: model[key] for key in ("name", "version", "stage")}
    return brief if model["promoted"] else brief | {"reason": model["reason"]}


RETRAIN: Final = Job(
    "retrain", "Fit the regime models of all daily series.", lambda settings: settings.jobs.retrain, run, arguments=("model",)
)
