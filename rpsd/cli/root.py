"""The command `rpsd` before it has any commands."""

from typing import Annotated

import typer

from rpsd import __version__
from rpsd.cli.output import ConfigFile
from rpsd.cli.reach import remember


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rpsd {__version__}")
        raise typer.Exit


def application() -> typer.Typer:
    """A new one, with the options that stand before a command."""
    app = typer.Typer(
        name="rpsd",
        help="Denoised series, market regimes and an honest account of how far to trust them, served from one box.",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"max_content_width": 100},
    )
    app.callback()(root)
    return app


def root(
    config_file: ConfigFile = None,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,  # noqa: ARG001
) -> None:
    """Denoised series, market regimes and an honest account of how far to trust them, served from one box."""
    remember(config_file)
