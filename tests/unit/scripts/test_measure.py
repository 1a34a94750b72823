"""The size budget counts what it says and fails where it is broken."""

import subprocess
import sys
from pathlib import Path

import pytest


def measure(root: Path, folder: Path) -> tuple[int, str]:
    command = [sys.executable, root / "scripts" / "measure.py", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def nested(depth: int) -> str:
    lines = ["def f(x):"]
    lines += ["    " * (level + 1) + "if x:" for level in range(depth)]
    return "\n".join([*lines, "    " * (depth + 1) + "return x"]) + "\n"


LADDER = (
    "def f(x):\n    if x == 0:\n        return 0\n"
    + "".join(f"    elif x == {k}:\n        return {k}\n" for k in range(1, 9))
    + "    return x\n"
)

CASES = {
    "400 lines": ("x = 1\n" * 400, None),
    "401 lines": ("x = 1\n" * 401, "file lines 401"),
    "60 lines of function": ("def f():\n" + "    x = 1\n" * 59, None),
    "61 lines of function": ("def f():\n" + "    x = 1\n" * 60, "function lines 61"),
    "4 deep": (nested(4), None),
    "5 deep": (nested(5), "nesting 5"),
    "elif is level": (LADDER, None),
}


@pytest.mark.parametrize("case", CASES)
def test_limits(tmp_path: Path, root: Path, case: str) -> None:
    text, breach = CASES[case]
    (tmp_path / "measured.py").write_text(text)
    status, output = measure(root, tmp_path)
    assert status == (breach is not None)
    assert breach is None or breach in output


def test_percentiles_are_of_the_files(tmp_path: Path, root: Path) -> None:
    for n in range(1, 11):
        (tmp_path / f"f{n}.py").write_text("x = 1\n" * n)
    assert "n    10  p50    5  p90    9  max   10 of  400" in measure(root, tmp_path)[1]
