"""`rpsd models decisions` and `rpsd models shadow`: what was decided about training, and how what serves has scored since."""

from typing import Annotated, Any

import typer

from rpsd.cli.models import Name
from rpsd.cli.output import AsJson, ConfigFile, answer, table
from rpsd.cli.reach import load, reached

_SHOWN = ("at", "model", "decision", "cause", "version", "reason")
_RIVAL = ("role", "version", "scored", "mean", "lead", "standard_error", "p", "since")


def decisions(
    model: Annotated[str | None, typer.Argument(help="Decisions about this model only.")] = None,
    decision: Annotated[
        str | None, typer.Option("--decision", help="Of this kind only: retrain, wait, skip, promote, keep or rollback.")
    ] = None,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """List the latest decisions about training models, with their reasons."""
    with reached(load(config_file)) as here:
        rows = here.decisions(model, decision)
    cells = [[row[column] for column in _SHOWN] for row in rows]
    answer({"decisions": rows}, as_json, lambda: table(_SHOWN, cells, empty="Nothing was decided yet; the job `retrain` decides at night."))


def shadow(name: Name, config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show how what serves has scored since its training, beside its predecessor and its challenger."""
    with reached(load(config_file)) as here:
        told = here.shadow(name)
    answer(told, as_json, lambda: _told(told))


def _told(found: dict[str, Any]) -> str:
    """A sentence about what serves, and a line for each rival; a positive lead is one over what served."""
    if not found["scored"]:
        return f"version {found['version']} of {found['name']} serves; nothing has come since its training that it could be scored on"
    head = f"version {found['version']} of {found['name']} serves: {found['mean']:.4f} {found['unit']} over {found['scored']}"
    rows = [[row.get(column) for column in _RIVAL] for row in found["rivals"]]
    return f"{head}\n\n{table(_RIVAL, rows, empty='There is no predecessor and no challenger to compare it with.')}"
