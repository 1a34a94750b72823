"""The end: removed and purged, the programs are gone and the data are there; installed again, they are served."""

from pathlib import Path

import pytest

from tests.system.conftest import Record
from tests.system.installed import DEB, Appliance, put
from tests.system.under_load import rows_there

pytestmark = pytest.mark.system


def names(appliance: Appliance) -> list[tuple[str, str]]:
    """Every series by its name."""
    return [(one["symbol"], one["interval"]) for one in appliance.json("GET", "/api/v1/series")["series"]]


def test_purge_keeps_the_data(appliance: Appliance, compiled: Path, record: Record) -> None:
    machine = appliance.machine
    series, rows = names(appliance), rows_there(appliance)
    assert rows
    done = machine.run("dpkg", "--purge", "rpsd", timeout=300)
    assert "/var/lib/rpsd" in done.stdout + done.stderr  # it says what it left
    assert machine.run("test", "-s", "/var/lib/rpsd/rpsd.db", check=False).returncode == 0
    assert machine.run("test", "-d", "/var/backups/rpsd", check=False).returncode == 0
    for gone in ("/opt/rpsd", "/usr/bin/rpsd", "/etc/rpsd/config.yaml", "/var/cache/rpsd"):
        assert machine.run("test", "-e", gone, check=False).returncode != 0, gone
    assert machine.run("systemctl", "is-active", "rpsd.socket", check=False).stdout.strip() != "active"
    assert machine.run("pgrep", "-f", "opt/rpsd", check=False).stdout == ""
    machine.shell(f"mkdir /var/cache/rpsd; tar -C /var/cache/rpsd -xf /share/{compiled.name}")  # the rehearsal compiles what is not there
    put(machine, DEB)
    appliance.until_good()
    assert names(appliance) == series
    assert rows_there(appliance) == rows
    record("purge", "keeps data and backups, says so; installed again it serves them with the same keys")
