"""Market data from the sources of the settings."""

from typing import Any, Final

from rpsd.jobs.job import Job, JobContext
from rpsd.services.outside.source import JOB
from rpsd.services.queue import BY as BY_SCHEDULE


def run(context: JobContext) -> dict[str, Any]:
    """Result: that of SourceService.fetch. By schedule a symbol that can have nothing new is not asked for; by hand each is.

    Args: {"source", "symbol"} narrow it down.
    """
    source, symbol = (None if context.args.get(name) is None else str(context.args[name]) for name in ("source", "symbol"))
    eager = context.by != BY_SCHEDULE
    return context.services.outside.source.fetch(source, symbol, eager=eager, progress=context.progress, cancelled=context.cancelled)


FETCH: Final = Job(
    JOB,
    "Pull market data from the sources.",
    lambda settings: settings.jobs.fetch if settings.sources else None,  # without sources there is nothing to do every 15 minutes
    run,
    arguments=("source", "symbol"),
)
