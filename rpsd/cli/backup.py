"""`rpsd backup` and `rpsd restore`."""

from pathlib import Path
from typing import Annotated

import typer

from rpsd.cli.output import AsJson, ConfigFile, Progress, answer, pairs, table
from rpsd.cli.reach import load, quiet, reached
from rpsd.core.flat import flat

app = typer.Typer(name="backup", help="Take, list, verify and prune backups.", no_args_is_help=True, rich_markup_mode=None)

File = Annotated[Path, typer.Argument(help="A backup file.")]


@app.command()
def create(
    target: Annotated[Path | None, typer.Option("--to", help="File or directory to write; else backup.dir.")] = None,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Take a backup and verify it. The server goes on serving."""
    with reached(load(config_file)) as here, Progress("backup") as progress:
        found = here.create_backup(target, progress)
    answer(found, as_json, lambda: pairs(flat(found)))


@app.command("list")
def list_(config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """List the backups, newest first."""
    with reached(load(config_file)) as here:
        rows = here.backups()
    headers = ("created", "bytes", "schema", "version", "path")
    cells = [[row.get(h) for h in headers] for row in rows]
    answer({"backups": rows}, as_json, lambda: table(headers, cells, empty="No backups yet; `rpsd backup create` takes one.", cut=False))


@app.command()
def verify(file: File, config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """Check a backup file. Reads manifest, digests, database and block checksums; needs no server."""
    quiet()
    from rpsd.services.backup import service as backup

    found = backup.verify(file, load(config_file).storage.cache_dir)
    answer(found, as_json, lambda: pairs(flat(found)))


@app.command()
def prune(config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """Remove backups older than backup.keep_days. The newest always stays."""
    with reached(load(config_file)) as here:
        removed = here.prune_backups()
    answer({"pruned": removed}, as_json, "\n".join(removed) or "nothing to remove")


def restore(
    file: File,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, change nothing.")] = False,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Put a backup in place of the data. The server must be stopped; the data before are kept beside."""
    quiet()
    from rpsd.services.backup.restore import restore as put_back

    with Progress("restore") as progress:
        found = put_back(load(config_file), file, dry_run=dry_run, progress=progress)
    answer(found, as_json, lambda: pairs(flat(found)))
    if found["restored"] and found["previous"] and found["keys_ended"] is None:
        typer.echo("Which keys have ended since the backup could not be read: see `rpsd keys list`, and revoke them again.", err=True)
