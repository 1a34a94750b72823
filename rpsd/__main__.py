"""The entry of `rpsd` and `python -m rpsd`: runs a command and turns what went wrong into words and an exit code."""

import sys
from collections.abc import Sequence
from typing import Any

import typer

from rpsd.core.errors import InternalError, RpsdError

# click's base class of usage errors; typer vendors click or not, depending on its version
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]
INTERRUPTED_EXIT = 130
PIPE_EXIT = 141


def run(arguments: Sequence[str]) -> int:
    """Run one command line; its exit code."""
    from rpsd.cli.app import app
    from rpsd.cli.output import USAGE_EXIT, complain

    as_json = "--json" in arguments
    try:
        result = app(args=list(arguments), standalone_mode=False, prog_name="rpsd")
    except RpsdError as error:
        return complain(error, as_json)
    except _UsageError as error:
        _usage(error)
        return USAGE_EXIT
    except (KeyboardInterrupt, typer.Abort):
        typer.echo("interrupted", err=True)
        return INTERRUPTED_EXIT
    except BrokenPipeError:
        sys.stderr.close()  # the reader has gone; nothing is left to tell it
        return PIPE_EXIT
    except Exception as error:  # noqa: BLE001 - the last place where an unexpected exception can become words
        return _unexpected(error, as_json)
    return result if isinstance(result, int) else 0


def _usage(error: Exception) -> None:
    """Say what was wrong with the command line; a group without a command shows its help instead."""
    context: Any = getattr(error, "ctx", None)
    message = error.format_message()  # type: ignore[attr-defined]
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(message or context.get_help(), err=True)
        return
    typer.echo(f"error: {message} (usage)", err=True)
    if context is not None:
        typer.echo(f"hint: {context.command_path} --help", err=True)


def _unexpected(error: Exception, as_json: bool) -> int:
    """An exception that is a defect: its place is shown in short, the whole with RPSD_TRACEBACK=1."""
    import os
    import traceback

    from rpsd.cli.output import complain

    if os.environ.get("RPSD_TRACEBACK"):
        traceback.print_exception(error)
    last = traceback.extract_tb(error.__traceback__)[-1]
    detail = f"{type(error).__name__}: {error} at {last.name}, line {last.lineno}"
    return complain(InternalError(detail, hint="This is a defect; run again with RPSD_TRACEBACK=1 and report what it prints."), as_json)


def main() -> None:
    """Entry point of the console script."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
