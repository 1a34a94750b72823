"""Blocks of commands that need root, systemd or a network are not run here; what they say of rpsd is held to its command line."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from rpsd.cli.app import app
from tests.docs.pages import FENCE, PAGES

ENDS = {"&&", "||", "|", ";"}
BLOCKS = [
    pytest.param(block["body"], id=f"{page.name}:{text.count(chr(10), 0, block.start()) + 1}")
    for page in PAGES
    for text in [page.read_text(encoding="utf-8")]
    for block in FENCE.finditer(text)
    if block["info"].strip() == "sh"
]


def calls(block: str) -> Iterator[list[str]]:
    """The arguments of each `rpsd …` of the block."""
    for line in block.replace("\\\n", " ").splitlines():
        reader = shlex.shlex(line, posix=True, punctuation_chars=True)
        reader.whitespace_split = True
        command = list[str]()
        for word in (*reader, ";"):
            if word not in ENDS:
                command.append(word)
                continue
            command = command[4:] if command[:4] == ["runuser", "-u", "rpsd", "--"] else command
            if command[:1] == ["rpsd"]:
                yield command[1:]
            command = []


def faults(arguments: list[str]) -> str | None:
    """What the command line would refuse before anything is done, or None."""
    command: Any = typer.main.get_command(app)
    rest = list(arguments)
    while children := getattr(command, "commands", {}):
        if not rest or rest[0] not in children:
            return f"there is no command {' '.join(arguments)}"
        command = children[rest.pop(0)]
    try:
        command.make_context(command.name, rest)
    except Exception as error:  # of the parser's own click, which typer carries with it
        return str(getattr(error, "message", error))
    return None


@pytest.mark.parametrize("block", BLOCKS)
def test_the_block_is_a_script_and_rpsd_knows_its_words(block: str) -> None:
    done = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [told for arguments in calls(block) if (told := faults(arguments))] == []


def test_calls_are_found_and_wrong_ones_seen() -> None:
    assert list(calls("runuser -u rpsd -- rpsd init # once\nsystemctl stop rpsd && rpsd health\n")) == [["init"], ["health"]]
    assert "no command" in str(faults(["restor"]))
    assert re.search("--dry", str(faults(["restore", "x", "--dry"])))
    assert faults(["restore", "x", "--dry-run"]) is None
