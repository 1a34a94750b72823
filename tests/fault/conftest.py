"""The report of the fault tests: what was done to the service and what came of it, in figures, beside the tests."""

import os
from collections.abc import Callable

import pytest

from tests.bench.report import machine
from tests.conftest import ROOT

REPORT = ROOT / "tests" / "fault" / "report.txt"
Record = Callable[[str, str], None]
_lines: dict[str, str] = {}


@pytest.fixture
def record() -> Record:
    """Call it with a name and a sentence of figures; they come into the report when the whole family has run."""

    def note(name: str, figures: str) -> None:
        _lines[name] = figures
        print(f"{name}: {figures}", flush=True)

    return note


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the report of a run of the whole family; a run of some tests, or of other families, leaves it as it is."""
    whole = [argument.rstrip("/") for argument in session.config.args] == ["tests/fault"] and not session.config.option.keyword
    if not (whole and _lines):
        return
    kills = os.environ.get("RPSD_FAULT_KILLS")
    told = "make test-fault" if os.environ.get("MAKELEVEL") else "python -m pytest tests/fault -m fault"
    command = f"RPSD_FAULT_KILLS={kills} {told}" if kills else told
    passed = session.testscollected - session.testsfailed
    lines = [f"command  {command}", *machine(), f"tests    {passed} passed, {session.testsfailed} failed, exit {int(exitstatus)}", ""]
    lines += [f"{name}: {figures}" for name, figures in sorted(_lines.items())]
    REPORT.write_text("\n".join(lines) + "\n", encoding="utf-8")
