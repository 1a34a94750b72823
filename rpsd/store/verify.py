"""Proof that a database file is whole: structure, every checksum, every total."""

from pathlib import Path
from typing import Any

import apsw

from rpsd.core.errors import CorruptData
from rpsd.store import artifact, audit, book, book_chunk, derived, listing, live, model, query, reading, revision, standing, view_standing
from rpsd.store.practices import APPLICATION_ID, Connection, migrations, pragma

_TABLES = (
    *("series", "block", "tail", "revision", "derived", "live", "checkpoint", "standing", "feature_view", "view_standing"),
    *("model", "key", "job", "audit", "book", "book_chunk", "book_fault", "run", "run_artifact"),
)
_REVISIONS = "SELECT id, known_to, first_ns, last_ns, rows, width, crc, payload FROM revision WHERE series_id = ?"


def verify_database(path: Path) -> dict[str, Any]:
    """What the file holds: schema and counts of series, rows, blocks, tail rows, revisions, models, audit rows.

    Opens it read-only, decodes everything, O(size). Raises CorruptData naming the first damaged record.
    """
    try:
        connection = Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            connection.execute("BEGIN")
            return {"bytes": path.stat().st_size, **verified(connection, path.name)}
        finally:
            connection.close()
    except apsw.Error as error:
        raise CorruptData(f"{path.name} cannot be read as a database ({type(error).__name__})") from error


def verified(c: Connection, name: str) -> dict[str, Any]:
    """verify_database() of what the open read transaction sees, without the file's size; `name` is what an error calls the file.

    Raises CorruptData; errors of SQLite as they come.
    """
    if pragma(c, "application_id") != APPLICATION_ID:
        raise CorruptData(f"{name} is not a database of rpsd")
    if (verdict := query.value(c, "PRAGMA integrity_check(1)")) != "ok":
        raise CorruptData(f"{name}: {verdict}")
    if orphan := query.rows(c, "PRAGMA foreign_key_check"):
        raise CorruptData(f"{name}: table {orphan[0][0]} row {orphan[0][1]} belongs to nothing")
    held = _held(c)
    verify_series(c)
    if "book" in held:
        verify_books(c)
    for model_name, version in query.rows(c, "SELECT name, version FROM model"):
        model.packet(c, model_name, version)
    if "run_artifact" in held:
        artifact.verify(c)
    if (seq := audit.verify(c)) is not None:
        raise CorruptData(f"audit row {seq} breaks the chain")
    counts = {table: _count(c, table) for table in _TABLES if table in held}
    rows = query.value(c, "SELECT coalesce(sum(rows), 0) FROM series")
    return {"schema": pragma(c, "user_version"), "rows": rows, "tables": counts}


def _count(c: Connection, table: str) -> int:
    return int(query.value(c, f"SELECT count(*) FROM {table}"))  # noqa: S608  (names of this file)


def _held(c: Connection) -> frozenset[str]:
    """The tables that can be read: a backup of an older release lacks the later ones, and the next start adds them.

    A database of the present schema counts as having each, so that one which is missing is found.
    """
    if pragma(c, "user_version") >= len(migrations()):
        return frozenset(_TABLES)
    return frozenset(name for (name,) in query.rows(c, "SELECT name FROM sqlite_schema WHERE type = 'table'"))


def verify_series(c: Connection) -> None:
    """Decode all samples, revisions and derived columns. Raises CorruptData naming the first damaged record."""
    after: tuple[str, str] | None = None
    held = _held(c)
    while page := listing.page(c, after, 100):
        for info in page:
            group, n, last = listing.group_of(info), 0, None
            for rows in reading.pieces(c, info, None, None, None, None):
                if (last is not None and rows.t[0] <= last) or (rows.t[1:] <= rows.t[:-1]).any():
                    raise CorruptData(f"{group.name}: rows are out of order near {int(rows.t[0])} ns")
                n, last = n + rows.n, int(rows.t[-1])
            if (n, last) != (info.rows, info.last_ns):
                raise CorruptData(f"{group.name}: {n} rows are stored where {info.rows} are listed")
            for derived_group in derived.list_groups(c, info):
                derived.read_group(c, info, derived_group.name)
            for column in live.columns(c, info) if "live" in held else ():
                for _ in live.checked(c, column):
                    pass
            for table, checked in (("standing", standing.checked), ("view_standing", view_standing.checked)):
                for _ in checked(c, info) if table in held else ():
                    pass
            for row in c.execute(_REVISIONS, (info.id,)):
                revision.checked(group, row)
        after = (page[-1].symbol, page[-1].interval)


def verify_books(c: Connection) -> None:
    """Unpack the tapes and check the states of all order books. Raises CorruptData naming the first damaged record."""
    after = ""
    while page := book.page(c, after, 100):
        for info in page:
            book.require(c, info.symbol)
            book.ladder(c, info.id)
            clock = -(2**63)
            for chunk in book_chunk.checked(c, info.id):
                if chunk.first_ns < clock:
                    raise CorruptData(f"order book {info.symbol}: chunks are out of order near {chunk.first_ns} ns")
                clock = chunk.last_ns
        after = page[-1].symbol
