"""`rpsd config`: check the settings, show them with their origins, print the defaults."""

import typer

from rpsd.cli.output import AsJson, ConfigFile, answer, table
from rpsd.cli.reach import chosen, refuse_faults

app = typer.Typer(name="config", help="Check and show the settings.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def check(config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """Read the settings as the server would. Exit 78 with every fault when they cannot be used."""
    import os

    from rpsd.config import read, unused
    from rpsd.config.exposure import exposure_warnings

    settings = read(chosen(config_file), os.environ)
    refuse_faults(settings)
    warnings = exposure_warnings(settings)
    waiting = unused(settings)
    data = {
        "valid": True,
        "file": str(settings.path) if settings.path else None,
        "not_yet_in_use": [{"name": name, "waits_for": room} for name, room in waiting],
        "warnings": [{"place": warning.pointer, "reason": warning.reason} for warning in warnings],
    }
    lines = [f"{settings.path or 'no file, defaults'}: valid"]
    lines += [f"{settings.origin[name]}: {name}: not yet in use (waits for: {room})" for name, room in waiting]
    lines += [f"{warning.pointer}: {warning.reason}" for warning in warnings]
    answer(data, as_json, "\n".join(lines))


@app.command()
def show(config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """Print each effective value with its origin."""
    import os

    from rpsd.config import explain, read

    rows = explain(read(chosen(config_file), os.environ))
    data = [{"name": row.name, "value": row.value, "origin": row.origin} for row in rows]
    answer(data, as_json, lambda: table(("setting", "value", "origin"), [(row.name, row.text, row.origin) for row in rows], cut=False))


@app.command()
def defaults() -> None:
    """Print the settings file with every default, commented out."""
    from rpsd.config import render

    typer.echo(render(), nl=False)
