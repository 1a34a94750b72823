"""The newest backup, brought to another place."""

from typing import Any, Final

from rpsd.config import Settings
from rpsd.jobs.job import Job, JobContext
from rpsd.services.outside.errand import OFFSITE as NAME


def run(context: JobContext) -> dict[str, Any]:
    """Result: that of Offsite.copy; by hand too a backup that is there already is not copied again."""
    return context.services.offsite.copy(progress=context.progress, cancelled=context.cancelled)


def _schedule(settings: Settings) -> str | None:
    """Each hour: a place that was away is tried again soon. Without a place there is nothing to do."""
    return "1h" if settings.backup.offsite.dir is not None or settings.backup.offsite.command else None


OFFSITE: Final = Job(NAME, "Copy the newest backup to another place.", _schedule, run, jitter=True)
