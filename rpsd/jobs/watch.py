"""The hourly watch over the models in production."""

from typing import Any, Final

from rpsd.jobs.job import Job, JobContext


def run(context: JobContext) -> dict[str, Any]:
    """Result: `scored` and `rolled_back` of services.watch.Watch.look, and how many old rows were dropped."""
    context.go_on(0.0, "scoring")
    watch = context.services.watch
    return watch.look(job=context.run_id, cancelled=context.cancelled) | {"pruned": watch.prune()}


WATCH: Final = Job("watch", "Score the models in production against predecessor and challenger.", lambda settings: settings.jobs.watch, run)
