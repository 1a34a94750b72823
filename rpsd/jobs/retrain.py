"""The nightly retrain: a regime model for every daily series that is long enough, or for the one asked for."""

from typing import Any, Final

from rpsd.core.errors import Cancelled, RpsdError
from rpsd.jobs.job import Job, JobContext


def run(context: JobContext) -> dict[str, Any]:
    """Train each model; one that fails does not stop the rest. Result: `trained`, `failed` [{model, code, detail}], `models`.

    Args: {"model": "regime:AAPL:1d:3_state"} trains that one alone, whatever its length, and its error fails the run.
    """
    regime = context.services.regime
    if (name := context.args.get("model")) is not None:
        trained = regime.train(str(name), progress=context.progress, cancelled=context.cancelled, by=context.by)
        return {"trained": 1, "failed": [], "models": [_brief(trained)]}
    names = regime.series_to_train()
    models, failed = [], []
    for number, name in enumerate(names):
        context.go_on(number / len(names), name)

        def within(share: float, message: str, number: int = number, name: str = name) -> None:
            context.progress((number + share) / len(names), f"{name}: {message}")

        try:
            models.append(regime.train(name, progress=within, cancelled=context.cancelled, by=context.by))
        except Cancelled:
            raise
        except RpsdError as error:
            failed.append({"model": name, "code": error.code, "detail": error.detail})
    return {"trained": len(models), "failed": failed, "models": [_brief(model) for model in models]}


def _brief(model: dict[str, Any]) -> dict[str, Any]:
    """What the run's row keeps of a training; the card holds the rest."""
    return {key: model[key] for key in ("name", "version", "stage") if key in model}


RETRAIN: Final = Job(
    "retrain", "Fit the regime models of all daily series.", lambda settings: settings.jobs.retrain, run, arguments=("model",)
)
