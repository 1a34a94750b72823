"""CSV files in chunks: a byte parser for the plain rows, an exact reader for the others, every bad row named."""

import csv
import io
from typing import Any, Final

import numpy as np

from rpsd.core.errors import BadCsv, Fault, MalformedBody
from rpsd.core.market import Times, Vector
from rpsd.services.intake.cell import BadCell, TimeCell, number
from rpsd.services.intake.rows import KNOWN_ROLE, Parsed, Rejections, Table, roles_of, settled

_WINDOW: Final = 1 << 20
_ROWS: Final = 1 << 15
"""Bytes and rows handed to the parser at a time: what bounds its memory."""
_LONGEST_LINE: Final = 1 << 16
_LINE_FEEDS: Final = "End each line with a line feed (Unix) or with carriage return and line feed (Windows)."
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")


class CsvReader:
    """A CSV file in chunks: feed(bytes) as often as needed, then finish(). Keeps 8 bytes a cell and 16 a row; the text is not kept.

    `tz` reads naive times, `date_format` (strptime) takes the place of ISO 8601. on_error=reject stops at the hundredth bad line,
    skip leaves bad lines out and lists them. Lines count from 1, the header being the first. Not `compiled`, the exact reader takes every
    row: for processes that may not make machine code.
    """

    def __init__(
        self, interval: str, *, tz: str | None = None, date_format: str | None = None, on_error: str = "reject", compiled: bool = True
    ) -> None:
        self._interval, self._cell = interval, TimeCell.of(tz, date_format)
        self._book, self._compiled = Rejections.of("lines", on_error), compiled
        self._header: list[str] = []
        self._roles: list[int] = []
        self._columns: list[str] = []
        self._rest, self._line = b"", 1
        self._pieces: list[tuple[Times, Vector, Times]] = []
        self._buffers: tuple[Times, Any, Times] | None = None

    def feed(self, chunk: bytes) -> None:
        """Parse all complete lines of what has come. Raises BadCsv (header, layout), MalformedBody (not UTF-8), BadRows."""
        for start in range(0, len(chunk), _WINDOW):
            self._feed(self._rest + chunk[start : start + _WINDOW])

    def finish(self) -> Parsed:
        """The samples of the whole file. Raises MalformedBody when it was empty, BadRows, BadTime, and as feed does."""
        if self._rest.strip():
            self._feed(self._rest + b"\n")
        if not self._header:
            raise MalformedBody("the body is empty", hint="Send a header line and at least one row.")
        pieces = self._pieces or [(np.zeros((2, 0), np.int64), np.zeros((len(self._columns), 0)), np.zeros(0, np.int64))]
        times = np.concatenate([piece[0][0] for piece in pieces])
        known = np.concatenate([piece[0][1] for piece in pieces]) if KNOWN_ROLE in self._roles else None
        columns = {name: np.concatenate([piece[1][i] for piece in pieces]) for i, name in enumerate(self._columns)}
        lines = np.concatenate([piece[2] for piece in pieces])
        self._pieces = []
        return settled(Table(times, columns, known, lines), self._book, self._interval)

    def _feed(self, data: bytes) -> None:
        if not self._header:
            data = self._after_header(data)
        if self._header:
            data = self._after_rows(data)
        if len(data) > _LONGEST_LINE:
            raise BadCsv(f"line {self._line + 1} is longer than {_LONGEST_LINE} bytes; is this a CSV file?")
        self._rest = data

    def _after_header(self, data: bytes) -> bytes:
        """Read the header when it is complete; what is left to parse."""
        if data[:2] in _UTF16:
            raise MalformedBody("the file is UTF-16", hint="Save it as UTF-8.")
        end = data.find(b"\n")
        if end < 0:
            return data
        if end > _LONGEST_LINE:
            raise BadCsv(f"line 1 is longer than {_LONGEST_LINE} bytes; is this a CSV file?", errors=[Fault("/1", "too long")])
        line = _decoded(data[:end].removeprefix(b"\xef\xbb\xbf").rstrip(b"\r"), 1)
        if "\r" in line:
            raise BadCsv("the lines end with a carriage return alone", errors=[Fault("/1", "expected line feeds")], hint=_LINE_FEEDS)
        names = next(csv.reader(io.StringIO(line)), [])
        if not any(name.strip() for name in names):
            raise BadCsv("the first line is empty", errors=[Fault("/1", "expected the names of the columns")])
        self._check(names, line)
        self._roles, self._columns = roles_of(names, BadCsv)
        self._header = names
        return data[end + 1 :]

    def _check(self, names: list[str], line: str) -> None:
        """Raise BadCsv for the headers that people really send: none at all, other separators, an unnamed index."""
        for separator, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
            if len(names) == 1 and separator in line:
                raise BadCsv(f"the header is separated by {name}; expected commas", errors=[Fault("/1", "expected commas")])
        if names[0].strip()[:1].isdigit():
            raise BadCsv(f"the first line {line[:60]!r} is not a header", errors=[Fault("/1", "expected the names of the columns")])
        if not all(name.strip() for name in names):
            at = next(i for i, name in enumerate(names) if not name.strip()) + 1
            raise BadCsv(f"column {at} has no name in {line[:60]!r}", errors=[Fault("/1", f"expected a name for column {at}")])

    def _after_rows(self, data: bytes) -> bytes:
        """Parse the complete lines; the bytes of the incomplete one."""
        if self._buffers is None:
            self._buffers = (np.empty((2, _ROWS), np.int64), np.empty((len(self._columns), _ROWS)), np.empty((_ROWS, 4), np.int64))
        at = 0
        while True:
            rows, read, lines = self._parse(data, at, self._buffers)
            self._take(data[at : at + read], rows)
            self._line += lines
            at += read
            if rows < _ROWS:
                return data[at:]

    def _parse(self, data: bytes, at: int, buffers: tuple[Times, Any, Times]) -> tuple[int, int, int]:
        """Fill the buffers from the byte at; rows, bytes and lines that were read."""
        if not self._compiled:
            return _marked(data, at, buffers[2])
        from rpsd.kernels import csv as kernel  # numerics wait for the warm-up

        dated = self._cell.date_format is not None
        roles = np.array([kernel.EXACT if dated and role < 0 else role for role in self._roles])
        found: tuple[int, int, int] = kernel.parse(np.frombuffer(data, np.uint8)[at:], roles, self._cell.tz is None, buffers)
        return found

    def _take(self, data: bytes, rows: int) -> None:
        """Keep a copy of the parsed rows, after the exact reader has seen the doubtful ones."""
        assert self._buffers is not None
        times, cells, lines = (self._buffers[0][:, :rows], self._buffers[1][:, :rows], self._buffers[2][:rows])
        good = lines[:, 0] == 1
        for row in np.flatnonzero(~good).tolist():
            good[row] = self._exact(data[lines[row, 1] : lines[row, 2]], row, self._line + 1 + int(lines[row, 3]))
        if good.all():
            self._pieces.append((times.copy(), cells.copy(), lines[:, 3] + self._line + 1))
        elif good.any():
            self._pieces.append((times[:, good], cells[:, good], lines[good, 3] + self._line + 1))

    def _exact(self, line: bytes, row: int, number_of_line: int) -> bool:
        """Read one line by Python's own readers into the buffers; False, and a line in the book, when it cannot be."""
        try:
            self._fill(row, self._fields(_decoded(line, number_of_line)))
        except BadCell as error:
            self._book.add(number_of_line, error.column or "", f"{error.column}: {error}" if error.column else str(error))
            return False
        return True

    def _fill(self, row: int, fields: list[str]) -> None:
        """Put the fields of one line into the buffers. Raises BadCell naming the column."""
        assert self._buffers is not None
        times, cells, _ = self._buffers
        for name, role, field in zip(self._header, self._roles, fields, strict=True):
            try:
                if role < 0:
                    times[-role - 1, row] = self._cell.nanoseconds(field)
                else:
                    cells[role, row] = number(field)
            except BadCell as error:
                raise BadCell(str(error), column=name) from error
        if np.isnan(cells[:, row]).all():
            raise BadCell("every cell is empty; a row needs one value")

    def _fields(self, line: str) -> list[str]:
        """The fields of a line. Raises BadCell when they are not as many as the header's."""
        try:
            fields = next(csv.reader([line], strict=True), [])
        except csv.Error as error:
            found = "a carriage return within the line" if "\r" in line else "the quotes do not close"
            raise BadCell(f"{found}: {line[:40]!r}") from error
        if len(fields) != len(self._header):
            doubt = "; thousands separators must go" if len(fields) > len(self._header) else ""
            raise BadCell(f"expected {len(self._header)} fields ({', '.join(self._header)[:80]}), found {len(fields)}{doubt}")
        return fields


def _decoded(line: bytes, number_of_line: int) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedBody(f"line {number_of_line} is not UTF-8", hint="Save the file as UTF-8.") from error


def _marked(data: bytes, begin: int, lines: Times) -> tuple[int, int, int]:
    """Mark every line as one for the exact reader, as the byte parser marks what it does not understand."""
    at, row, line = begin, 0, 0
    while row < len(lines) and (stop := data.find(b"\n", at)) >= 0:
        end = stop - 1 if data[at:stop].endswith(b"\r") else stop
        if end > at:
            lines[row] = 0, at - begin, end - begin, line
            row += 1
        at, line = stop + 1, line + 1
    return row, at - begin, line
