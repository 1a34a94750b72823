"""The nightly backup: taken, verified, and old ones removed."""

from typing import Any, Final

from rpsd.jobs.job import Job, JobContext


def run(context: JobContext) -> dict[str, Any]:
    """Take a backup into backup.dir, then prune. The result is the backup's answer with the names of the `pruned`.

    Argument `once`: `yes` makes one that is fetched and removed by whoever asked for it.
    """
    backup, once = context.services.backup, context.args.get("once") == "yes"
    made: dict[str, Any] = backup.create(once=once, by=context.by, progress=context.progress, cancelled=context.cancelled)
    return made | {"pruned": backup.prune(by=context.by)}


BACKUP: Final = Job(
    "backup", "Take and verify a backup, then prune old ones.", lambda settings: settings.jobs.backup, run, arguments=("once",)
)
