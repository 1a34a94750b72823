"""The command `rpsd`: every group and command in one place."""

from typing import Annotated

import typer

from rpsd import __version__
from rpsd.cli import (
    audit,
    backup,
    books,
    config,
    demo,
    denoise,
    drift,
    features,
    fetch,
    health,
    init,
    jobs,
    keys,
    manual,
    models,
    predict,
    regimes,
    retraining,
    runs,
    series,
    serve,
)
from rpsd.cli.output import ConfigFile
from rpsd.cli.reach import remember

app = typer.Typer(
    name="rpsd",
    help="Denoised series, market regimes and an honest account of how far to trust them, served from one box.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"max_content_width": 100},
)
# in the order in which a newcomer meets them
for name, function in (
    ("demo", demo.demo),
    ("init", init.init),
    ("serve", serve.serve),
    ("health", health.health),
    ("denoise", denoise.denoise),
    ("regimes", regimes.regimes),
    ("predict", predict.predict),
    ("retrain", models.retrain),
    ("fetch", fetch.fetch),
    ("restore", backup.restore),
    ("manual", manual.manual),
):
    app.command(name)(function)
for group in (config, series, books, features, models, drift, runs, jobs, keys, backup, audit):
    app.add_typer(group.app)
models.app.command("decisions")(retraining.decisions)
models.app.command("shadow")(retraining.shadow)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rpsd {__version__}")
        raise typer.Exit


@app.callback()
def root(
    config_file: ConfigFile = None,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,  # noqa: ARG001
) -> None:
    """Denoised series, market regimes and an honest account of how far to trust them, served from one box."""
    remember(config_file)
