"""Every console block of the README and the manual runs, and prints what the page says.

A page's blocks run in order in one fresh home, data directory and working directory, with `rpsd` and `python` on PATH and the bundled
samples in rpsd/samples, as in a clone. A page that needs a server says `<!-- server -->`: one is started on a free port, and port 8000
in commands and expected output stands for it; the page's $RPSD_KEY is its admin key, its log is rpsd.log. A block that must not run
here (it installs, or never ends) is fenced as `sh`, not `console`.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, Step, matches, steps

SERVER = "<!-- server -->"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(home: Path, port: int) -> dict[str, str]:
    """What a reader's shell has, and nothing of the tester's."""
    rpsd, python = home / "bin" / "rpsd", home / "bin" / "python"
    rpsd.parent.mkdir(parents=True)
    rpsd.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m rpsd "$@"\n')
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    for program in (rpsd, python):
        program.chmod(0o755)
    kept = {name: os.environ[name] for name in ("NUMBA_CACHE_DIR",) if name in os.environ}  # and no coverage: a third of the time
    return kept | {
        "PATH": f"{rpsd.parent}:{os.environ['PATH']}",
        "HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "RPSD_DATA_DIR": str(home / "data"),
        "RPSD_SERVER__PORT": str(port),
        "RPSD_MONITORING__LOG_FILE": str(home / "rpsd.log"),
        "LC_ALL": "C.UTF-8",
        "COLUMNS": "120",
        "NO_COLOR": "1",
    }


def started(home: Path, port: int, variables: dict[str, str]) -> subprocess.Popen[bytes]:
    """A server that answers, with its admin key in the variables."""
    answer = subprocess.run(["rpsd", "init", "--json"], env=variables, capture_output=True, check=True, timeout=60)
    variables["RPSD_KEY"] = json.loads(answer.stdout)["admin_key"]
    with (home / "server.log").open("wb") as log:
        server = subprocess.Popen(["rpsd", "serve"], env=variables, cwd=home, stdout=log, stderr=log)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=2):
                return server
        except OSError:
            time.sleep(0.1)
    server.kill()
    raise AssertionError((home / "server.log").read_text()[-2000:])


@pytest.fixture
def reader(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Path, dict[str, str], int]]:
    """Home, environment and port of somebody who follows the page."""
    page: Path = request.param
    home, port = tmp_path / "home", free_port()
    home.mkdir()
    (home / "rpsd").mkdir()
    (home / "rpsd" / "samples").symlink_to(ROOT / "rpsd" / "samples")
    variables = environment(home, port)
    server = started(home, port, variables) if SERVER in page.read_text(encoding="utf-8") else None
    yield page, variables, port
    if server is not None:
        server.terminate()
        assert server.wait(timeout=40) == 0


def run(step: Step, home: Path, variables: dict[str, str], port: int) -> list[str]:
    """Lines that the command prints, with the port as pages write it."""
    command = step.command.replace(":8000", f":{port}")
    done = subprocess.run(["bash", "-c", command], cwd=home, env=variables, capture_output=True, text=True, timeout=120, check=False)
    return (done.stdout + done.stderr).replace(f":{port}", ":8000").rstrip("\n").splitlines()


@pytest.mark.slow
@pytest.mark.parametrize(
    "reader", [page for page in PAGES if list(steps(page.read_text(encoding="utf-8")))], indirect=True, ids=lambda p: p.name
)
def test_the_page_runs(reader: tuple[Path, dict[str, str], int]) -> None:
    page, variables, port = reader
    for step in steps(page.read_text(encoding="utf-8")):
        printed = run(step, Path(variables["HOME"]), variables, port)
        if step.expected and not matches(step.expected, printed):
            shown = "\n".join(line[:400] for line in printed[:40])
            said = "\n".join(step.expected)
            pytest.fail(f"{page.name}:{step.line}: $ {step.command}\n--- the page says\n{said}\n--- it prints\n{shown}", pytrace=False)


def test_the_comparison_is_loose_only_where_it_says_so() -> None:
    assert matches(("a … c", "…", "end"), ["a b c", "x", "y", "end"])
    assert matches(("…",), [])
    assert not matches(("a … c",), ["a b d"])
    assert not matches(("a",), ["a", "b"])
    assert not matches(("a", "b"), ["a"])


def test_blocks_are_read_as_written() -> None:
    text = "```sh\n$ never\n```\n\n```console\n$ one \\\n    two\nout\n\n$ three\n```\n"
    assert list(steps(text)) == [Step(6, "one \\\n    two", ("out",)), Step(10, "three", ())]


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash on this machine")
def test_a_page_that_lies_is_seen(tmp_path: Path) -> None:
    step = next(steps("```console\n$ echo true\nfalse\n```\n"))
    assert not matches(step.expected, run(step, tmp_path, dict(os.environ), 1))
