"""`rpsd alerts`: what needs an operator, and whether the receivers of alerts can be reached."""

from typing import Annotated

import typer

from rpsd.cli.output import AsJson, ConfigFile, answer, table
from rpsd.cli.reach import load, reached
from rpsd.core.errors import SourceFailed

app = typer.Typer(name="alerts", help="List and resolve alerts, and test their receivers.", no_args_is_help=True, rich_markup_mode=None)

_SHOWN = ("id", "severity", "name", "subject", "state", "raised", "count", "detail")
_TESTED = ("receiver", "format", "address", "delivered", "seconds", "detail")


@app.command("list")
def list_(
    state: Annotated[str | None, typer.Option("--state", help="active or resolved; both when left out.")] = None,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """List the newest alerts."""
    with reached(load(config_file)) as here:
        rows = here.alerts(state)
    answer({"alerts": rows}, as_json, lambda: table(_SHOWN, [[row[name] for name in _SHOWN] for row in rows], empty="No alerts."))


@app.command()
def resolve(
    identifier: Annotated[int, typer.Argument(metavar="ID", min=1, help="As `rpsd alerts list` shows it.")],
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Say that an alert has been seen to."""
    with reached(load(config_file)) as here:
        found = here.resolve_alert(identifier)
    answer(found, as_json, f"resolved {found['name']} of {found['subject']}")


@app.command()
def test(config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """Send every receiver of the settings a test message. Exit 75 when one of them did not take it."""
    with reached(load(config_file)) as here:
        rows = here.test_alerts()
    empty = "alerts.webhooks names no receiver."
    answer({"receivers": rows}, as_json, lambda: table(_TESTED, [[row[name] for name in _TESTED] for row in rows], empty=empty))
    if lost := [row["receiver"] for row in rows if not row["delivered"]]:
        raise SourceFailed(
            f"{', '.join(lost)} did not take the message", hint="The table tells why; `rpsd config check` reads the settings."
        )
