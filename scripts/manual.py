"""Write the chapters of the manual that are tables of the code: errors, settings, metrics, cli. A test compares them with the files."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

MANUAL = Path(__file__).resolve().parent.parent / "rpsd" / "manual"

_ERRORS = """\
# Errors

Every error has a code, a hint, and one shape on every path. Over HTTP it is an RFC 9457 problem document
(`application/problem+json`): `type` (`/manual/errors#code`), `title`, `status`, `detail`, `code`, `hint`, `request_id`, and for bad
input `errors`, a list of `{pointer, reason}`. On the command line it is `error: detail (code)` and `hint: …` on stderr, or the same
as JSON with `--json`, and the exit code below; a wrong command line exits with 64. The Python client raises the class of the code.
"""
_SETTINGS = """\
# Settings

Precedence: defaults, then the file, then the environment, then flags of the command line. The file is the first that exists of
`--config FILE`, `RPSD_CONFIG`, `/etc/rpsd/config.yaml` and `~/.rpsd/config.yaml`; nothing is merged. `RPSD_<SECTION>__<KEY>` sets any
setting of the tables below, e.g. `RPSD_SERVER__PORT`. `rpsd config check` reads the settings as the server would, `rpsd config show`
prints each value with its origin, `rpsd config defaults` prints a file with everything commented out.

- Durations: `30s`, `15m`, `24h`, `30d`, `2y`; a bare number is seconds. Sizes: `512KiB`, `32MiB`, `2GiB`; a bare number is bytes.
- Rates: `600/min`, `20/s`. Job times: `"02:00"`, `"Sun 04:00"`, or an interval such as `15m`, read in `jobs.timezone`.
- Unknown keys are errors with file, line and column, and all faults are told at once (exit code 78).
- When only `storage.data_dir` is set, cache, secrets, inbox, backups and the admin socket lie below it.
- **live** settings are taken over by SIGHUP (`systemctl reload rpsd`), the others by a restart. A broken file keeps the old ones.
- Settings that are *not yet in use* are accepted, and `rpsd config check` names those that were set.

These names of the environment come from the systems that rpsd replaces, and are read too:

"""
_METRICS = """\
# Metrics

`GET /metrics` answers in the Prometheus text format, or in OpenMetrics when the request accepts it. It is open to the networks of
`monitoring.metrics_allow` (loopback by default); others need a key with `read`. Labels come from closed sets; a symbol is never one.
Besides these there are `process_*` and `python_gc_*` of the client library.

"""
_CLI = """\
# The command line

Every command that prints takes `--json`; every command takes `--config FILE`, which may also stand before the command. Commands that
touch live data go through the running server's admin socket; without a server they open the data directory themselves, one at a
time. Long work shows a bar on a terminal and plain lines in a pipe, on stderr. Exit codes are those of [errors](errors.md), 64 for a
wrong command line, 130 after Ctrl-C.
"""


def errors() -> str:
    """A heading for each code."""
    from rpsd.cli.output import EXIT
    from rpsd.core.errors import ERRORS
    from rpsd.web.problem import status_of

    parts = [_ERRORS]
    for error in ERRORS:
        about = " ".join((error.__doc__ or "").split())
        parts.append(f"## `{error.code}`\n\n{about}\n\nHTTP {status_of(error(''))}, exit code {EXIT[error.kind]}. Hint: {error.hint}\n")
    return "\n".join(parts)


def settings() -> str:
    """A table for each section."""
    from rpsd.config.entries import entries, sections
    from rpsd.config.read import CLASSIC

    parts = [_SETTINGS, *(f"- `{name}` sets `{meant}`\n" for name, meant in CLASSIC.items())]
    docs = {name: doc for name, _, doc in sections()}
    before = ""
    for entry in entries():
        head = entry.name.split(".")[0]
        if head != before:
            before = head
            parts.append(f"\n## {head}\n\n{docs.get(head, entry.doc)}\n\n| setting | default | meaning |\n|---|---|---|\n")
        shown = entry.written if isinstance(entry.written, str) else json.dumps(entry.written)
        parts.append(f"| `{entry.name}` | `{shown}` | {entry.doc}{_traits(entry)} |\n")
    return "".join(parts)


def _traits(entry: Any) -> str:
    words = [
        *(["**live**"] if entry.live else []),
        *([f"follows `{entry.follows}`"] if entry.follows else []),
        *([f"*not yet in use: {entry.room}*"] if entry.room else []),
    ]
    return f" ({'; '.join(words)})" if words else ""


def metrics() -> str:
    """One table."""
    from rpsd.telemetry import Metrics

    rows = [f"| `{m.name}` | {m.type} | {', '.join(m.labels) or '–'} | {m.doc} |\n" for m in Metrics().described()]
    return "".join([_METRICS, "| metric | type | labels | meaning |\n|---|---|---|---|\n", *rows])


def cli() -> str:
    """Usage of each command."""
    import typer

    from rpsd.cli.app import app

    return "\n".join([_CLI, *_commands(typer.main.get_command(app), "rpsd")])


def _commands(command: Any, name: str) -> Iterator[str]:
    """The command and those below it: heading, sentence, arguments and options."""
    children = getattr(command, "commands", {})
    for child in children:
        yield from _commands(children[child], f"{name} {child}")
    if children:
        return
    rows = []
    for parameter in command.params:
        if getattr(parameter, "hidden", False) or parameter.name in ("help", "config_file", "as_json"):
            continue
        argument = parameter.param_type_name == "argument"
        shown = (parameter.metavar or parameter.name.upper()) if argument else ", ".join([*parameter.opts, *parameter.secondary_opts])
        needed = " (needed)" if parameter.required else ""
        rows.append(f"- `{shown}`{needed}: {getattr(parameter, 'help', None) or 'see the sentence above.'}")
    about = re.sub(r"\s+", " ", command.help or "")
    yield f"## {name}\n\n{about}\n" + ("\n" + "\n".join(rows) + "\n" if rows else "")


CHAPTERS: dict[str, Callable[[], str]] = {"errors": errors, "settings": settings, "metrics": metrics, "cli": cli}


def main() -> None:
    """Write the chapters."""
    for name, chapter in CHAPTERS.items():
        (MANUAL / f"{name}.md").write_text(chapter(), encoding="utf-8")


if __name__ == "__main__":
    main()
