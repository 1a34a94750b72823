"""The manual's blocks of commands for root, followed on a booted machine as a reader would: whole, and in a directory of their own."""

import re
import shlex
from collections.abc import Iterator

from tests.conftest import ROOT
from tests.docs.pages import FENCE
from tests.system.machine import Machine

PLACE = "/var/local/manual"
EDITOR = f"{PLACE}/editor"
"""What stands in for the reader at `systemctl edit`: it writes what the block shows as comments."""

_DOCTOR = 'rpsd() { command rpsd "$@" || [ "$1/$?" = doctor/1 ]; }'
"""The doctor ends with 1 where it has a warning, and a machine of tests has no clock that anything keeps: that is no fault of the block."""

followed: set[tuple[str, str]] = set()
"""Page and first line of each block that was followed to its end."""


def blocks(page: str) -> Iterator[str]:
    """The blocks of commands of a page."""
    text = (ROOT / "rpsd" / "manual" / f"{page}.md").read_text(encoding="utf-8")
    yield from (found["body"] for found in FENCE.finditer(text) if found["info"].strip() == "sh")


def block(page: str, first: str) -> str:
    """The one block of a page that begins so."""
    [found] = [body for body in blocks(page) if body.startswith(first)]
    return found


def follow(machine: Machine, page: str, first: str, **filled: str) -> str:
    """Run a block as root; what it printed. `filled` is what the page leaves to the reader, by its names in OPEN.

    Raises AssertionError where a line of it fails.
    """
    printed = follow_lines(machine, block(page, first), **filled)
    followed.add((page, first))
    return printed


def follow_lines(machine: Machine, script: str, **filled: str) -> str:
    """The same with lines of a block."""
    for was, now in filled.items():
        assert OPEN[was] in script, f"the page does not say {OPEN[was]} any more"
        script = script.replace(OPEN[was], now)
    commands = "\n".join(line.partition(" # ")[0] for line in script.splitlines() if not line.startswith("#"))
    assert "…" not in commands, f"nothing stands for the … of:\n{commands}"
    machine.run("mkdir", "-p", PLACE)
    run = f"cd {PLACE}; set -eu; {_DOCTOR}\n{script}"
    words = ["bash", "-c", run]
    if edited := re.findall(r"^# ?(.*)$", script, re.MULTILINE) if "systemctl edit" in script else []:
        text = "".join(f"{line}\n" for line in edited)
        machine.shell(f"printf '#!/bin/sh\\ncat > \"$1\" <<EOF\\n%sEOF\\n' {shlex.quote(text)} > {EDITOR}; chmod +x {EDITOR}")
        words = ["script", "--quiet", "--return", "--command", shlex.join(words), "/dev/null"]  # it edits at a terminal only
    done = machine.run(*words, check=False, timeout=300, environment={"SYSTEMD_EDITOR": EDITOR, "SYSTEMD_PAGER": "cat"})
    assert done.returncode == 0, f"{script}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout + done.stderr


OPEN = {
    "recipient": "age1…",
    "sealed": "rpsd-….rpsdbak.age",
    "newest": "rpsd-20260301T010000Z.rpsdbak",
}
"""What the pages leave to the reader, by a name."""
