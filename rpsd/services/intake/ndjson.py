"""NDJSON in chunks: one row object a line, each bad line named; the counterpart of csv.CsvReader."""

import json
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import numpy as np

from rpsd.core.errors import BadRows, Fault, InvalidRequest, MalformedBody, RpsdError
from rpsd.core.market import Times, Vector
from rpsd.services.intake.cell import BadCell, TimeCell
from rpsd.services.intake.columns import Columns, parsed
from rpsd.services.intake.rows import KNOWN_ROLE, Parsed, Rejections, Table, roles_of, settled

_WINDOW: Final = 1 << 20
"""Bytes that are parsed at a time: what bounds the memory beside the numbers."""
_LONGEST_LINE: Final = 1 << 16
_MOST_LAYOUTS: Final = 1000
_MOST_CELLS: Final = 1 << 24
_UNFOLDED: Final = 8
"""Lines that differ in their names may unfold to this many times the cells that were sent, or to _MOST_CELLS."""
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class _Layout:
    """What the names of a line mean, or why they mean nothing."""

    roles: tuple[int, ...] = ()
    columns: tuple[str, ...] = ()
    fault: str = ""

    @property
    def dated(self) -> bool:
        """Whether a column says when the row became known."""
        return KNOWN_ROLE in self.roles


@dataclass(frozen=True, slots=True)
class _Piece:
    """Good rows of one layout: the numbers of their lines (n,), t (n,), known_at (n,) or None, columns (n,)."""

    lines: Times
    t: Times
    known: Times | None
    columns: dict[str, Vector]


class NdjsonReader:
    """NDJSON in chunks: feed(bytes) as often as needed, then finish(). Keeps 8 bytes a cell and 16 a row; the text is not kept.

    A line is `{"t": ..., "close": ...}`: ISO 8601 or int64 ns, numbers, null or no key where a cell is missing. Empty lines count, too.
    `tz` reads naive times, `date_format` (strptime) takes the place of ISO 8601. on_error=reject stops at the hundredth bad line, skip
    leaves bad lines out and lists them. Lines count from 1.
    """

    def __init__(self, interval: str, *, tz: str | None = None, date_format: str | None = None, on_error: str = "reject") -> None:
        self._interval, self._cell = interval, TimeCell.of(tz, date_format)
        self._book = Rejections.of("lines", on_error)
        self._rest, self._line = b"", 0
        self._layouts: dict[tuple[str, ...], _Layout] = {}
        self._names: dict[str, None] = {}
        self._dated: bool | None = None
        self._pieces: list[_Piece] = []

    def feed(self, chunk: bytes) -> None:
        """Parse all complete lines of what has come. Raises MalformedBody (not UTF-8, an endless line), BadRows."""
        for start in range(0, len(chunk), _WINDOW):
            self._feed(self._rest + chunk[start : start + _WINDOW])

    def finish(self) -> Parsed:
        """The samples of the whole body. Raises MalformedBody when it was empty, BadRows, BadTime, and as feed does."""
        if self._rest.strip():
            self._feed(self._rest + b"\n")
        if not self._line:
            raise MalformedBody("the body is empty", hint='Send one object a line: {"t": "2024-01-31", "close": 1.5}')
        self._check_unfolded()
        pieces, self._pieces = self._pieces, []
        lines = np.concatenate([np.zeros(0, np.int64), *(piece.lines for piece in pieces)])
        order = np.argsort(lines, kind="stable")  # the lines of a window lie by layout
        t = np.concatenate([np.zeros(0, np.int64), *(piece.t for piece in pieces)])[order]
        known = np.concatenate([piece.known for piece in pieces if piece.known is not None])[order] if self._dated and pieces else None
        columns = {name: np.concatenate([np.zeros(0), *(_column(piece, name) for piece in pieces)])[order] for name in self._names}
        return settled(Table(t, columns, known, lines[order]), self._book, self._interval)

    def _feed(self, data: bytes) -> None:
        if not self._line:
            data = data.removeprefix(b"\xef\xbb\xbf")
            if data[:2] in _UTF16:
                raise MalformedBody("the body is UTF-16", hint="Send it as UTF-8.")
        *lines, self._rest = data.split(b"\n")
        if lines:
            self._take(lines)
        if len(self._rest) > _LONGEST_LINE:
            raise MalformedBody(f"line {self._line + 1} is longer than {_LONGEST_LINE} bytes; is this NDJSON?")

    def _take(self, lines: list[bytes]) -> None:
        """Parse these lines, those with the same names together."""
        bad: dict[int, tuple[str, str]] = {}
        groups: dict[tuple[str, ...], tuple[list[int], list[dict[str, Any]]]] = {}
        for number, line in enumerate(lines, self._line + 1):
            if not line.strip():
                continue
            try:
                row = _row(line, number)
            except BadCell as error:
                bad[number] = ("", self._book.kept(str(error), len(bad)))
                if self._book.is_full(len(bad)):
                    break
                continue
            numbers, rows = groups.setdefault(tuple(row), ([], []))
            numbers.append(number)
            rows.append(row)
        for names, (numbers, rows) in groups.items():
            self._take_group(names, numbers, rows, bad)
        for number in sorted(bad):
            name, reason = bad[number]
            self._book.add(number, name, f"{name}: {reason}" if name else reason)
        self._line += len(lines)

    def _take_group(self, names: tuple[str, ...], numbers: list[int], rows: list[dict[str, Any]], bad: dict[int, tuple[str, str]]) -> None:
        """Rows of the same names: the good ones are kept, the others go to `bad` by their lines."""
        layout = self._layout(names)
        if layout.fault:
            bad.update({number: ("", self._book.kept(layout.fault, len(bad) + at)) for at, number in enumerate(numbers)})
            return
        cells = {name: [row[name] for row in rows] for name in names}
        found: Columns = parsed(cells, layout.roles, layout.columns, self._cell, self._book)
        bad.update({numbers[row]: fault for row, fault in found.faults.items()})
        if len(found.faults) == len(rows):
            return
        kept = found.kept
        self._names.update(dict.fromkeys(layout.columns))
        self._dated = layout.dated
        self._pieces.append(_Piece(np.array(numbers)[kept], found.t[kept], found.known_at(kept), found.numbers_at(kept)))

    def _layout(self, names: tuple[str, ...]) -> _Layout:
        """What these names mean; a line may leave columns out, but all lines name `known_at` or none. Raises BadRows past 1000 columns."""
        if (layout := self._layouts.get(names)) is None:
            layout = self._understood(names)
            if len(self._layouts) < _MOST_LAYOUTS:
                self._layouts[names] = layout
        if not layout.fault and self._dated is not None and layout.dated != self._dated:
            return _Layout(
                fault=f"known_at is {'missing' if self._dated else 'given'}, unlike in the lines before; every line has it or none"
            )
        return layout

    def _understood(self, names: tuple[str, ...]) -> _Layout:
        try:
            roles, columns = roles_of(names, InvalidRequest)
        except InvalidRequest as error:
            return _Layout(fault=error.detail)
        roles_of(["t", *dict.fromkeys([*self._names, *columns])], BadRows)  # bounds the columns of all lines together
        return _Layout(tuple(roles), tuple(columns))

    def _check_unfolded(self) -> None:
        """Raise BadRows when the lines share so few names that their table would be mostly empty, and large."""
        sent = sum(piece.t.size * len(piece.columns) for piece in self._pieces)
        rows = sum(piece.t.size for piece in self._pieces)
        if (cells := rows * len(self._names)) > max(_MOST_CELLS, _UNFOLDED * sent):
            reason = f"{rows} lines with {len(self._names)} columns between them are {cells} cells, of which {sent} were sent"
            raise BadRows(reason, errors=[Fault("", reason)], hint="Send fewer lines at a time, or the columns as series of their own.")


def _column(piece: _Piece, name: str) -> Vector:
    values = piece.columns.get(name)
    return np.full(piece.t.size, np.nan) if values is None else values


def _row(line: bytes, number: int) -> dict[str, Any]:
    """The object of a line. Raises BadCell for anything else, MalformedBody when it is not UTF-8."""
    if len(line) > _LONGEST_LINE:
        raise MalformedBody(f"line {number} is longer than {_LONGEST_LINE} bytes; is this NDJSON?")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedBody(f"line {number} is not UTF-8", hint="Send it as UTF-8.") from error
    try:
        row = _DECODER.decode(text)
    except RpsdError as error:
        raise BadCell(error.detail) from error
    except json.JSONDecodeError as error:
        raise BadCell(f"not JSON, column {error.colno}: {error.msg[:1].lower()}{error.msg[1:]}: {text[:40]!r}") from error
    except (ValueError, RecursionError) as error:
        raise BadCell("not JSON that can be read: nested too deep, or a number of thousands of digits") from error
    if not isinstance(row, dict):
        raise BadCell(f'expected an object such as {{"t": "2024-01-31", "close": 1.5}}, got {text[:40]!r}')
    return row


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these names and values. Raises InvalidRequest when a name comes twice."""
    row = dict(pairs)
    if len(row) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidRequest(f"{twice[:40]!r} is given twice")
    return row


def _not_finite(word: str) -> NoReturn:
    raise InvalidRequest(f"expected a finite number, got {word}; send null where the value is missing")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_not_finite)
