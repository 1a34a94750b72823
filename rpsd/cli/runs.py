"""`rpsd runs`: experiments and their runs: list, look at, compare, export."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rpsd.cli.output import AsJson, ConfigFile, answer, pairs, table
from rpsd.cli.reach import load, reached
from rpsd.core.errors import InvalidRequest, UnknownRun

if TYPE_CHECKING:
    from rpsd.cli.live import Live
    from rpsd.cli.local import Local

app = typer.Typer(name="runs", help="List, show, compare and export runs of experiments.", no_args_is_help=True, rich_markup_mode=None)

_LISTED = ("id", "experiment", "name", "state", "owner", "started", "metrics")
_EXPERIMENTS = ("id", "name", "owner", "scope", "runs", "created", "description")
_DIGITS = 10
_WHOLE = 32

Experiment = Annotated[str | None, typer.Option("--experiment", help="Runs of this experiment only, by its id or name.")]


@app.command()
def experiments(config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """List the experiments, newest first."""
    with reached(load(config_file)) as here:
        rows = here.experiments()
    cells = [[row[column] for column in _EXPERIMENTS] for row in rows]
    answer({"experiments": rows}, as_json, lambda: table(_EXPERIMENTS, cells, empty="No experiments yet; every fit makes a run."))


@app.command("list")
def list_(
    experiment: Experiment = None,
    wanted: Annotated[str, typer.Option("--filter", help="For example \"metrics.gain > 0 and state = 'FINISHED'\".")] = "",
    order: Annotated[str, typer.Option("--order-by", help='For example "metrics.gain desc"; without it the newest come first.')] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many runs.")] = 20,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """List runs, newest first, or those that meet a search."""
    with reached(load(config_file)) as here:
        runs = here.runs(experiment, wanted, order, limit)
    answer({"runs": runs}, as_json, lambda: table(_LISTED, [_line(run) for run in runs], empty="No run meets this."))


def _line(run: dict[str, Any]) -> list[Any]:
    metrics = ", ".join(f"{name} {value:.4g}" for name, value in run["metrics"].items())
    return [run["id"][:_DIGITS], run["experiment"], run["name"], run["state"].lower(), run["owner"], run["started"], metrics]


Identifier = Annotated[str, typer.Argument(metavar="ID", help="A run's id, or its first digits.")]


def _whole(here: "Live | Local", identifier: str) -> str:
    """The id that these first digits name. Raises UnknownRun, InvalidRequest when several begin so."""
    if len(identifier) >= _WHOLE or not identifier.isalnum():
        return identifier
    found = here.runs(None, f"id like '{identifier.lower()}%'", "", 2)
    if len(found) > 1:
        raise InvalidRequest(f"several runs begin with {identifier}", hint="Give more digits.")
    if not found:
        raise UnknownRun(f"there is no run {identifier}")
    return str(found[0]["id"])


@app.command()
def show(identifier: Identifier, config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show a run: parameters, metrics, tags."""
    with reached(load(config_file)) as here:
        run = here.experiment_run(_whole(here, identifier))
    answer(run, as_json, lambda: _told(run))


def _told(run: dict[str, Any]) -> str:
    head = ("id", "name", "experiment", "state", "owner", "parent", "children", "started", "finished", "artifacts", "artifact_bytes")
    rows = [(name, run[name]) for name in head]
    rows += [(f"params.{name}", value) for name, value in run["params"].items()]
    rows += [(f"tags.{name}", value) for name, value in run["tags"].items()]
    if not run["summaries"]:
        return pairs(rows)
    columns = ("value", "step", "least", "greatest")
    metrics = [[name, *(told[column] for column in columns)] for name, told in run["summaries"].items()]
    return f"{pairs(rows)}\n\n{table(('metric', *columns), metrics)}"


@app.command()
def compare(
    identifiers: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of runs, or their first digits.")],
    every: Annotated[bool, typer.Option("--all", help="Also parameters that are the same in all runs.")] = False,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Put runs side by side: parameters that differ, and metrics."""
    with reached(load(config_file)) as here:
        found = here.compare_runs([_whole(here, one) for one in identifiers])
    answer(found, as_json, lambda: _side_by_side(found, every))


def _side_by_side(found: dict[str, Any], every: bool) -> str:
    headers = ("", *(run["id"][:_DIGITS] for run in found["runs"]))
    rows: list[list[Any]] = [["name", *(run["name"] for run in found["runs"])], ["state", *(run["state"].lower() for run in found["runs"])]]
    rows += [[f"params.{row['name']}", *row["values"]] for row in found["params"] if every or row["differs"]]
    rows += [[f"metrics.{row['name']}", *(_number(value) for value in row["values"])] for row in found["metrics"]]
    return table(headers, rows, cut=False)


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.6g}"


@app.command()
def export(
    experiment: Annotated[str, typer.Option("--experiment", help="The experiment, by its id or name.")],
    to: Annotated[Path, typer.Option("--to", file_okay=False, help="Directory that becomes, or already is, an MLflow file store.")],
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Write an experiment as an MLflow file store."""
    target = to.resolve()
    with reached(load(config_file)) as here:
        files = here.export_runs(experiment, target)
    told = {"directory": str(target), "files": files}
    answer(told, as_json, f"{files:,} files in {target}; MLFLOW_TRACKING_URI=file://{target} opens them")
