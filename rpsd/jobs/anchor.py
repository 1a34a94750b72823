"""The hourly anchor of the audit log in the journal, which a thief of the database does not hold."""

from typing import Any, Final

from rpsd.jobs.job import Job, JobContext


def run(context: JobContext) -> dict[str, Any]:
    """Result: `seq` and `hash` of the last row."""
    return context.services.access.tell_anchor()


ANCHOR: Final = Job("anchor", "Tell the journal the end of the audit log, so that a cut shows.", lambda _settings: "1h", run)
