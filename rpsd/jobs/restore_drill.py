"""The weekly restore drill: the newest backup is really restored, into scratch, opened as a server would, and asked what it knew."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from rpsd.config import Settings
from rpsd.core.errors import BadBackup, Cancelled, RpsdError
from rpsd.jobs.job import Job, JobContext

ALERT: Final = "restore_drill_failed"
_SUBJECT: Final = "backup"


def run(context: JobContext) -> dict[str, Any]:
    """Result: path, created, schema, rows, tables and series that were compared, seconds.

    The scratch lies in storage.cache_dir and needs as much room as the database. A failure raises the alert restore_drill_failed; the next
    drill that succeeds resolves it.
    """
    services = context.services
    try:
        answer = _drilled(context)
    except Cancelled:
        raise
    except RpsdError as error:
        services.alert.raise_(ALERT, _SUBJECT, "HIGH", f"The newest backup could not be restored: {error.detail} ({error.code})")
        raise
    services.backup.drilled(answer)
    services.alert.resolve(ALERT, _SUBJECT)
    return answer


def _drilled(context: JobContext) -> dict[str, Any]:
    import time

    from rpsd.services.backup.restore import restore
    from rpsd.services.backup.service import understood
    from rpsd.services.backup.workplace import workplace

    began, services = time.monotonic(), context.services
    file = services.backup.newest()
    manifest = understood(file)
    cache = services.settings.storage.cache_dir
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    with workplace(cache) as work:
        scratch = elsewhere(services.settings, work / "data")
        made = restore(scratch, file, by="restore_drill", progress=lambda share, words: context.go_on(0.8 * share, words))
        context.go_on(0.8, "asking what was restored")
        compared = _asked(scratch, manifest)
    kept = {name: made[name] for name in ("path", "created", "schema", "rows")}
    return kept | compared | {"seconds": round(time.monotonic() - began, 3)}


def _asked(scratch: Settings, manifest: dict[str, Any]) -> dict[str, int]:
    """Open the services on what was restored and hold their answers against the manifest. Raises BadBackup naming what differs."""
    from rpsd.services.backup.answers import digest, latest
    from rpsd.services.wiring import open_services

    known: dict[str, str] = manifest.get("answers", {})  # a backup of an earlier release has none
    with open_services(scratch, worker=False) as restored:
        for name, wanted in known.items():
            symbol, interval = name.split(" ")
            info = restored.series.require(symbol, interval)
            if digest(restored.series.read(symbol, interval, start_ns=latest(info))) != wanted:
                raise BadBackup(f"{name}: the restored rows are not those that were backed up")
        for name, versions in manifest.get("models", {}).items():
            found = {str(row["version"]) for row in restored.model.versions(name)}
            if missing := set(versions) - found:
                raise BadBackup(f"model {name}: version {min(missing)} was not restored")
        if not restored.access.verify_audit(None)["intact"]:
            raise BadBackup("the restored audit log does not hold together")
    return {"tables": len(manifest["tables"]), "series": len(known), "models": len(manifest.get("models", {}))}


def elsewhere(settings: Settings, directory: Path) -> Settings:
    """The same settings over a directory of its own, with nobody outside to speak to: what was restored must not send a message again."""
    storage = replace(settings.storage, data_dir=directory, cache_dir=directory / "cache", min_free_bytes=0)
    quiet = replace(settings.alerts, webhooks=())
    return replace(settings, storage=storage, alerts=quiet, sources={}, backup=replace(settings.backup, dir=directory / "backups"))


RESTORE_DRILL: Final = Job(
    "restore_drill", "Restore the newest backup into scratch and compare.", lambda settings: settings.jobs.restore_drill, run,
)  # fmt: skip
