"""The installed units on a running systemd: it answers, it heals, it stops cleanly, and a broken file changes nothing."""

import json
import time

import pytest

from tests.system.conftest import Record
from tests.system.installed import INSTALL_SECONDS, Appliance, over_admin_socket, seconds_to_healthy
from tests.system.machine import Machine

pytestmark = pytest.mark.system

UNITS = ("rpsd.service", "rpsd.socket", "rpsd-outbound.service")
EXPOSURE = {"rpsd.service": 3, "rpsd-outbound.service": 10}  # tenths, the most that systemd-analyze may count


def test_the_package_installs_and_serves(appliance: Appliance) -> None:
    assert appliance.json("GET", "/health")["status"] in ("healthy", "degraded")
    assert seconds_to_healthy() <= INSTALL_SECONDS
    assert appliance.machine.shown("rpsd.service", "ActiveState") == "active"


def test_units_are_enabled_and_systemd_has_nothing_to_say(appliance: Appliance) -> None:
    machine = appliance.machine
    for unit in UNITS:
        assert machine.run("systemctl", "is-enabled", unit).stdout.strip() == "enabled"
        done = machine.run("systemd-analyze", "verify", "--man=no", machine.shown(unit, "FragmentPath"))
        assert done.stdout + done.stderr == ""


def test_exposure_of_the_installed_units(appliance: Appliance, record: Record) -> None:
    told = []
    for unit, most in EXPOSURE.items():
        done = appliance.machine.run("systemd-analyze", "security", f"--threshold={most}", "--no-pager", unit, check=False)
        told.append(done.stdout.strip().splitlines()[-1].removeprefix("→ ").split(":", 1)[-1].strip())
        assert done.returncode == 0, told[-1]
    record("exposure", f"rpsd.service {told[0]} (bound 0.3), rpsd-outbound.service {told[1]} (bound 1.0)")


def test_the_admin_socket_is_for_root_and_the_service(appliance: Appliance) -> None:
    assert over_admin_socket(appliance.machine, "GET", "/api/v1/admin/config")[0] == 200
    refused = appliance.machine.run(
        "runuser", "-u", "nobody", "--", "curl", "-s", "--unix-socket", "/run/rpsd/admin.sock", "http://x/health", check=False
    )
    assert refused.returncode == 7  # curl's code for a connection that cannot be made


def test_reload_with_a_broken_file_keeps_the_process_and_the_settings(appliance: Appliance) -> None:
    machine = appliance.machine
    before, shown = machine.main_pid(), appliance.rpsd("config", "show", "--json").stdout
    machine.shell("cp -p /etc/rpsd/config.yaml /var/tmp/config.yaml && echo 'server: {no_such_key: 1}' >> /etc/rpsd/config.yaml")
    try:
        assert machine.run("systemctl", "reload", "rpsd.service", check=False).returncode != 0  # systemctl says that the file is broken
        assert machine.main_pid() == before
        appliance.until_good()
        assert "old settings stay" in machine.shown("rpsd.service", "StatusText") + machine.journal()
    finally:
        machine.shell("cat /var/tmp/config.yaml > /etc/rpsd/config.yaml")
    machine.run("systemctl", "reload", "rpsd.service")
    assert machine.main_pid() == before
    assert appliance.rpsd("config", "show", "--json").stdout == shown


def test_stop_is_clean_and_the_socket_starts_it_again(appliance: Appliance, record: Record) -> None:
    machine = appliance.machine
    machine.run("systemctl", "stop", *UNITS)
    for unit in EXPOSURE:
        assert machine.shown(unit, "Result") == "success"
        assert machine.shown(unit, "ExecMainStatus") == "0"
    left = machine.run("pgrep", "-u", "rpsd", check=False).stdout
    assert left == ""
    machine.run("systemctl", "start", "rpsd.socket")
    assert machine.main_pid() == 0
    seconds = appliance.until_good()  # the first connection starts the service
    record("cold start by its socket", f"first good answer after {seconds:.2f} s")
    assert machine.main_pid() > 0
    machine.run("systemctl", "start", *UNITS)


def test_scheduled_jobs_fire(appliance: Appliance) -> None:
    """A schedule of each second comes from /etc/default/rpsd; nobody asks for the job."""
    machine = appliance.machine
    machine.shell(
        "cp -p /etc/default/rpsd /var/tmp/default && echo RPSD_JOBS__UPKEEP=1s >> /etc/default/rpsd && systemctl restart rpsd.service"
    )
    try:
        until = time.monotonic() + 30.0
        while not (done := upkeep_done(appliance)) and time.monotonic() < until:
            time.sleep(0.5)
        assert done
    finally:
        machine.shell("cat /var/tmp/default > /etc/default/rpsd && systemctl restart rpsd.service")


def upkeep_done(appliance: Appliance) -> list[str]:
    """The upkeeps that have succeeded."""
    appliance.until_good()
    told = json.loads(appliance.rpsd("jobs", "list", "--json").stdout)
    return [job["id"] for job in told["jobs"] if (job["name"], job["state"]) == ("upkeep", "succeeded")]


def test_what_this_host_cannot_enforce(machine: Machine, record: Record) -> None:
    """Memory and task limits need the controllers of cgroup v2: where the host keeps them, that is said instead of passed."""
    there = set(machine.run("cat", "/sys/fs/cgroup/cgroup.controllers").stdout.split())
    missing = sorted({"memory", "pids", "cpu"} - there)
    record(
        "limits",
        f"MemoryMax, TasksMax, CPUWeight not enforced here: no controller for {', '.join(missing)}"
        if missing
        else "controllers for memory, pids and cpu are there",
    )
