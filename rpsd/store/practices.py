"""What every connection must hold before a byte is trusted to it: set one by one, then read back."""

from importlib import resources
from pathlib import Path
from typing import Any, Final

import apsw

from rpsd.core.errors import NewerSchema, UnsafeStorage

Connection = apsw.Connection

APPLICATION_ID: Final = 0x52505344
"""The letters RPSD in the file's header."""
LEAST_SQLITE: Final = (3, 51, 3)
"""Older ones carry a WAL-reset race that can corrupt a database."""

Practice = tuple[str, str, str | int]
"""PRAGMA name, value to set, value that must be read back."""

WRITER: Final[tuple[Practice, ...]] = (
    ("auto_vacuum", "incremental", 2),
    ("journal_mode", "wal", "wal"),
    ("synchronous", "full", 2),
    ("fullfsync", "on", 1),
    ("checkpoint_fullfsync", "on", 1),
    ("foreign_keys", "on", 1),
    ("trusted_schema", "off", 0),
    ("cell_size_check", "on", 1),
    ("recursive_triggers", "on", 1),
    ("busy_timeout", "10000", 10000),
    ("wal_autocheckpoint", "0", 0),  # the writer checkpoints itself, after it has answered
    ("journal_size_limit", "67108864", 67108864),
    ("temp_store", "memory", 2),
    ("cache_size", "-16384", -16384),
)
READER: Final[tuple[Practice, ...]] = (
    ("journal_mode", "", "wal"),
    ("query_only", "on", 1),
    ("foreign_keys", "on", 1),
    ("trusted_schema", "off", 0),
    ("cell_size_check", "on", 1),
    ("busy_timeout", "10000", 10000),
    ("cache_size", "-8192", -8192),
)


def refuse_old_sqlite(version: str) -> None:
    """Raises UnsafeStorage when the SQLite of this version is older than LEAST_SQLITE."""
    if tuple(int(part) for part in version.split(".")[:3]) < LEAST_SQLITE:
        raise UnsafeStorage(f"SQLite {version} is older than {'.'.join(map(str, LEAST_SQLITE))}")


def connect(path: Path, practices: tuple[Practice, ...]) -> Connection:
    """A connection that holds the practices. Raises UnsafeStorage naming the first PRAGMA that does not stick."""
    reading = ("query_only", "on", 1) in practices
    flags = apsw.SQLITE_OPEN_READONLY if reading else apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    connection = Connection(str(path), flags=flags)
    try:
        apply(connection, practices)
    except BaseException:
        connection.close()
        raise
    return connection


def apply(connection: Connection, practices: tuple[Practice, ...]) -> None:
    """Set every practice and read it back. Raises UnsafeStorage on the first mismatch."""
    for option in (apsw.SQLITE_DBCONFIG_DQS_DML, apsw.SQLITE_DBCONFIG_DQS_DDL):
        connection.config(option, 0)
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
    for name, value, wanted in practices:
        if value:
            connection.execute(f"PRAGMA {name} = {value}").fetchall()
        found = connection.execute(f"PRAGMA {name}").fetchall()[0][0]
        if found != wanted:
            raise UnsafeStorage(f"PRAGMA {name} is {found!r} where {wanted!r} is needed")


def migrations() -> tuple[str, ...]:
    """The SQL of every migration, in order; number n lifts the schema from n - 1 to n."""
    folder = resources.files("rpsd.store") / "sql"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return tuple(file.read_text(encoding="utf-8") for file in files)


def pragma(connection: Connection, name: str) -> int:
    """An integer PRAGMA of this name."""
    rows: list[tuple[Any, ...]] = connection.execute(f"PRAGMA {name}").fetchall()
    return int(rows[0][0])


def refuse_foreign(connection: Connection, steps: tuple[str, ...]) -> int:
    """The file's schema number, before anything is written to it.

    Raises NewerSchema when it is ahead of steps, UnsafeStorage when the file is not a database of rpsd.
    """
    application, version = pragma(connection, "application_id"), pragma(connection, "user_version")
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()[0][0]
    if application != APPLICATION_ID and (application or version or tables):
        raise UnsafeStorage(f"the file is of another application ({application:#x})", hint="Choose an empty storage.data_dir.")
    if version > len(steps):
        raise NewerSchema(f"schema {version} is newer than {len(steps)}, the newest that this release knows")
    return version


def migrate(connection: Connection, steps: tuple[str, ...]) -> int:
    """Lift the schema to the newest, one transaction a step; returns its number. Raises like refuse_foreign()."""
    for number in range(refuse_foreign(connection, steps) + 1, len(steps) + 1):
        with connection:  # a savepoint: all of the step or nothing of it
            connection.execute(steps[number - 1]).fetchall()
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}").fetchall()
            connection.execute(f"PRAGMA user_version = {number}").fetchall()
    return len(steps)
