"""Rows in Parquet files, through the optional extra `arrow`; the one home of pyarrow."""

from collections.abc import Mapping
from math import isnan
from pathlib import Path
from typing import Any, Final

import numpy as np

from rpsd.core.errors import BadTime, Fault, MalformedBody, MissingExtra, UnknownFile
from rpsd.core.market import Times, Vector
from rpsd.services.intake.ingest import from_columns
from rpsd.services.intake.rows import Parsed

_UNNAMED_INDEX: Final = "__index_level_0__"
"""What pandas calls the column of an index without a name."""


def read_parquet(file: Path, interval: str, *, tz: str | None = None, date_format: str | None = None, on_error: str = "reject") -> Parsed:
    """Samples of the file; a null or a NaN is a missing cell, times are timestamps, dates, texts or int64 ns. Rows count from 0.

    Raises MissingExtra, UnknownFile, MalformedBody (no whole Parquet file), BadTime (times without a zone and no `tz`), and as
    ingest.from_columns does.
    """
    arrow, parquet = _arrow()
    try:
        table = parquet.read_table(file)
    except FileNotFoundError as error:
        raise UnknownFile(f"{file}: {error.strerror}") from error
    except (arrow.ArrowException, OSError) as error:
        raise MalformedBody(f"{file} is no Parquet file that can be read", hint="Is it whole? Is it Parquet? CSV is read, too.") from error
    columns = {_name(arrow, field): _cells(arrow, field, table.column(at), tz) for at, field in enumerate(table.schema)}
    if len(columns) < len(table.schema):
        raise MalformedBody(f"{file} has two columns of one name")
    return from_columns(columns, interval, tz=tz, date_format=date_format, on_error=on_error)


def write_parquet(file: Path, t: Times, columns: Mapping[str, Vector]) -> None:
    """Write t (n,) as timestamps in UTC and columns (n,) as float64, NaN as null. Raises MissingExtra, OSError."""
    arrow, parquet = _arrow()
    arrays = {"t": arrow.array(t, arrow.timestamp("ns", tz="UTC"))}
    arrays |= {name: arrow.array(values, arrow.float64(), mask=np.isnan(values)) for name, values in columns.items()}
    parquet.write_table(arrow.table(arrays), file)


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtra("Parquet needs pyarrow, which is not installed", hint="Install it: pip install 'rpsd[arrow]'") from error
    return pyarrow, parquet


def _name(arrow: Any, field: Any) -> str:
    """The column's name; the nameless index of a pandas frame is its time when it holds times."""
    return "t" if field.name == _UNNAMED_INDEX and arrow.types.is_temporal(field.type) else str(field.name)


def _cells(arrow: Any, field: Any, column: Any, tz: str | None) -> list[Any]:
    """The cells as JSON would hold them: floats, ints, texts, None. Raises MalformedBody, BadTime."""
    types, kind = arrow.types, field.type
    try:
        if types.is_timestamp(kind) and kind.tz is not None:
            return list(column.cast(arrow.timestamp("ns", tz="UTC")).cast(arrow.int64()).to_pylist())
        if types.is_timestamp(kind):
            if tz is None:
                reason = f"the times of column {field.name[:40]!r} have no zone"
                raise BadTime(
                    reason, errors=[Fault(f"/{field.name[:40]}", reason)], hint="Name their zone: --tz UTC, --tz America/New_York."
                )
            naive = column.cast(arrow.timestamp("ns")).to_numpy()
            return [None if text == "NaT" else text for text in np.datetime_as_string(naive, unit="ns").tolist()]
        if types.is_date(kind):
            return [None if day is None else day.isoformat() for day in column.to_pylist()]
        if types.is_floating(kind) or types.is_decimal(kind):
            values = column.cast(arrow.float64()).to_pylist()
            return [None if value is None or isnan(value) else value for value in values]  # pandas writes NaN for missing
        if types.is_integer(kind) or types.is_string(kind) or types.is_large_string(kind) or types.is_dictionary(kind):
            return list(column.to_pylist())
    except (arrow.ArrowException, ValueError) as error:
        raise MalformedBody(f"column {field.name[:40]!r} cannot be read: {str(error)[:120]}") from error
    reason = f"column {field.name[:40]!r} is of type {str(kind)[:40]}; expected times and numbers"
    raise MalformedBody(reason, errors=[Fault(f"/{field.name[:40]}", reason)])
