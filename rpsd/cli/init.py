"""`rpsd init`: directories, the pepper and the first key; safe to repeat."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rpsd.cli.output import AsJson, ConfigFile, answer, pairs
from rpsd.cli.reach import chosen, load, reached, refuse_faults
from rpsd.core.errors import UnsafeStorage

if TYPE_CHECKING:
    from rpsd.config import Settings

ADMIN = "admin"
"""Name of the first key, which holds every scope."""


def init(
    data_dir: Annotated[Path | None, typer.Option("--data-dir", help="Directory for the data; else storage.data_dir.")] = None,
    lan: Annotated[
        list[str] | None,
        typer.Option("--lan", metavar="NAME", help="Serve the network over HTTPS by this host name or address; repeat it."),
    ] = None,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Make directories, secrets and the first admin key. What is there already stays as it is.

    With --lan also a self-signed certificate for the names, and the settings that open the server to the network.
    """
    from rpsd.cli.lan import begin_file, open_to_lan, settings_file, told

    flags = {"storage.data_dir": None if data_dir is None else data_dir.absolute()}
    file = settings_file(chosen(config_file)) if lan else None
    if file is not None:
        begin_file(file)
    settings = load(file or config_file, flags)
    prepare(settings)
    key = first_key(settings, ADMIN, ["admin"])
    data: dict[str, Any] = {
        "data_dir": str(settings.storage.data_dir),
        "config": None if settings.path is None else str(settings.path),
        "admin_key": key,
    }
    note = "Keep the key now: it is not shown again." if key else "An admin key exists already; `rpsd keys create` makes more."
    said = f"{pairs(list(data.items()))}\n{note}"
    if lan and file is not None:
        data["lan"] = open_to_lan(settings, lan, file)
        refuse_faults(load(file, flags))
        said += f"\n\n{told(data['lan'])}"
    answer(data, as_json, said)


def prepare(settings: "Settings") -> None:
    """Make the directories: 0700, the cache 0755. Raises UnsafeStorage when that is not possible."""
    try:
        for place in (settings.storage.data_dir, settings.storage.secrets_dir, settings.backup.dir):
            place.mkdir(0o700, parents=True, exist_ok=True)
        settings.storage.cache_dir.mkdir(0o755, parents=True, exist_ok=True)
    except OSError as error:
        hint = "Run it as the user who owns the directories (root for /var/lib/rpsd), or set RPSD_DATA_DIR."
        raise UnsafeStorage(f"{error.filename}: {error.strerror}", hint=hint) from error


def first_key(settings: "Settings", name: str, scopes: list[str]) -> str | None:
    """A new key of that name, or None when a usable one with admin scope exists."""
    from rpsd.core import instant

    now_ns = time.time_ns()
    with reached(settings) as here:
        rows = here.keys()
        for row in rows:
            expired = row.get("expires") is not None and instant.parse(row["expires"]) <= now_ns
            if "admin" in row["scopes"] and not row.get("revoked") and not expired:
                return None
        return str(here.create_key(name, scopes, None, None)["key"])
