"""The entry of `rpsd` and `python -m rpsd`: runs a command and turns what went wrong into words and an exit code."""

import contextlib
import errno
import os
import sys
from collections.abc import Sequence
from typing import Any

import typer

from rpsd.core.errors import DiskFull, InternalError, RpsdError

# click's base class of usage errors; typer vendors click or not, depending on its version
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]
INTERRUPTED_EXIT = 130
PIPE_EXIT = 141


def run(arguments: Sequence[str]) -> int:
    """Run one command line; its exit code."""
    app = _application(arguments)
    try:
        result = app(args=list(arguments), standalone_mode=False, prog_name="rpsd")
    except Exception as error:  # noqa: BLE001 - the last place where an exception can become words
        return _told(error, "--json" in arguments)
    except (KeyboardInterrupt, SystemExit) as error:
        # click exits with 1 at a broken pipe, before ours could be heard
        return _told(error.__context__ if isinstance(error.__context__, BrokenPipeError) else error, "--json" in arguments)
    return result if isinstance(result, int) else 0


def _application(arguments: Sequence[str]) -> typer.Typer:
    """Every command; or `serve` alone, so that the appliance does not wait for the code of the others."""
    if arguments[:1] != ["serve"]:
        from rpsd.cli.app import app

        return app
    from rpsd.cli.root import application
    from rpsd.cli.serve import serve

    app = application()
    app.command("serve")(serve)
    return app


def _told(error: BaseException, as_json: bool) -> int:
    """The exit code of what went wrong, after it has been put into words."""
    from rpsd.cli.output import USAGE_EXIT, complain

    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        error = DiskFull(f"{error.filename or 'standard output'}: {error.strerror}")
    match error:
        case RpsdError():
            code = complain(error, as_json)
        case _ if isinstance(error, _UsageError):
            _usage(error, as_json)
            code = USAGE_EXIT
        case KeyboardInterrupt() | typer.Abort():
            typer.echo("interrupted", err=True)
            code = INTERRUPTED_EXIT
        case BrokenPipeError():
            sys.stderr.close()  # the reader has gone; nothing is left to tell it
            code = PIPE_EXIT
        case SystemExit():
            code = int(error.code or 0)
        case _:
            code = _unexpected(error, as_json)
    return code


def _usage(error: BaseException, as_json: bool) -> None:
    """Say what was wrong with the command line; a group without a command shows its help instead."""
    context: Any = getattr(error, "ctx", None)
    message = error.format_message()  # type: ignore[attr-defined]
    if as_json:
        import json

        path = "rpsd" if context is None else context.command_path
        body = {"code": "usage", "title": "The command line is not valid", "detail": message, "hint": f"{path} --help", "errors": []}
        typer.echo(json.dumps(body), err=True)
        return
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(message or context.get_help(), err=True)
        return
    typer.echo(f"error: {message} (usage)", err=True)
    if context is not None:
        typer.echo(f"hint: {context.command_path} --help", err=True)


def _unexpected(error: BaseException, as_json: bool) -> int:
    """An exception that is a defect: its place is shown in short, the whole with RPSD_TRACEBACK=1."""
    import traceback

    from rpsd.cli.output import complain

    if os.environ.get("RPSD_TRACEBACK"):
        traceback.print_exception(error)
    last = traceback.extract_tb(error.__traceback__)[-1]
    detail = f"{type(error).__name__}: {error} at {last.name}, line {last.lineno}"
    return complain(InternalError(detail, hint="This is a defect; run again with RPSD_TRACEBACK=1 and report what it prints."), as_json)


def main() -> None:
    """Entry point of the console script."""
    code = run(sys.argv[1:])
    if sys.argv[1:2] in (["serve"], ["release"]):
        # all is closed by now; to take apart an interpreter full of numerics lasts half a second, for which a restart or switch would wait
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
