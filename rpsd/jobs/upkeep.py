"""The nightly upkeep of the database."""

from typing import Any, Final

from rpsd.jobs.job import Job, JobContext
from rpsd.services.upkeep import keep_trim


def run(context: JobContext) -> dict[str, Any]:
    """Result: how many rows or blocks each step touched; see keep_trim."""
    return keep_trim(context.services.database, context.services.clock(), context.go_on)


UPKEEP: Final = Job("upkeep", "Fold, compress and prune the database.", lambda settings: settings.jobs.upkeep, run)
