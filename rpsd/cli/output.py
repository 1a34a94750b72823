"""What commands print: answers as text or JSON on stdout, errors and progress on stderr."""

import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any

import typer

from rpsd.core.errors import Kind, RpsdError

WIDTH = 100
"""Columns that everything printed fits into."""

_FRACTION = re.compile(r"(T\d\d:\d\d:\d\d)\.\d+Z")  # people read seconds; --json keeps the rest
EXIT = {Kind.INPUT: 65, Kind.MISSING: 66, Kind.CONFLICT: 73, Kind.DENIED: 77, Kind.BUSY: 75, Kind.CONFIG: 78, Kind.INTERNAL: 70}
USAGE_EXIT = 64

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="Settings file to read instead of the usual places.", show_default=False)]


def answer(data: Any, as_json: bool, text: str | Callable[[], str]) -> None:
    """Print the data as JSON, or its text for people."""
    typer.echo(json.dumps(data, indent=2, ensure_ascii=False, default=str) if as_json else text if isinstance(text, str) else text())


def table(headers: Sequence[str], rows: Sequence[Sequence[Any]], *, empty: str = "Nothing to show.") -> str:
    """Aligned columns: numbers to the right, missing cells as a dash, long cells cut to the terminal's width."""
    if not rows:
        return empty
    cells = [[_cell(value) for value in row] for row in rows]
    right = [all(isinstance(row[i], int | float) or row[i] is None for row in rows) for i in range(len(headers))]
    widths = [max(len(header), *(len(row[i]) for row in cells)) for i, header in enumerate(headers)]
    lines = [list(headers), *cells]
    return "\n".join(_line(line, widths, right) for line in lines)


def _line(line: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = [cell.rjust(width) if to_right else cell.ljust(width) for cell, width, to_right in zip(line, widths, right, strict=True)]
    text = "  ".join(padded).rstrip()
    return text if len(text) <= 4 * WIDTH else text[: 4 * WIDTH - 1] + "…"


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e6 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else _FRACTION.sub(r"\1Z", str(value))


def pairs(rows: Sequence[tuple[str, Any]]) -> str:
    """Names and values below one another."""
    width = max((len(name) for name, _ in rows), default=0)
    return "\n".join(f"{name.ljust(width)}  {_cell(value)}" for name, value in rows)


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
        typer.echo(json.dumps(body, ensure_ascii=False), err=True)
    else:
        typer.echo(f"error: {error.detail} ({error.code})", err=True)
        for fault in error.errors if len(error.errors) > 1 else ():
            typer.echo(f"  {fault.pointer}: {fault.reason}", err=True)
        typer.echo(f"hint: {error.advice}", err=True)
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
    """One line per step on stderr: `label … what came of it`. Call the value with the outcome."""
    import time

    started = time.perf_counter()
    outcome: list[str] = []
    yield outcome.append
    said = outcome[-1] if outcome else ""
    said = said if len(said) <= 46 else f"…{said[-45:]}"
    typer.echo(f"  {label:<34} {said:<46} {time.perf_counter() - started:6.2f} s", err=True)
