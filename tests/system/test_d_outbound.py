"""What goes out of the installed service: by a unit of its own, which sees neither the database nor the administrator's socket."""

import json

import pytest

from tests.system.installed import Appliance

pytestmark = pytest.mark.system
UNIT = "rpsd-outbound.service"
WITHIN = "nsenter -t $(systemctl show -P MainPID rpsd-outbound.service) -m runuser -u rpsd --"


def test_the_carrier_runs_and_comes_for_work(appliance: Appliance) -> None:
    machine = appliance.machine
    machine.run("systemctl", "enable", "--now", UNIT)
    assert machine.shown(UNIT, "ActiveState") == "active"
    machine.shell("sleep 3")
    assert "no work from the server" not in machine.journal(UNIT)
    assert machine.shown(UNIT, "NRestarts") == "0"


def test_it_comes_back_after_a_kill(appliance: Appliance) -> None:
    machine = appliance.machine
    before = machine.main_pid(UNIT)
    machine.run("systemctl", "kill", "--signal=SIGKILL", UNIT)
    back = f"[ $(systemctl show -P MainPID {UNIT}) != {before} ] && systemctl is-active --quiet {UNIT}"
    machine.shell(f"for i in $(seq 200); do if {back}; then exit 0; fi; sleep 0.1; done; exit 1")


def test_its_sandbox_hides_database_and_administration(appliance: Appliance) -> None:
    machine = appliance.machine
    for path in ("/var/lib/rpsd/rpsd.db", "/run/rpsd/admin.sock"):
        assert machine.shell(f"{WITHIN} cat {path}", check=False).returncode != 0, path
        assert machine.shell(f"test -e {path}").returncode == 0
    assert machine.shell(f"{WITHIN} touch /var/backups/rpsd/x", check=False).returncode != 0
    assert machine.shell(f"{WITHIN} curl -s --unix-socket /run/rpsd/admin.sock http://x/api/v1/admin/config", check=False).returncode != 0
    told = machine.shell(f"{WITHIN} curl -s --unix-socket /run/rpsd/outbound.sock http://x/api/v1/admin/config").stdout
    assert json.loads(told)["code"] == "forbidden"
