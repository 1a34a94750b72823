"""`rpsd audit`: the hash-chained log of what was done by whom."""

import json
from typing import Annotated, Any

import typer

from rpsd.cli.output import AsJson, ConfigFile, answer, table
from rpsd.cli.reach import load, reached
from rpsd.core.errors import CorruptData

app = typer.Typer(name="audit", help="Verify and list the audit log.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def verify(config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """Check the chain of hashes. Exit 70 with the first bad row when it does not hold."""
    with reached(load(config_file)) as here:
        found = here.verify_audit()
    if found["first_bad_row"] is not None:
        raise CorruptData(f"the audit log is broken from row {found['first_bad_row']} on")
    answer(found, as_json, f"the chain of {found['rows']:,} rows holds")


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many rows.")] = 50,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """List the latest rows."""
    with reached(load(config_file)) as here:
        rows = here.audit(limit)
    headers = ("seq", "at", "actor", "action", "subject", "detail")
    cells = [[_brief(row[h]) if isinstance(row.get(h), dict) else row.get(h) for h in headers] for row in rows]
    answer({"audit": rows}, as_json, lambda: table(headers, cells))


def _brief(detail: dict[str, Any]) -> str:
    """The detail without JSON's marks and without what is null; --json has it whole."""
    return ", ".join(
        f"{name} {value if isinstance(value, str) else json.dumps(value)}" for name, value in detail.items() if value is not None
    )
