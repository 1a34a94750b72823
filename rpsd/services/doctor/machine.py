"""The machine around rpsd: clock, time zone, units and their sandbox, releases, and settings that wait for a restart."""

import ctypes
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from rpsd.config import Settings, explain
from rpsd.config.listening import ROOTS, Address, address_text, is_of_service, listening_faults
from rpsd.services.doctor.finding import FAILED, NOTE, OK, WARNING, Finding
from rpsd.services.listening import unopened

UNITS: Final[Mapping[str, float]] = {"rpsd.service": 0.3, "rpsd-outbound.service": 1.0}
"""Units with the most that `systemd-analyze security` may say of them."""
SWITCHES: Final = Path("/opt/rpsd/releases/switches.jsonl")
_STA_UNSYNC: Final = 0x40
_STATUS_AT: Final = 40
"""Byte of `status` in struct timex of a 64-bit Linux."""
_SECONDS: Final = 10.0

Ask = Callable[[list[str]], str | None]
"""Runs a command; what it says on stdout, None when it is missing, fails, or takes too long."""


def ask(command: list[str]) -> str | None:
    """The command's stdout. Without a shell, with a time limit."""
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 - names of this file
            command, capture_output=True, text=True, timeout=_SECONDS, check=False, stdin=subprocess.DEVNULL, errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def clock_status() -> int | None:
    """`status` of adjtimex; None where the system has no such call or forbids it."""
    try:
        call = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    held = ctypes.create_string_buffer(256)  # `modes` 0: only read
    if call(held) < 0:
        return None
    return int.from_bytes(held.raw[_STATUS_AT : _STATUS_AT + 4], "little")


def clock(read: Callable[[], int | None] = clock_status) -> Iterator[Finding]:
    """Whether something keeps the clock right: bars are judged by it."""
    status = read()
    if status is None:
        yield Finding("clock", NOTE, "the system does not tell whether its clock is synchronised")
    elif status & _STA_UNSYNC:
        hint = "Switch on systemd-timesyncd, chrony or what the hypervisor offers; `timedatectl` shows it."
        yield Finding("clock", WARNING, "nothing synchronises the clock", hint)
    else:
        yield Finding("clock", OK, "synchronised")


def time_zone(settings: Settings, place: Path = Path("/etc/localtime")) -> Iterator[Finding]:
    """The zone of schedules beside that of the machine."""
    zone = settings.jobs.timezone
    target = str(place.resolve())
    machine = target.partition("zoneinfo/")[2] or "UTC"
    same = machine.removeprefix("Etc/") == zone.removeprefix("Etc/")
    told = f"schedules run in {zone}" + ("" if same else f", the machine's clock shows {machine}")
    yield Finding("time_zone", OK if same else NOTE, told, "" if same else "jobs.timezone decides when jobs run.")


def units(asked: Ask = ask, booted: Path = Path("/run/systemd/system")) -> Iterator[Finding]:
    """The units: loaded, running, sandboxed, with which drop-ins."""
    if not booted.is_dir():
        yield Finding("units", NOTE, "this machine does not run systemd; rpsd is started by hand")
        return
    for unit, most in UNITS.items():
        said = asked(["systemctl", "show", unit, "-p", "LoadState,ActiveState,UnitFileState,NeedDaemonReload,DropInPaths,NRestarts"])
        facts = dict(line.split("=", 1) for line in (said or "").splitlines() if "=" in line)
        if facts.get("LoadState") != "loaded":
            yield Finding(f"unit {unit}", NOTE, f"not installed ({facts.get('LoadState', 'systemctl does not answer')})")
            continue
        yield from _unit(unit, facts)
        yield from _exposure(unit, most, asked(["systemd-analyze", "security", "--no-pager", unit]))


def _unit(unit: str, facts: Mapping[str, str]) -> Iterator[Finding]:
    state, restarts = facts.get("ActiveState", ""), facts.get("NRestarts", "0")
    told = f"{state}, restarted {restarts} times by systemd since it was started"
    if state == "failed":
        yield Finding(f"unit {unit}", FAILED, told, f"`journalctl -u {unit} -n 50` tells why; then `systemctl restart {unit}`.")
    elif state == "active":
        yield Finding(f"unit {unit}", OK, told)
    elif facts.get("UnitFileState") == "disabled":
        yield Finding(f"unit {unit}", NOTE, f"{state}, disabled")
    else:
        yield Finding(f"unit {unit}", WARNING, state or "does not run", f"systemctl start {unit}")
    if facts.get("NeedDaemonReload") == "yes":
        yield Finding(f"unit {unit}", WARNING, "its files have changed since systemd read them", "systemctl daemon-reload")
    if drops := facts.get("DropInPaths", "").strip():
        yield Finding(f"drop-ins {unit}", NOTE, drops, "They change what was tested; `systemctl cat` shows how.")


def _exposure(unit: str, most: float, said: str | None) -> Iterator[Finding]:
    found = re.search(r"exposure level for \S+: ([0-9.]+)", said or "")
    if found is None:
        yield Finding(f"sandbox {unit}", NOTE, "systemd-analyze does not tell")
        return
    score = float(found[1])
    hint = "" if score <= most else f"A drop-in has opened it: `systemctl cat {unit}`."
    yield Finding(f"sandbox {unit}", OK if score <= most else WARNING, f"exposure {score:g}, at most {most:g}", hint)


def socket_unit(settings: Settings, roots: Iterable[Path] = ROOTS) -> Iterator[Finding]:
    """Settings against the socket unit."""
    if not is_of_service(settings):
        return
    faults = listening_faults(settings, roots)
    for fault in faults:
        reason, _, script = fault.reason.partition("; write ")
        yield Finding("socket", FAILED, f"{fault.pointer}: {reason}", f"Run: {script}")
    if not faults:
        yield Finding("socket", OK, "settings and socket unit agree")


def sockets(asked: Ask = ask, missing: Callable[[], list[Address]] = unopened) -> Iterator[Finding]:
    """Whether systemd holds all that the socket unit names: a changed unit opens nothing before it is restarted."""
    said = asked(["systemctl", "show", "--value", "--property=ActiveState", "rpsd.socket"])
    if (said or "").strip() != "active":
        return
    if found := missing():
        told = f"rpsd.socket names {', '.join(map(address_text, found))}, and nothing listens there"
        yield Finding("listeners", FAILED, told, "systemctl restart rpsd.socket rpsd.service (connections that wait are cut)")
    else:
        yield Finding("listeners", OK, "all that rpsd.socket names is open")


def drift(settings: Settings, running: Iterable[Mapping[str, Any]]) -> Iterator[Finding]:
    """Settings of the file that the running server has not taken over. What came by environment or flag it alone knows."""
    ours = {row.name: row.value for row in explain(settings)}
    changed = [
        str(row["name"])
        for row in running
        if not str(row["origin"]).startswith(("environment", "flag")) and row["name"] in ours and ours[row["name"]] != row["value"]
    ]
    if changed:
        hint = "`systemctl reload rpsd` takes over what is live, `systemctl restart rpsd` the rest."
        yield Finding("settings", WARNING, f"the server runs with other values of {', '.join(changed)}", hint)
    else:
        yield Finding("settings", OK, "the server runs with what the file says")


def releases(place: Path = SWITCHES) -> Iterator[Finding]:
    """How the last switch of releases went: kept, refused before anything changed, or rolled back."""
    try:
        lines = place.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    rows = []
    for line in lines:
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue  # a line that was being written
    if not rows:
        return
    last = rows[-1]
    outcome, told = (
        str(last.get("outcome", "")),
        f"the last switch, to {last.get('to') or 'another release'}: {last.get('outcome') or 'unknown'}",
    )
    if outcome == "kept":
        yield Finding("release", OK, told)
    else:
        reason = f" ({last['reason']})" if last.get("reason") else ""
        hint = "The release before it serves; `rpsd release list` shows them. Mend what it tells and install again."
        yield Finding("release", WARNING, told + reason, hint)
