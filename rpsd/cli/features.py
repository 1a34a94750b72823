"""`rpsd features`: the catalogue, views of it, their rows computed, and what they say of a series."""

import csv
import io
from typing import Annotated, Any

import typer

from rpsd.cli.feature_reach import JOB
from rpsd.cli.live import failure
from rpsd.cli.output import AsJson, ConfigFile, Progress, answer, moment, pairs, table
from rpsd.cli.reach import load, reached

app = typer.Typer(
    name="features",
    help="List features and views, compute them, and read them point in time.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

View = Annotated[str, typer.Option("--view", help="View, or a version of it: core_technical@2.")]
Entity = Annotated[str, typer.Argument(help="Series: AAPL, or AAPL:1m.", metavar="SYMBOL[:INTERVAL]")]
AsOf = Annotated[str | None, typer.Option("--as-of", help="Only what was known then, with the values of then.")]
_DEFAULT = "core_technical"


@app.command("list")
def list_(config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """List the catalogue of features."""
    with reached(load(config_file)) as here:
        found = here.features.catalogue()
    headers = ("name", "unit", "lookback", "inputs", "summary")
    rows = [[one["name"], one["unit"], one["lookback"], " ".join(one["inputs"]), one["summary"]] for one in found]
    answer(found, as_json, lambda: table(headers, rows))


@app.command()
def views(config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """List the feature views, the newest version of each."""
    with reached(load(config_file)) as here:
        found = here.features.views()
    rows = [[one["name"], one["version"], len(one["features"]), one["lookback"], " ".join(one["inputs"])] for one in found]
    answer(found, as_json, lambda: table(("view", "version", "features", "lookback", "inputs"), rows))


@app.command()
def materialise(
    entity: Annotated[list[str] | None, typer.Argument(help="Series; else all with the columns.", metavar="[SYMBOL:INTERVAL]…")] = None,
    view: View = _DEFAULT,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Compute what is new of a view and wait for it; it is kept for these series from then on."""
    with reached(load(config_file)) as here, Progress("materialise") as progress:
        run = here.followed(JOB, here.features.submit(view, entity or None), progress)
    if error := failure(run):
        raise error
    answer(run, as_json, lambda: _done(run["result"]["views"]))


@app.command()
def vector(entity: Entity, view: View = _DEFAULT, as_of: AsOf = None, config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show the features of the last closed bar, or as of a moment."""
    with reached(load(config_file)) as here:
        found = here.features.vector(view, entity, as_of)
    answer(found, as_json, lambda: _told(found))


@app.command()
def frame(
    entity: Entity,
    view: View = _DEFAULT,
    start: Annotated[str | None, typer.Option("--start", help="First bar.")] = None,
    end: Annotated[str | None, typer.Option("--end", help="Last bar, inclusive.")] = None,
    as_of: AsOf = None,
    limit: Annotated[int, typer.Option("--limit", help="Most rows.", min=1, max=100_000)] = 10_000,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Print feature rows as CSV: each as it was known at its own moment, or all as of one."""
    with reached(load(config_file)) as here:
        found = here.features.frame(view, entity, start=start, end=end, as_of=as_of, limit=limit)
    answer(found, as_json, lambda: _csv(found))


def _done(views: dict[str, Any]) -> str:
    rows = [[name, one["series"], one["rows"], one["values"], len(one["skipped"])] for name, one in views.items()]
    reasons = [f"{one['entity']}: {one['reason']}" for told in views.values() for one in told["skipped"]]
    return "\n".join([table(("view", "series", "rows", "values", "skipped"), rows), *reasons])


def _told(found: dict[str, Any]) -> str:
    about = [
        ("entity", found["entity"]),
        ("view", f"{found['view']}@{found['version']}"),
        ("bar", moment(found["event_time"])),
        ("known", moment(found["known_time"])),
        ("quality", found["quality"]),
    ]
    faults = [f"{fault['feature']}: {fault['reason']}" for fault in found["faults"]]
    values = [(name, value if value is None else f"{value:.7g}") for name, value in found["features"].items()]  # prices need their cents
    return "\n".join([pairs([*about, *values]), *faults])


def _csv(found: dict[str, Any]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["t", "known_at", *found["features"]])
    writer.writerows(zip(found["t"], found["known_at"], *found["features"].values(), strict=True))
    return out.getvalue().rstrip("\n")
