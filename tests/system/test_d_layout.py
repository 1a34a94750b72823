"""Upgrades that change the layout of the data, under load: what was acknowledged stays, whether the new release is kept or taken back."""

import json
import re
from pathlib import Path

import pytest

from rpsd import __version__
from tests.system.conftest import Record
from tests.system.installed import DEB, PYTHON, Appliance, put
from tests.system.under_load import Tally, loaded, rows_there
from tests.system.versions import replace_module, unpacked, version_of

pytestmark = pytest.mark.system

CHANGED, SILENT = f"{__version__}+layout", f"{__version__}+silent"
DATA = "/var/lib/rpsd/rpsd.db"
ROLLBACK_SECONDS = 15.0  # also beside other work; a write that waits may wait for twenty, and the way back must not wait for it
_REFUSED = re.compile(r"(fresh|kept) write: status 503")


def change_layout(code: Path) -> None:
    """One migration more."""
    (code / "store" / "sql" / "9999_layout.sql").write_text("CREATE TABLE layout (id INTEGER PRIMARY KEY) STRICT;\n")


def change_and_say_another_name(code: Path) -> None:
    """One migration more, and it serves, but as no release that anybody has asked for."""
    change_layout(code)
    health = (code / "services/health.py").read_text(encoding="utf-8")
    replace_module(code, "services/health.py", health.replace('"version": __version__', '"version": "0"'))


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package laid open once."""
    return unpacked(DEB, tmp_path_factory.mktemp("deb") / "tree")


def schema(appliance: Appliance) -> int:
    """The schema that the data have, as SQLite reads them: the file alone may be behind its log."""
    words = f"import apsw; c = apsw.Connection('{DATA}', flags=apsw.SQLITE_OPEN_READONLY); print(c.pragma('user_version')); c.close()"
    return int(appliance.machine.run("runuser", "-u", "rpsd", "--", PYTHON, "-c", words).stdout)


def latest(appliance: Appliance) -> dict[str, object]:
    told: dict[str, object] = json.loads(appliance.rpsd("release", "list", "--json").stdout)["switches"][-1]
    return told


def taken_back(appliance: Appliance, deb: Path, version: str) -> tuple[Tally, float]:
    """Install a release that is taken back, under load: what the clients had of it, and how many seconds the way back took."""
    before = schema(appliance)
    with loaded(appliance) as tally:
        tally.mark()
        done = put(appliance.machine, deb, check=False)
    last = latest(appliance)
    assert done.returncode != 0
    assert (last["to"], last["outcome"], last["schema_changed"]) == (version, "rolled_back", True), last
    assert "does not serve again" not in done.stderr, done.stderr
    assert appliance.json("GET", "/health")["version"] == __version__
    assert schema(appliance) == before
    assert tally.rows
    assert set(tally.rows) <= rows_there(appliance), "what was acknowledged is lost"
    found = re.search(r"rolled back in ([0-9.]+) s", done.stdout + done.stderr)
    assert found is not None
    return tally, float(found[1])


def test_a_release_that_serves_and_is_not_accepted_lets_go_of_writes_that_wait(appliance: Appliance, tree: Path, record: Record) -> None:
    appliance.until_ready()
    deb = version_of(tree, SILENT, tree.parent, spoil=change_and_say_another_name)
    tally, seconds = taken_back(appliance, deb, SILENT)
    record("layout, not accepted", f"rolled back in {seconds:.1f} s; {tally.sentence()}")
    assert seconds <= ROLLBACK_SECONDS
    refused = sum(count for why, count in tally.failed.items() if _REFUSED.match(why))
    assert refused > 0, "writes that waited for it are told"
    assert not [why for why in tally.failed if "Refused" in why], "nobody finds the door closed"


def test_a_release_of_another_layout_takes_over_under_load(appliance: Appliance, tree: Path, record: Record) -> None:
    appliance.until_ready()
    before = schema(appliance)
    with loaded(appliance) as tally:
        tally.mark()
        put(appliance.machine, version_of(tree, CHANGED, tree.parent, spoil=change_layout))
    last = latest(appliance)
    record("layout, kept", f"{last['down_seconds']} s until it was accepted; {tally.sentence()}")
    assert (last["to"], last["outcome"], last["schema_changed"]) == (CHANGED, "kept", True)
    assert schema(appliance) == before + 1
    assert not tally.failed
    assert set(tally.rows) <= rows_there(appliance)


def test_the_release_before_is_refused_before_anything_stops(appliance: Appliance) -> None:
    done = appliance.rpsd("release", "activate", __version__, check=False)
    assert done.returncode != 0
    assert "schema" in done.stderr
    assert appliance.json("GET", "/health")["version"] == CHANGED


def test_the_layout_comes_back_for_the_tests_that_follow(appliance: Appliance) -> None:
    """By hand, as no release does: the table goes, and the number with it."""
    machine = appliance.machine
    machine.run("systemctl", "stop", "rpsd.socket", "rpsd.service")
    words = "import apsw; c = apsw.Connection('/var/lib/rpsd/rpsd.db'); c.execute('DROP TABLE layout'); n = c.pragma('user_version'); "
    machine.run("runuser", "-u", "rpsd", "--", PYTHON, "-c", words + "c.pragma('user_version', n - 1); c.close()")
    appliance.rpsd("release", "activate", __version__)
    machine.shell(f"rm -r /opt/rpsd/releases/{__version__}+*")  # nobody is to go back to them
    machine.run("systemctl", "start", "rpsd.socket", "rpsd.service")
    appliance.until_good()
    assert appliance.json("GET", "/health")["version"] == __version__
