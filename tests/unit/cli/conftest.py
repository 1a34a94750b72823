"""Commands run in this process over a data directory of their own."""

from collections.abc import Callable
from pathlib import Path

import pytest

from rpsd.__main__ import run

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def rpsd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run one command line in this process; exit code, stdout, stderr."""
    monkeypatch.setenv("RPSD_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))

    def invoke(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        code = run(arguments)
        out, err = capfd.readouterr()
        return code, out, err

    return invoke
