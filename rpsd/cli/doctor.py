"""`rpsd doctor`: is the installed box as it should be, and what to do where it is not."""

import textwrap
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rpsd.cli.output import WIDTH, AsJson, ConfigFile, Progress, answer
from rpsd.cli.reach import load, quiet, reached

if TYPE_CHECKING:
    from rpsd.cli.live import Live
    from rpsd.cli.local import Local
    from rpsd.config import Settings
    from rpsd.services.doctor.finding import Finding

EXIT = {"ok": 0, "note": 0, "warning": 1, "failed": 2}
Rows = list[dict[str, Any]]


def doctor(
    fix: Annotated[bool, typer.Option("--fix", help="Mend what can be mended without a person.")] = False,
    bundle: Annotated[Path | None, typer.Option("--bundle", metavar="FILE.tar.gz", help="Write a support bundle without secrets.")] = None,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Look at everything that can be wrong with the box. Exit 0: all well, 1: warnings, 2: failures."""
    from rpsd.core.errors import BadConfig
    from rpsd.services.doctor.finding import worst

    quiet()
    parts: dict[str, Any] = {}
    rows: Rows = []
    mended: list[str] = []
    settings: Settings | None = None
    with Progress("doctor") as progress:
        try:
            settings = load(config_file)
        except BadConfig as error:
            reasons = [f"{fault.pointer}: {fault.reason}" for fault in error.errors] or [error.detail]
            rows = [_row("settings", "failed", reason, "`rpsd config check` tells more.") for reason in reasons]
        else:
            rows, mended = examined(settings, fix, parts if bundle is not None else None, progress)
        data = {"status": worst(rows), "findings": rows, "mended": mended, "bundle": None}
        if bundle is not None and settings is not None:
            data["bundle"] = packed(bundle, settings, data, parts, progress)
    answer(data, as_json, lambda: report(data))
    raise typer.Exit(EXIT[str(data["status"])])


def examined(settings: "Settings", fix: bool, parts: dict[str, Any] | None, progress: Progress) -> tuple[Rows, list[str]]:
    """Findings of the machine and of the data, and the names of what was mended; `parts` takes what a bundle wants to hold."""
    mended: list[str] = []
    found = _around(settings, progress)
    if fix:
        mended = [each.name for each in found if _mend(each)]
        found = _around(settings, progress) if mended else found
    progress(0.5, "asking the server")
    rows = [each.as_dict() for each in found]
    inside, more = _within(settings, fix, parts)
    return [*rows, *inside], [*mended, *more]


def _around(settings: "Settings", progress: Progress) -> "list[Finding]":
    """What can be seen without the server."""
    from rpsd.config import validate
    from rpsd.services.doctor import machine, places
    from rpsd.services.doctor.finding import Finding

    def faults() -> Iterator[Finding]:
        spoken = {fault.reason for fault in (*_secret_faults(settings),)}
        for fault in validate(settings):
            if fault.reason not in spoken:
                yield Finding(
                    "settings", "failed", f"{fault.pointer}: {fault.reason}", "`rpsd config check` lists what keeps it from starting."
                )

    checks: tuple[Callable[[], Iterable[Finding]], ...] = (
        faults,
        lambda: places.directories(settings),
        lambda: places.files(settings),
        lambda: places.secrets(settings),
        lambda: places.disks(settings),
        machine.clock,
        lambda: machine.time_zone(settings),
        machine.units,
        lambda: machine.socket_unit(settings),
        machine.sockets,
        machine.releases,
    )
    found: list[Finding] = []
    for at, check in enumerate(checks):
        progress(0.5 * at / len(checks), "looking at the machine")
        try:
            found += check()
        except OSError as error:
            told = f"{error.filename or 'a file'} cannot be looked at: {error.strerror}"
            found.append(Finding("machine", "note", told, "Run the doctor as root or as the user of rpsd."))
    return found


def _secret_faults(settings: "Settings") -> list[Any]:
    from rpsd.config.confidential import secret_faults
    from rpsd.config.secret import webhook_faults

    return [*secret_faults(settings), *webhook_faults(settings)]


def _mend(finding: "Finding") -> bool:
    """Whether it could be mended."""
    if finding.fix is None:
        return False
    try:
        finding.fix()
    except OSError:
        return False  # the second look says what is left
    return True


def _within(settings: "Settings", fix: bool, parts: dict[str, Any] | None) -> tuple[Rows, list[str]]:
    """What the owner of the data finds: the server, or this process where none runs."""
    from rpsd.core.errors import RpsdError
    from rpsd.services.doctor import machine, places

    try:
        if not settings.server.admin_socket.is_socket() and not places.has_data(settings):
            return [_row("server", "note", "no server runs, and there are no data yet", "`rpsd init` makes them.")], []
        with reached(settings) as here:
            answered = here.upkeep.examine(fix)
            rows = [_server(here), *answered["findings"]]
            if here.upkeep.is_live:
                rows += [each.as_dict() for each in machine.drift(settings, here.upkeep.settings())]
            if parts is not None:
                parts |= here.upkeep.account()
            return rows, list(answered["mended"])
    except (RpsdError, OSError) as error:
        return [_row("server", "failed", getattr(error, "detail", str(error)), getattr(error, "advice", ""))], []


def _server(here: "Live | Local") -> dict[str, Any]:
    if here.upkeep.is_live:
        return _row("server", "ok", "answers on its admin socket")
    return _row("server", "note", "none runs; the data were looked at by this command", "`systemctl start rpsd`, or `rpsd serve`.")


def _row(name: str, status: str, detail: str, hint: str = "") -> dict[str, Any]:
    from rpsd.services.doctor.finding import Finding

    return Finding(name, status, detail, hint).as_dict()


def packed(target: Path, settings: "Settings", data: dict[str, Any], parts: dict[str, Any], progress: Progress) -> str:
    """Write the support bundle; its path."""
    from rpsd.core.errors import UnsafeStorage
    from rpsd.services.doctor import bundle

    whole = {"doctor.json": data, "versions.json": bundle.versions(), "log.jsonl": bundle.log_tail(settings), **parts}
    whole["audit.json"] = bundle.audit_tail(whole.get("audit.json", []))
    whole["config.json"] = bundle.brief(whole.get("config.json", []))
    try:
        bundle.write(target.absolute(), whole, settings, lambda share, name: progress(0.8 + 0.2 * share, name))
    except OSError as error:
        raise UnsafeStorage(f"{target} cannot be written: {error.strerror}") from error
    return str(target)


def report(data: dict[str, Any]) -> str:
    """Findings below one another, each that is not well with what to do."""
    width = max((len(row["name"]) for row in data["findings"]), default=0)
    lines = []
    for row in data["findings"]:
        head = f"{row['status']:<8}{row['name']:<{width}}  "
        lines.append(textwrap.fill(head + row["detail"], WIDTH, subsequent_indent=" " * len(head), break_long_words=False))
        if row["hint"] and row["status"] != "ok":
            lines.append(f"{' ' * len(head)}{row['hint']}")
    counts = {status: sum(row["status"] == status for row in data["findings"]) for status in EXIT}
    lines.append(f"\n{len(data['findings'])} looked at: {counts['failed']} failed, {counts['warning']} warnings, {counts['note']} notes")
    if data["mended"]:
        lines.append(f"mended: {', '.join(data['mended'])}")
    if data["bundle"]:
        lines.append(f"bundle: {data['bundle']}; look through it before you send it")
    return "\n".join(lines)
