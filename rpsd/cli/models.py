"""`rpsd models` and `rpsd retrain`: the model registry."""

from typing import Annotated, Any

import typer

from rpsd.cli.live import failure
from rpsd.cli.output import AsJson, ConfigFile, Progress, answer, pairs, table
from rpsd.cli.reach import load, reached

app = typer.Typer(name="models", help="List and show models.", no_args_is_help=True, rich_markup_mode=None)

_LISTED = ("name", "version", "stage", "trained_from", "trained_until", "created")


@app.command("list")
def list_(config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """List the models with their newest version."""
    with reached(load(config_file)) as here:
        rows = here.models()
    cells = [[row.get(column) for column in _LISTED] for row in rows]
    answer({"models": rows}, as_json, lambda: table(_LISTED, cells, empty="No models yet; `rpsd retrain --all` trains them."))


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="e.g. regime:^GSPC:1d:3_state")], config_file: ConfigFile = None, as_json: AsJson = False
) -> None:
    """Show the card of a model: data window, evaluation, lineage."""
    with reached(load(config_file)) as here:
        card = here.model(name)
    answer(card, as_json, lambda: pairs(list(flat(card))))


def flat(value: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """Nested JSON as dotted names; lists of plain values on one line."""
    if isinstance(value, dict):
        return [row for key, child in value.items() for row in flat(child, f"{prefix}.{key}" if prefix else str(key))]
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return [row for number, child in enumerate(value) for row in flat(child, f"{prefix}.{number}")]
    if prefix.endswith("_ns") and isinstance(value, int):
        from rpsd.core import instant

        return [(prefix.removesuffix("_ns"), instant.text(value))]
    return [(prefix, ", ".join(map(str, value)) if isinstance(value, list) else value)]


def retrain(
    model: Annotated[str | None, typer.Option("--model", help="Name of one model, e.g. regime:^GSPC:1d:3_state.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every daily series that is long enough.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it has finished.")] = False,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Train regime models now."""
    if (model is None) != every:
        raise typer.BadParameter("give --model NAME or --all")
    arguments = {} if model is None else {"model": model}
    with reached(load(config_file), worker=True) as here, Progress("retrain") as progress:
        run = here.run_job("retrain", arguments, wait, progress)
    if error := failure(run):
        raise error
    rows = [(column, run.get(column)) for column in ("id", "state", "message")]
    answer(run, as_json, lambda: pairs(rows + list(flat(run.get("result") or {}))))
