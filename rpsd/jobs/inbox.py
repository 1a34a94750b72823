"""The files that were dropped into the inbox."""

from typing import Any, Final

from rpsd.jobs.job import Job, JobContext
from rpsd.services.inbox import JOB


def run(context: JobContext) -> dict[str, Any]:
    """Result: that of Inbox.sweep."""
    return context.services.inbox.sweep(context.go_on)


INBOX: Final = Job(JOB, "Import the files of the inbox.", lambda _settings: None, run)  # asked for when there are files
