"""The drift scan: every drift.interval, all models in production against what they were trained on."""

from typing import Any, Final

from rpsd.jobs.job import Job, JobContext
from rpsd.services.drift.service import JOB
from rpsd.services.queue import BY as BY_SCHEDULE


def run(context: JobContext) -> dict[str, Any]:
    """Scan all models in production, or those asked for; result: as DriftService.scan, and the ids of the jobs that train what is HIGH.

    By schedule those about which nothing has come since their last report are left alone; by hand none is.
    """
    drift, model = context.services.drift, context.args.get("model")
    names = drift.given(context.run_id) if model is None else [str(model)]
    only_new = context.by == BY_SCHEDULE
    told = drift.scan(names, progress=context.progress, cancelled=context.cancelled, only_new=only_new)
    return told | {"retraining": [job["id"] for job in context.services.retraining.after_scan()]}


DRIFT_SCAN: Final = Job(
    JOB,
    "Compare what models see and say with their training.",
    lambda settings: f"{settings.drift.interval:.3f}s",
    run,
    arguments=("model",),
    jitter=True,
)
