"""What every command keeps: JSON where it prints, its exit codes, a completion, and help that loads no numerics."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from rpsd.__main__ import run
from rpsd.cli.app import app
from rpsd.cli.output import EXIT, complain
from rpsd.core.errors import ERRORS, Kind

NO_JSON = {
    "rpsd serve": "it logs, one JSON object a line",
    "rpsd outbound": "it logs, one JSON object a line",
    "rpsd demo": "a story on the way to a server that stays",
    "rpsd series export": "its answer is rows, as CSV or NDJSON",
}
"""Commands without --json, and why."""
DESIGN = {"INPUT": 65, "MISSING": 66, "CONFLICT": 73, "DENIED": 77, "BUSY": 75, "CONFIG": 78, "INTERNAL": 70}


def leaves(command: Any = None, name: str = "rpsd") -> Iterator[tuple[str, Any]]:
    """Every command with its full name; hidden ones are for machines."""
    command = typer.main.get_command(app) if command is None else command
    children = getattr(command, "commands", {})
    if not children and not command.hidden:
        yield name, command
    for child in children:
        yield from leaves(children[child], f"{name} {child}")


COMMANDS = dict(leaves())


def options(command: Any) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_that_prints_can_print_json(name: str) -> None:
    assert ("--json" in options(COMMANDS[name])) == (name not in NO_JSON), NO_JSON.get(name, "it lacks --json")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_wrong_option_of_any_command_exits_with_64(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    words = name.split()[1:]
    assert run([*words, "--no-such-option"]) == 64
    assert "(usage)" in capfd.readouterr().err
    assert run([*words, "--no-such-option", "--json"]) == 64
    said = capfd.readouterr()
    assert (json.loads(said.err)["code"], said.out) == ("usage", "")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_any_command_exits_with_0(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run([*name.split()[1:], "--help"]) == 0
    assert "Usage: " in capfd.readouterr().out


WITH_SETTINGS = [
    name
    for name, command in COMMANDS.items()
    if "--config" in options(command) and not any(p.required for p in command.params) and name != "rpsd doctor"
]
"""All but the doctor, to whom settings that cannot be used are a finding."""


@pytest.mark.parametrize("name", WITH_SETTINGS)
def test_settings_that_cannot_be_used_exit_with_78(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("porrt: 1\n")
    chosen = ["--all"] if name == "rpsd retrain" else []  # one of two options that it cannot do without
    assert run([*name.split()[1:], *chosen, "--config", str(file)]) == 78
    said = capfd.readouterr()
    assert "(bad_config)" in said.err
    assert said.out == ""


def test_the_exit_codes_are_those_of_the_design() -> None:
    assert {kind.name: code for kind, code in EXIT.items()} == DESIGN
    assert set(EXIT) == set(Kind)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.code)
def test_every_error_exits_with_its_kind_and_is_told_as_json(error: Any, capfd: pytest.CaptureFixture[str]) -> None:
    assert complain(error("what happened"), True) == DESIGN[error.kind.name]
    assert json.loads(capfd.readouterr().err)["code"] == error.code


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands(shell: str) -> None:
    variables = {"_RPSD_COMPLETE": f"complete_{shell}", "COMP_WORDS": "rpsd ke", "COMP_CWORD": "1", "_TYPER_COMPLETE_ARGS": "rpsd ke"}
    done = subprocess.run(
        [sys.executable, "-m", "rpsd"], env={**os.environ, **variables, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}, capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "keys" in done.stdout, done.stderr
