"""What commands print: answers as text or JSON on stdout, errors and progress on stderr."""

import json
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any

import typer

from rpsd.core.errors import Kind, RpsdError

WIDTH = 100
"""Columns that everything printed fits into."""

_LEAST_CELL = 12
_MIDNIGHT = "T00:00:00Z"
_FRACTION = re.compile(r"(T\d\d:\d\d:\d\d)\.\d+Z")  # people read seconds; --json keeps the rest
_CONTROLS = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]")
_EVERY_CONTROL = re.compile(_CONTROLS.pattern.replace("[", "[\\t\\n", 1))
EXIT = {Kind.INPUT: 65, Kind.MISSING: 66, Kind.CONFLICT: 73, Kind.DENIED: 77, Kind.BUSY: 75, Kind.CONFIG: 78, Kind.INTERNAL: 70}
USAGE_EXIT = 64

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="Settings file to read instead of the usual places.", show_default=False)]


def answer(data: Any, as_json: bool, text: str | Callable[[], str], *, err: bool = False) -> None:
    """Print the data as JSON, or its text for people; with `err` on stderr, because stdout carries something else."""
    said = json.dumps(data, indent=2, ensure_ascii=False, default=str) if as_json else text if isinstance(text, str) else text()
    typer.echo(spelt(said), err=err)


def spelt(text: str, *, one_line: bool = False) -> str:
    """The text with control characters spelt out as JSON does it, tabs and ends of lines only for `one_line`.

    A value that somebody has stored must not tell the terminal of whoever looks at it what to do.

    >>> spelt("red" + chr(27) + "[31m")
    'red\\\\u001b[31m'
    """
    return (_EVERY_CONTROL if one_line else _CONTROLS).sub(_spelt, text)


def _spelt(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def table(headers: Sequence[str], rows: Sequence[Sequence[Any]], *, empty: str = "Nothing to show.", cut: bool = True) -> str:
    """Aligned columns: numbers to the right, missing cells as a dash, a column of midnights as dates.

    The last column is cut to the terminal's width unless not `cut`; --json always holds it all.
    """
    if not rows:
        return empty
    columns = [_column([row[i] for row in rows]) for i in range(len(headers))]
    right = [
        any(isinstance(row[i], int | float) for row in rows) and not any(isinstance(row[i], str) for row in rows)
        for i in range(len(headers))
    ]
    widths = [max(len(header), *(len(cell) for cell in column)) for header, column in zip(headers, columns, strict=True)]
    if cut:
        widths[-1] = min(widths[-1], max(WIDTH - sum(widths[:-1]) - 2 * (len(widths) - 1), _LEAST_CELL))
    return "\n".join(_line(line, widths, right) for line in [headers, *zip(*columns, strict=True)])


def _line(line: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    fitted = [cell if len(cell) <= width else cell[: width - 1] + "…" for cell, width in zip(line, widths, strict=True)]
    padded = [cell.rjust(width) if to_right else cell.ljust(width) for cell, width, to_right in zip(fitted, widths, right, strict=True)]
    return "  ".join(padded).rstrip()


def _column(values: Sequence[Any]) -> list[str]:
    """The cells of a column; where every time is a midnight the dates are enough."""
    cells = [_cell(value) for value in values]
    days = all(cell.endswith(_MIDNIGHT) or cell == "-" for cell in cells)
    return [cell.removesuffix(_MIDNIGHT) for cell in cells] if days else cells


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e6 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else _FRACTION.sub(r"\1Z", spelt(str(value), one_line=True))


def pairs(rows: Sequence[tuple[str, Any]]) -> str:
    """Names and values below one another; long sentences go on in the column of values."""
    width = max((len(name) for name, _ in rows), default=0)
    return "\n".join(_wrapped(f"{name.ljust(width)}  {_cell(value)}", width + 2) for name, value in rows)


def _wrapped(line: str, indent: int) -> str:
    if len(line) <= WIDTH or " " not in line[indent:]:
        return line
    return textwrap.fill(line, WIDTH, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)


def indented(text: str) -> str:
    """Every line two columns further in."""
    return "\n".join(f"  {line}" for line in text.splitlines())


def moment(text: str) -> str:
    """The time; of midnight its date."""
    return text.removesuffix(_MIDNIGHT)


def doubt(code: str, detail: str) -> str:
    """A warning of an answer, for its end."""
    return textwrap.fill(f"{code}: {detail}", WIDTH, initial_indent="  doubtful  ", subsequent_indent=" " * 12)


def complain(error: RpsdError, as_json: bool) -> int:
    """Print the error on stderr; the exit code that its kind gives."""
    if as_json:
        body = {
            "code": error.code,
            "title": error.title,
            "detail": error.detail,
            "hint": error.advice,
            "errors": [{"pointer": fault.pointer, "reason": fault.reason} for fault in error.errors],
        }
        typer.echo(spelt(json.dumps(body, ensure_ascii=False)), err=True)
    else:
        typer.echo(spelt(f"error: {error.detail} ({error.code})"), err=True)
        for fault in error.errors if len(error.errors) > 1 else ():
            typer.echo(spelt(f"  {fault.pointer}: {fault.reason}"), err=True)
        typer.echo(_wrapped(f"hint: {error.advice}", len("hint: ")), err=True)
    return EXIT[error.kind]


class Progress:
    """A bar on a terminal, plain lines in a pipe; both on stderr, so that stdout stays the answer."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.terminal = sys.stderr.isatty()
        self.said = ""
        self.drawn = False

    def __call__(self, fraction: float, message: str = "") -> None:
        """Show how far the work is, 0 to 1, and at what."""
        fraction = min(max(fraction, 0.0), 1.0)
        if self.terminal:
            bar = ("█" * round(24 * fraction)).ljust(24, "░")
            line = f"{self.label:<28.28} {bar} {fraction:4.0%}  {message}"[:WIDTH].ljust(WIDTH - 1)
            sys.stderr.write(f"\r{line}")
            sys.stderr.flush()
            self.drawn = True
        elif (said := f"{self.label}: {message or f'{int(fraction * 4) * 25} %'}") != self.said:
            self.said = said
            typer.echo(said, err=True)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        if self.terminal and self.drawn:
            if kind is None:
                self(1.0, "done")
            sys.stderr.write("\n")


@contextmanager
def step(label: str) -> Iterator[Callable[[str], None]]:
    """One line per step on stderr: `label … what came of it`. Call the value with the outcome. A terminal sees the label at once."""
    import time

    started = time.perf_counter()
    outcome: list[str] = []
    if sys.stderr.isatty():
        sys.stderr.write(f"  {label} …\r")
        sys.stderr.flush()
    yield outcome.append
    said = outcome[-1] if outcome else ""
    said = said if len(said) <= 46 else f"…{said[-45:]}"
    typer.echo(f"  {label:<34} {said:<46} {time.perf_counter() - started:6.2f} s", err=True)
