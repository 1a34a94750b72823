"""`rpsd jobs`: what runs by itself: list, run now, cancel."""

from typing import Annotated, Any

import typer

from rpsd.cli.live import failure
from rpsd.cli.output import AsJson, ConfigFile, Progress, answer, pairs, table
from rpsd.cli.reach import load, reached
from rpsd.core.flat import flat

app = typer.Typer(name="jobs", help="List, run and cancel jobs.", no_args_is_help=True, rich_markup_mode=None)

_SHOWN = ("id", "name", "state", "done", "started", "seconds", "error", "message")


def told(run: dict[str, Any]) -> list[Any]:
    """A run in the columns of _SHOWN."""
    started, finished = (run.get(name) for name in ("started", "finished"))
    seconds = None
    if started and finished:
        from rpsd.core import instant

        seconds = round((instant.parse(finished) - instant.parse(started)) / 1e9, 2)
    done = f"{run['progress']:.0%}"
    return [run["id"], run["name"], run["state"], done, started, seconds, run.get("error_code"), run.get("message")]


@app.command("list")
def list_(
    name: Annotated[str | None, typer.Option("--name", help="Runs of this job only.")] = None,
    state: Annotated[str | None, typer.Option("--state", help="Runs in this state only.")] = None,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """List the latest runs, newest first."""
    with reached(load(config_file)) as here:
        runs = here.jobs(name, state)
    answer({"jobs": runs}, as_json, lambda: table(_SHOWN, [told(run) for run in runs], empty="No runs yet."))


@app.command()
def run(
    name: Annotated[str, typer.Argument(help="Job: retrain, upkeep, backup.")],
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it has finished.")] = False,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Run a job now."""
    with reached(load(config_file), worker=True) as here, Progress(name) as progress:
        found = here.run_job(name, {}, wait, progress)
    if error := failure(found):
        raise error
    answer(found, as_json, lambda: pairs([*zip(_SHOWN, told(found), strict=True), *flat(found.get("result") or {}, "result")]))


@app.command()
def cancel(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="As `rpsd jobs list` shows it.")],
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Cancel a run that is queued or running."""
    with reached(load(config_file)) as here:
        found = here.cancel_job(identifier)
    answer(found, as_json, lambda: pairs(list(zip(_SHOWN, told(found), strict=True))))
