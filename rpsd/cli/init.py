"""`rpsd init`: directories, the pepper and the first key; safe to repeat."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rpsd.cli.output import AsJson, ConfigFile, answer, pairs
from rpsd.cli.reach import load, reached
from rpsd.core.errors import UnsafeStorage

if TYPE_CHECKING:
    from rpsd.config import Settings

ADMIN = "admin"
"""Name of the first key, which holds every scope."""


def init(
    data_dir: Annotated[Path | None, typer.Option("--data-dir", help="Directory for the data; else storage.data_dir.")] = None,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Make directories, secrets and the first admin key. What is there already stays as it is."""
    settings = load(config_file, {"storage.data_dir": None if data_dir is None else data_dir.absolute()})
    prepare(settings)
    key = first_key(settings, ADMIN, ["admin"])
    data: dict[str, Any] = {
        "data_dir": str(settings.storage.data_dir),
        "config": None if settings.path is None else str(settings.path),
        "admin_key": key,
    }
    note = "Keep the key now: it is not shown again." if key else "An admin key exists already; `rpsd keys create` makes more."
    answer(data, as_json, lambda: f"{pairs(list(data.items()))}\n{note}")


def prepare(settings: "Settings") -> None:
    """Make the directories: 0700, the cache 0755. Raises UnsafeStorage when that is not possible."""
    try:
        for place in (settings.storage.data_dir, settings.storage.secrets_dir, settings.backup.dir):
            place.mkdir(0o700, parents=True, exist_ok=True)
        settings.storage.cache_dir.mkdir(0o755, parents=True, exist_ok=True)
    except OSError as error:
        hint = "Run it as the user who owns the directories (root for /var/lib/rpsd), or set RPSD_DATA_DIR."
        raise UnsafeStorage(f"{error.filename}: {error.strerror}", hint=hint) from error


def write_secret(file: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    partial = file.with_name(f"{file.name}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        stream.write(text + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(file)


def first_key(settings: "Settings", name: str, scopes: list[str]) -> str | None:
    """A new key of that name, or None when a usable one with admin scope exists."""
    with reached(settings) as here:
        keys = here.keys()
        if any("admin" in row["scopes"] and not row.get("revoked") for row in keys):
            return None
        return str(here.create_key(name, scopes, None, None)["key"])
