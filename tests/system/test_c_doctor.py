"""The doctor, the self-test and maintenance on an installed box."""

import json
from typing import Any

import pytest

from tests.system.conftest import Record
from tests.system.installed import Appliance

pytestmark = pytest.mark.system

DROP_IN = "/etc/systemd/system/rpsd.socket.d/elsewhere.conf"


def findings(appliance: Appliance) -> dict[str, Any]:
    told = appliance.rpsd("doctor", "--json", check=False)
    return {row["name"]: row for row in reversed(json.loads(told.stdout)["findings"])}  # of several of a name the first


def test_the_doctor_finds_the_installation_as_it_should_be(appliance: Appliance) -> None:
    found = findings(appliance)
    for name in ("directory_data", "directory_secrets", "file_modes", "secrets", "database", "kernels", "server", "socket"):
        assert found[name]["status"] == "ok", found[name]
    assert found["unit rpsd.service"]["status"] == "ok"
    assert found["sandbox rpsd.service"]["status"] == "ok", found["sandbox rpsd.service"]
    assert {row["name"] for row in found.values() if row["status"] == "failed"} == set()


def test_a_socket_that_listens_elsewhere_is_named_and_mended_by_what_it_prints(appliance: Appliance) -> None:
    machine = appliance.machine
    machine.shell(f"mkdir -p $(dirname {DROP_IN}) && printf '[Socket]\\nListenStream=\\nListenStream=127.0.0.1:9999\\n' > {DROP_IN}")
    try:
        found = findings(appliance)["socket"]
        assert (found["status"], "does not listen on 127.0.0.1:8000" in found["detail"]) == ("failed", True)
        refused = appliance.rpsd("config", "check", check=False)
        assert refused.returncode == 78
        for address in ("127.0.0.1:8000", "/run/rpsd/admin.sock", "/run/rpsd/outbound.sock"):
            assert f"ListenStream={address}" in refused.stderr
    finally:
        machine.shell(f"rm {DROP_IN}")
    assert appliance.rpsd("config", "check").returncode == 0


def test_open_secrets_are_closed_again(appliance: Appliance) -> None:
    appliance.machine.shell("chmod 0755 /var/lib/rpsd/secrets && chmod 0644 /var/lib/rpsd/secrets/*")
    assert findings(appliance)["directory_secrets"]["status"] == "failed"
    appliance.rpsd("doctor", "--fix", check=False)
    assert findings(appliance)["directory_secrets"]["status"] == "ok"
    modes = appliance.machine.shell("stat -c '%a %U' /var/lib/rpsd/secrets /var/lib/rpsd/secrets/*").stdout.split("\n")
    assert {line for line in modes if line} <= {"700 rpsd", "600 rpsd"}


def test_the_box_tests_itself(appliance: Appliance, record: Record) -> None:
    told = json.loads(appliance.rpsd("selftest", "--json", timeout=300).stdout)
    assert told["passed"], told
    record("selftest", ", ".join(f"{row['step']} {row['ms']:.0f} ms" for row in told["steps"]))


def test_maintenance_lasts_over_a_restart(appliance: Appliance) -> None:
    appliance.rpsd("maintenance", "on", "--reason", "a new disk")
    appliance.machine.run("systemctl", "restart", "rpsd.service")
    appliance.until_good()
    assert appliance.call("GET", "/health/ready")[0] == 503
    appliance.rpsd("maintenance", "off")
    appliance.until_ready()
