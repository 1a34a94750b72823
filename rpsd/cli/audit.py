"""`rpsd audit`: the hash-chained log of what was done by whom."""

import json
from typing import Annotated, Any

import typer

from rpsd.cli.output import AsJson, ConfigFile, answer, table
from rpsd.cli.reach import load, reached
from rpsd.core.errors import CorruptData

app = typer.Typer(name="audit", help="Verify and list the audit log.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def verify(
    anchor: Annotated[
        str | None, typer.Option("--anchor", metavar="SEQ:HASH", help="An earlier end of the log, from the journal or a backup.")
    ] = None,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Check the chain of hashes. Exit 70 with the first bad row when it does not hold.

    A cut end, and a log that was written anew as a whole, only show against an earlier --anchor.
    """
    with reached(load(config_file)) as here:
        found = here.verify_audit(anchor)
    if (bad := found["first_bad_row"]) is not None:
        reached_anchor = anchor is not None and str(bad) == anchor.partition(":")[0].lstrip("0")
        at = f"row {bad} is not the one of the anchor: it or a row before it was changed, or it was cut off" if reached_anchor else ""
        raise CorruptData(at or f"the audit log is broken from row {bad} on")
    answer(found, as_json, f"the chain of {found['rows']:,} rows holds; anchor {found['anchor']}")


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many rows.")] = 50,
    action: Annotated[str | None, typer.Option("--action", help="Only this action and those below it: key finds key.create.")] = None,
    actor: Annotated[str | None, typer.Option("--actor", help="Only what this key id, cli, or job did.")] = None,
    since: Annotated[str | None, typer.Option("--since", help="Only from this moment on, ISO 8601 with offset.")] = None,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """List the latest rows."""
    with reached(load(config_file)) as here:
        rows = here.audit(limit, action, actor, since)
    headers = ("seq", "at", "actor", "action", "subject", "detail")
    cells = [[_brief(row[h]) if isinstance(row.get(h), dict) else row.get(h) for h in headers] for row in rows]
    answer({"audit": rows}, as_json, lambda: table(headers, cells))


def _brief(detail: dict[str, Any]) -> str:
    """The detail without JSON's marks and without what is null; --json has it whole."""
    return ", ".join(
        f"{name} {value if isinstance(value, str) else json.dumps(value)}" for name, value in detail.items() if value is not None
    )
