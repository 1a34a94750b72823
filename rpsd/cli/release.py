"""`rpsd release`: the releases on this machine, and how one takes over from another."""

from pathlib import Path
from typing import Annotated

import typer

from rpsd.cli.output import AsJson, ConfigFile, answer, pairs, table
from rpsd.cli.reach import keep_kernels, load, quiet

app = typer.Typer(
    name="release", help="List releases on this machine and switch between them.", no_args_is_help=True, rich_markup_mode=None
)

Home = Annotated[Path, typer.Option("--home", help="Where releases are installed.", hidden=True)]
Version = Annotated[str, typer.Argument(help="A version that is installed.")]
_HOME = Path("/opt/rpsd")


@app.command("list")
def list_(home: Home = _HOME, as_json: AsJson = False) -> None:
    """List the releases that are installed, and the latest switches."""
    from rpsd.release.place import Releases

    releases = Releases(home)
    now, before, switches = releases.current(), releases.previous(), releases.switches()
    marks = {now: "current", before: "previous"}
    rows = [{"version": version, "role": marks.get(version, "")} for version in releases.installed()]
    latest = [[switch.get(name) for name in ("t", "from", "to", "outcome", "reason")] for switch in switches[:-11:-1]]
    said = table(("version", "role"), [[row["version"], row["role"]] for row in rows], empty=f"No releases below {home}.")
    if latest:
        said += "\n\n" + table(("when", "from", "to", "outcome", "reason"), latest)
    answer({"current": now, "previous": before, "releases": rows, "switches": switches}, as_json, said)


@app.command()
def rollback(
    to: Annotated[str | None, typer.Option("--to", help="The version to go back to; else the one before.")] = None,
    home: Home = _HOME,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Go back to the release before. It is tried and watched like an upgrade; data of a newer layout are refused."""
    from rpsd.core.operations_errors import UnknownRelease
    from rpsd.release.place import Releases

    load(config_file)  # a fault of the settings is told first: with it no release would start
    version = to or Releases(home).previous()
    if version is None:
        raise UnknownRelease("no release has served before this one on this machine, or it has been removed")
    _switch(version, home, config_file, as_json)


@app.command()
def activate(version: Version, home: Home = _HOME, config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """Let an installed release take over: tried on a copy of the data, switched, watched, and rolled back when it does not serve."""
    _switch(version, home, config_file, as_json)


def _switch(version: str, home: Path, config_file: Path | None, as_json: bool) -> None:
    quiet()
    from rpsd.release.activate import Activation
    from rpsd.release.machine import Real
    from rpsd.release.place import Releases

    settings = load(config_file)
    say = (lambda words: typer.echo(f"rpsd: {words}", err=True)) if not as_json else (lambda _words: None)
    told = Activation(Releases(home), Real(settings), settings, version, say=say).run().as_dict()
    answer(told, as_json, lambda: pairs([(name, told[name]) for name in ("from", "to", "outcome", "seconds", "down_seconds", "reason")]))


@app.command(hidden=True)
def rehearse(snapshot: Path, config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """Serve a copy of a snapshot and ask it some questions. Part of a switch."""
    import os

    quiet()
    os.nice(10)  # the release that serves comes first
    settings = load(config_file)
    keep_kernels(settings)
    from rpsd.release.rehearsal import rehearse as tried

    told = tried(settings, snapshot)
    answer(told, as_json, lambda: pairs(list(told.items())))


@app.command(hidden=True)
def snapshot(
    probation: Annotated[bool, typer.Option("--probation", help="Have the next server hold its writes.")] = False,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Copy the data of a stopped server. Part of a switch."""
    quiet()
    from rpsd.services.backup.snapshot import snapshot_stopped
    from rpsd.services.probation import probation_file

    settings = load(config_file)
    told = snapshot_stopped(settings)
    if probation:
        probation_file(settings.storage.data_dir).touch(mode=0o600)
    answer(told, as_json, lambda: pairs(list(told.items())))


@app.command("put-back", hidden=True)
def put_back(snapshot: Path, config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """Put a snapshot in place of the data of a stopped server, and end its probation. Part of a switch."""
    quiet()
    from rpsd.services.backup.snapshot import put_back as put
    from rpsd.services.probation import probation_file

    settings = load(config_file)
    put(settings, snapshot)
    probation_file(settings.storage.data_dir).unlink(missing_ok=True)
    answer({"restored": str(snapshot)}, as_json, f"restored {snapshot}")
