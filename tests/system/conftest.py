"""One booted machine for the session with the package installed, and the report of what was measured on it."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.bench.report import machine as described
from tests.conftest import ROOT
from tests.system.installed import Appliance, install
from tests.system.machine import Machine, Missing, booted

REPORT = ROOT / "tests" / "system" / "report.txt"
Record = Callable[[str, str], None]
_lines: dict[str, str] = {}
_began = time.monotonic()


@pytest.fixture(scope="session")
def record() -> Record:
    """Call it with a name and a sentence of figures; they come into the report when the whole family has run."""

    def note(name: str, figures: str) -> None:
        _lines[name] = figures
        print(f"{name}: {figures}", flush=True)

    return note


@pytest.fixture(scope="session")
def new_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Machine]]:
    """Boots a machine by a name; all of them end with the session."""
    with contextlib.ExitStack() as stack:

        def boot(name: str) -> Machine:
            try:
                return stack.enter_context(booted(tmp_path_factory.mktemp(name), f"rpsd{name}{os.getpid()}"))
            except Missing as missing:
                pytest.fail(str(missing), pytrace=False)

        yield boot


@pytest.fixture(scope="session")
def machine(new_machine: Callable[[str], Machine], record: Record) -> Machine:
    """A booted machine; nothing is installed yet unless a test before did."""
    booted_machine = new_machine("one")
    record("host", f"systemd {booted_machine.run('systemctl', '--version').stdout.split()[1]} booted in a container of its own")
    return booted_machine


@pytest.fixture(scope="session")
def appliance(machine: Machine, record: Record) -> Appliance:
    """rpsd installed on the machine and serving, with an admin key."""
    return install(machine, record)


@pytest.fixture(scope="session")
def compiled(appliance: Appliance) -> Path:
    """The kernels that the first machine has compiled, for those that come after it."""
    appliance.until_ready()
    appliance.machine.shell("tar -C /var/cache/rpsd -cf /share/compiled.tar .")
    return appliance.machine.share / "compiled.tar"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The machine is one and has a history: installed first, purged last. Files run by their names, tests in their order."""
    if all(item.path.is_relative_to(Path(__file__).parent) for item in items):
        items.sort(key=lambda item: (str(item.path), item.location[1] or 0))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the report of a run of the whole family; a run of some tests, or of other families, leaves it as it is."""
    whole = [argument.rstrip("/") for argument in session.config.args] == ["tests/system"] and not session.config.option.keyword
    if not (whole and _lines):
        return
    told = "make test-system" if os.environ.get("MAKELEVEL") else "python -m pytest tests/system -m system"
    passed = session.testscollected - session.testsfailed
    lines = [f"command  {told}", *described(), f"tests    {passed} passed, {session.testsfailed} failed, exit {int(exitstatus)}"]
    lines += [f"took     {time.monotonic() - _began:.0f} s", "", *(f"{name}: {figures}" for name, figures in sorted(_lines.items()))]
    REPORT.write_text("\n".join(lines) + "\n", encoding="utf-8")
