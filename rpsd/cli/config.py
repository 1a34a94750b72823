"""`rpsd config`: check the settings, show them with their origins, print the defaults, take over those of earlier systems."""

from pathlib import Path
from typing import Annotated

import typer

from rpsd.cli.output import AsJson, ConfigFile, answer, table
from rpsd.cli.reach import chosen, refuse_faults

app = typer.Typer(name="config", help="Check and show the settings.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def check(
    outbound: Annotated[str, typer.Option("--outbound", help="self or unit, as of `rpsd serve`.")] = "self",
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Read the settings as the server would. Exit 78 with every fault when they cannot be used."""
    import os

    from rpsd.config import read, unused
    from rpsd.config.exposure import exposure_warnings
    from rpsd.config.listening import is_of_service, listening_faults
    from rpsd.config.read import refused

    settings = read(chosen(config_file), os.environ)
    refuse_faults(settings, distant=outbound == "unit")
    if is_of_service(settings) and (faults := listening_faults(settings)):
        raise refused(faults)
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
def defaults(as_json: AsJson = False) -> None:
    """Print the settings file with every default, commented out."""
    from rpsd.config import render

    text = render()
    answer({"settings": text}, as_json, text.removesuffix("\n"))


@app.command("import-env")
def import_env(
    file: Annotated[Path, typer.Argument(help="The .env file of an earlier system.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Settings file to write; it must not exist.")] = Path("config.yaml"),
    secrets: Annotated[
        Path | None, typer.Option("--secrets", help="Directory for files that hold secrets (0600); default: secrets beside the output.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the settings and secrets of an earlier system's environment file as rpsd reads them. Nothing is overwritten."""
    from rpsd.cli.takeover import written_new
    from rpsd.config import predecessor

    place = (output.parent / "secrets" if secrets is None else secrets).absolute()
    found = predecessor.import_env(text_of(file), str(file))
    files = {place / name: (text, 0o600) for name, text in found.secrets.items()}
    written_new(files | {output: (predecessor.written(found, file.name, place), 0o640)})
    data = {"config": str(output), "names": [dict(row) for row in found.rows], "credentials": [str(path) for path in files]}
    headers = ("name", "fate", "setting", "detail")
    lines = [table(headers, [[row[h] for h in headers] for row in found.rows], empty=f"{file} names nothing.", cut=False), ""]
    lines += [f"wrote {path}" for path in (output, *files)]
    answer(data, as_json, "\n".join(lines))


@app.command()
def migrate(
    file: Annotated[Path, typer.Argument(help="The settings file of an earlier system.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write; it must not exist. Default: print it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write out an earlier system's settings file so that it keeps its meaning: method wavelet, and the guardrails it knew."""
    from rpsd.cli.takeover import written_new
    from rpsd.config import predecessor, read

    theirs = text_of(file)
    read(file, {})  # it must be one that rpsd accepts as it is
    text, added = predecessor.migrated(theirs, str(file))
    if output is None:
        answer({"settings": text, "added": list(added), "config": None}, as_json, text.removesuffix("\n"))
        return
    written_new({output: (text, 0o640)})
    lines = [f"wrote {output}", *(f"added {one}" for one in added)]
    answer({"settings": text, "added": list(added), "config": str(output)}, as_json, "\n".join(lines))


def text_of(file: Path) -> str:
    """The text of a small file. Raises UnknownFile, InvalidRequest when it is not UTF-8 or longer than a MiB."""
    from rpsd.config.document import MOST_BYTES
    from rpsd.core.errors import InvalidRequest, UnknownFile

    if file.exists() and not file.is_file():
        raise UnknownFile(f"{file} is not a regular file", hint="Put it into a file; it is read more than once.")
    try:
        with file.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise UnknownFile(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{file} is not UTF-8") from error
    if len(data) > MOST_BYTES:
        raise InvalidRequest(f"{file} is larger than {MOST_BYTES} bytes")
    return text
