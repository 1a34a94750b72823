"""`rpsd backup` and `rpsd restore`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from rpsd.cli.output import AsJson, ConfigFile, Progress, answer, pairs, table
from rpsd.cli.reach import load, quiet, reached
from rpsd.core.flat import flat

app = typer.Typer(name="backup", help="Take, list, verify and prune backups.", no_args_is_help=True, rich_markup_mode=None)

File = Annotated[Path, typer.Argument(help="A backup file.")]


Identity = Annotated[Path | None, typer.Option("--identity", help="File with the private key of an .age backup.", show_default=False)]


@app.command()
def create(
    target: Annotated[str | None, typer.Option("--to", help="File or directory to write, - for stdout; else backup.dir.")] = None,
    recipient: Annotated[
        str | None, typer.Option("--encrypt-to", metavar="RECIPIENT", help="Encrypt to an age or SSH public key, or to a gpg key.")
    ] = None,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Take a backup and verify it. The server goes on serving."""
    from rpsd.cli.backup_target import STDOUT, deliver, refuse_early

    settings = load(config_file)
    refuse_early(recipient, target)
    with reached(settings) as here, Progress("backup") as progress:
        if target is None and recipient is None:
            found = here.create_backup(progress)
        else:
            with here.passing_backup(progress) as (facts, pieces):
                found = deliver(pieces, facts, target or str(settings.backup.dir), recipient)
    answer(found, as_json, lambda: pairs(flat(found)), err=target == STDOUT)


@app.command("list")
def list_(config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """List the backups, newest first."""
    with reached(load(config_file)) as here:
        rows = here.backups()
    headers = ("created", "bytes", "schema", "version", "state", "path")
    cells = [[_state(row) if h == "state" else row.get(h) for h in headers] for row in rows]
    answer({"backups": rows}, as_json, lambda: table(headers, cells, empty="No backups yet; `rpsd backup create` takes one.", cut=False))


def _state(row: dict[str, Any]) -> str:
    return "damaged" if "error_code" in row else f"encrypted ({row['encrypted']})" if "encrypted" in row else "complete"


@app.command()
def verify(file: File, identity: Identity = None, config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """Check a backup file. Reads manifest, digests, database and block checksums; needs no server."""
    quiet()
    from rpsd.services.backup import service as backup
    from rpsd.services.backup.sealing import plain

    scratch = load(config_file).storage.cache_dir
    with plain(file, identity, scratch) as readable, Progress("verify") as progress:
        found = backup.verify(readable, scratch, progress) | {"path": str(file)}
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
    identity: Identity = None,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Put a backup in place of the data. The server must be stopped; the data before are kept beside."""
    quiet()
    from rpsd.services.backup.restore import restore as put_back
    from rpsd.services.backup.sealing import plain

    settings = load(config_file)
    with plain(file, identity, settings.storage.cache_dir) as readable, Progress("restore") as progress:
        found = put_back(settings, readable, dry_run=dry_run, progress=progress) | {"path": str(file)}
    answer(found, as_json, lambda: pairs(flat(found)))
    if found["restored"] and found["previous"] and found["keys_ended"] is None:
        typer.echo("Which keys have ended since the backup could not be read: see `rpsd keys list`, and revoke them again.", err=True)
