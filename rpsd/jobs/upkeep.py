"""The nightly upkeep of the database."""

from typing import Any, Final

from rpsd.core.market import SECOND_NS
from rpsd.jobs.job import Job, JobContext
from rpsd.services.upkeep import keep_trim


def run(context: JobContext) -> dict[str, Any]:
    """Result: how many rows or blocks each step touched; see keep_trim, drop_old and AccessService.upkeep."""
    services = context.services
    tapes_ns = int(services.settings.books.retention * SECOND_NS)
    keep = services.settings.models.keep
    done = keep_trim(services.database, services.clock(), context.go_on, tapes_ns=tapes_ns, keep_versions=keep)
    if kept := services.settings.storage.retention:
        from rpsd.services.retention import drop_old

        done |= drop_old(services.database, kept, services.clock(), context.go_on)
    return done | services.access.upkeep()


UPKEEP: Final = Job("upkeep", "Fold, compress and prune the database.", lambda settings: settings.jobs.upkeep, run)
