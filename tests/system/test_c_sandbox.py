"""The sandbox from inside: another program in the place of the service, under the same directives, finds no way out."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.system import probe
from tests.system.conftest import Record
from tests.system.installed import PYTHON, Appliance
from tests.system.machine import Machine

pytestmark = pytest.mark.system

OWN = {"/tmp", "/var/tmp", "/var/lib/rpsd", "/var/cache/rpsd", "/var/log/rpsd", "/var/backups/rpsd"}
SHARED_MEMORY = {"/dev/shm"}  # a private file system under PrivateIPC, gone with the unit
_OUTPUT = "StandardOutput=truncate:/share/found.json"
_OF_A_SERVER = re.compile(r"(Exec\w+|Type|NotifyAccess|WatchdogSec|Restart\w*|Requires|After|EnvironmentFile)=")
_OF_AN_IDENTITY = re.compile(r"\[|User=|Group=|Description=")


def probed(machine: Machine, unit: str, *, walled: bool = True) -> dict[str, Any]:
    """What the probe finds under the directives of a unit, or as its user alone."""
    (machine.share / "probe.py").write_text(Path(probe.__file__).read_text(encoding="utf-8"), encoding="utf-8")
    (machine.share / "probe.py").chmod(0o644)
    kept = _OF_A_SERVER if walled else _OF_AN_IDENTITY
    lines = machine.run("cat", f"/usr/lib/systemd/system/{unit}").stdout.splitlines()
    chosen = [line for line in lines if line and not line.startswith("#") and bool(kept.match(line)) is not walled]
    text = "\n".join(chosen).replace("[Service]", f"[Service]\nType=oneshot\nExecStart={PYTHON} -I /share/probe.py\n{_OUTPUT}\n")
    name = "rpsd-probe.service"
    machine.run("tee", f"/run/systemd/system/{name}", entry=text.split("[Install]")[0])
    machine.shell(f"systemctl daemon-reload && systemctl start {name}")
    machine.shell(f"rm /run/systemd/system/{name} && systemctl daemon-reload")
    found: dict[str, Any] = json.loads((machine.share / "found.json").read_text(encoding="utf-8"))
    return found


def test_no_way_out_of_the_serving_unit(appliance: Appliance, record: Record) -> None:
    found = probed(appliance.machine, "rpsd.service")
    assert set(found["writable"]) - SHARED_MEMORY == OWN
    assert not found["internet_socket"]
    assert not found["netlink_socket"]
    assert not found["reaches_the_api"]
    assert found["others"] == []
    assert not (found["new_namespace"] or found["mount"] or found["raw_memory"])
    assert found["uid"] != 0
    record(
        "sandbox",
        f"writable from inside: {', '.join(found['writable'])}; no socket but AF_UNIX, no foreign process, no mount, no namespace",
    )


def test_failing_control_without_the_sandbox_all_of_that_is_possible(appliance: Appliance) -> None:
    found = probed(appliance.machine, "rpsd.service", walled=False)
    assert found["internet_socket"]
    assert found["reaches_the_api"]
    assert found["others"]


def test_nothing_but_the_socket_is_open(appliance: Appliance) -> None:
    """What listens in the machine: systemd's sockets and no more."""
    listening = appliance.machine.run("ss", "--no-header", "--listening", "--tcp", "--numeric").stdout.split("\n")
    assert [line.split()[3] for line in listening if line] == ["127.0.0.1:8000"]


def test_secrets_and_data_are_for_the_service_alone(appliance: Appliance) -> None:
    for directory in ("/var/lib/rpsd", "/var/lib/rpsd/secrets", "/var/cache/rpsd", "/var/backups/rpsd"):
        assert appliance.machine.run("stat", "-c", "%a %U", directory).stdout.strip() == "700 rpsd"
    assert appliance.machine.run("stat", "-c", "%a %U:%G", "/etc/rpsd/config.yaml").stdout.strip() == "640 root:rpsd"
