"""`rpsd models` and `rpsd retrain`: the model registry."""

from pathlib import Path
from typing import Annotated, Any

import typer

from rpsd.cli.book_card import evaluated
from rpsd.cli.live import failure
from rpsd.cli.output import AsJson, ConfigFile, Progress, answer, pairs, table
from rpsd.cli.reach import load, reached
from rpsd.core.flat import flat

app = typer.Typer(name="models", help="List and show models; choose the version that serves.", no_args_is_help=True, rich_markup_mode=None)

_LISTED = ("name", "version", "stage", "trained_from", "trained_until", "created")


@app.command("list")
def list_(config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """List the models with their newest version."""
    with reached(load(config_file)) as here:
        rows = here.models()
    cells = [[row.get(column) for column in _LISTED] for row in rows]
    answer({"models": rows}, as_json, lambda: table(_LISTED, cells, empty="No models yet; `rpsd retrain --all` trains them."))


Name = Annotated[str, typer.Argument(help="e.g. regime:^GSPC:1d:3_state, book:BTC-USDT:next_mid_move")]


@app.command()
def show(name: Name, config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show the card of a model: data window, evaluation, lineage."""
    with reached(load(config_file)) as here:
        card = here.model(name)
    answer(card, as_json, lambda: _card(card))


Reason = Annotated[str, typer.Option("--reason", help="Why; kept with the version and in the audit log.")]
Force = Annotated[bool, typer.Option("--force", help="Overrule the gate; audited.")]


@app.command()
def promote(
    name: Name,
    version: Annotated[int, typer.Argument(min=1)],
    reason: Reason,
    force: Force = False,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Put a stored version into production."""
    with reached(load(config_file)) as here:
        done = here.promote(name, version, reason, force)
    answer(done, as_json, lambda: _serving(done))


@app.command()
def rollback(
    name: Name,
    reason: Reason,
    version: Annotated[int | None, typer.Option("--to", min=1, help="The version; by default the newest below that has served.")] = None,
    force: Force = False,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Put a version that has served before back into production."""
    with reached(load(config_file)) as here:
        done = here.rollback(name, version, reason, force)
    answer(done, as_json, lambda: _serving(done))


@app.command()
def stage(
    name: Name,
    version: Annotated[int, typer.Argument(min=1)],
    to: Annotated[str, typer.Argument(metavar="STAGE", help="candidate, staging or archived; production is reached by promote.")],
    reason: Reason,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Put a version that does not serve into another stage."""
    with reached(load(config_file)) as here:
        done = here.move_model(name, version, to, reason)
    answer(done, as_json, lambda: f"version {done['version']} of {done['name']} is in stage {done['stage']}: {done['reason']}")


@app.command()
def alias(
    name: Name,
    alias: Annotated[str | None, typer.Argument(help="The alias to set or to drop; without it the aliases are listed.")] = None,
    version: Annotated[int | None, typer.Argument(min=1, help="The version that it is to stand for.")] = None,
    drop: Annotated[bool, typer.Option("--drop", help="Forget the alias.")] = False,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """List the aliases of a model, or set or drop one: champion always is what serves, challenger what would replace it."""
    if (alias is None) != (version is None and not drop) or (drop and version is not None):
        raise typer.BadParameter("give nothing to list, ALIAS VERSION to set, or ALIAS --drop")
    with reached(load(config_file)) as here:
        if alias is not None and drop:
            here.drop_alias(name, alias)
        elif alias is not None and version is not None:
            here.set_alias(name, alias, version)
        rows = here.aliases(name)
    columns = ("alias", "version", "set_by", "set")
    cells = [[row.get(column) for column in columns] for row in rows]
    answer({"aliases": rows}, as_json, lambda: table(columns, cells, empty="No aliases: no version serves or would replace it."))


@app.command()
def lineage(name: Name, config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show from which versions, data and runs a model came."""
    with reached(load(config_file)) as here:
        told = here.lineage(name)
    columns = ("version", "stage", "trained_from", "trained_until", "predecessor", "run", "data_fingerprint")
    cells = [[row.get(column) for column in columns] for row in told["chain"]]
    answer(told, as_json, lambda: table(columns, cells))


@app.command()
def export(
    name: Name,
    file: Annotated[Path, typer.Argument(help="The file to write, or a directory to put it into.")],
    version: Annotated[str, typer.Option("--version", help="Number or alias.")] = "champion",
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Write a version of a model to a file."""
    from rpsd.cli.model_files import write_whole

    with reached(load(config_file)) as here:
        data, digest = here.export_model(name, version)
    told = {"name": name, "file": str(write_whole(file, f"{name}_{version}", data)), "bytes": len(data), "digest": digest}
    answer(told, as_json, lambda: pairs(list(told.items())))


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A file that `rpsd models export` wrote; pickles and archives are never read.")],
    digest: Annotated[str, typer.Option("--digest", help="The SHA-256 that the file must have.")] = "",
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Register the model in a file as a candidate; it never serves before it has been evaluated here, or is forced."""
    from rpsd.cli.model_files import read_whole

    data = read_whole(file)
    with reached(load(config_file)) as here:
        made = here.import_model(data, digest)
    answer(made, as_json, lambda: f"version {made['version']} of {made['name']} is a candidate: {made['reason']}")


def _serving(version: dict[str, Any]) -> str:
    before = f", after version {version['predecessor']}" if version["predecessor"] else ""
    return f"version {version['version']} of {version['name']} serves{before}: {version['reason']}"


def _card(model: dict[str, Any]) -> str:
    """The card for people: names and values, then what is better read side by side: the states, or a book model's evaluation."""
    inner = dict(model.get("card") or {})
    if inner.get("kind") == "book":
        evaluation = inner.pop("evaluation")
        return f"{pairs(flat({**model, 'card': inner}))}\n\n{evaluated(evaluation)}"
    states = inner.pop("states", None)
    text = pairs(flat({**model, "card": inner}))
    if not states:
        return text
    headers = ("state", "alias", "confidence", "mean", "volatility", "lasts", "share", "episodes")
    names = ("label", "alias", "label_confidence", "mean", "volatility", "expected_duration", "occupancy", "episodes")
    return f"{text}\n\n{table(headers, [[state.get(name) for name in names] for state in states])}"


def retrain(
    model: Annotated[str | None, typer.Option("--model", help="Name of one model, e.g. regime:^GSPC:1d:3_state.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every daily series that is long enough, and every model in production.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it has finished.")] = False,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Train models now: with --all the regime models, by name also one of an order book."""
    if (model is None) != every:
        raise typer.BadParameter("give --model NAME or --all")
    arguments = {} if model is None else {"model": model}
    with reached(load(config_file), worker=True) as here, Progress("retrain") as progress:
        run = here.run_job("book_train" if model is not None and model.startswith("book:") else "retrain", arguments, wait, progress)
    if error := failure(run):
        raise error
    answer(run, as_json, lambda: trained(run))


def _why(model: dict[str, Any]) -> str:
    return f": {model['reason']}" if model.get("reason") else ""


def trained(run: dict[str, Any]) -> str:
    """What a retrain did, a line for each model; of a run that still waits or goes, where to look."""
    if (result := run.get("result")) is None:
        return f"run {run['id']} is {run['state']}; `rpsd jobs list` follows it"
    rows = [(model["name"], f"version {model['version']}, {model['stage']}{_why(model)}") for model in result["models"]]
    rows += [(fault["model"], f"failed: {fault['detail']} ({fault['code']})") for fault in result["failed"]]
    return pairs(rows) or "nothing is long enough to train on"
