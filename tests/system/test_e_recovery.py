"""A machine is lost: another one, the package and a backup give the same answers."""

import json
import time
from collections.abc import Callable

import pytest

from tests.system.conftest import Record
from tests.system.installed import Appliance, install
from tests.system.machine import Machine

pytestmark = pytest.mark.system

READS = ("/api/v1/series", "/api/v1/series/DEMO/1d", "/api/v1/series/DEMO/1d/samples?limit=1000", "/api/v1/models", "/api/v1/features")
_ROWS = 200


def answers(appliance: Appliance) -> dict[str, object]:
    """What the appliance tells of its data, and one computed answer."""
    told = {path: appliance.json("GET", path) for path in READS}
    values = told["/api/v1/series/DEMO/1d/samples?limit=1000"]["close"]
    denoised = appliance.json("POST", "/api/v1/denoise", {"values": values})
    told["denoise"] = denoised["values"]
    return told


def test_the_restore_drill_restores(appliance: Appliance) -> None:
    rows = {
        "t": [1_700_000_000_000_000_000 + 86_400_000_000_000 * k for k in range(_ROWS)],
        "close": [100 + (k * k) % 17 for k in range(_ROWS)],
    }
    appliance.json("POST", "/api/v1/series/DEMO/1d/samples", rows)
    for job in ("backup", "restore_drill"):
        done = json.loads(appliance.rpsd("jobs", "run", job, "--wait", "--json").stdout)
        assert done["state"] == "succeeded", done


def test_a_new_machine_and_a_backup_give_the_same_answers(
    appliance: Appliance, new_machine: Callable[[str], Machine], record: Record
) -> None:
    before = answers(appliance)
    made = json.loads(appliance.rpsd("backup", "create", "--json").stdout)
    appliance.machine.run("cp", made["path"], "/share/saved.backup")
    other = new_machine("two")
    begin = time.monotonic()
    (other.share / "saved.backup").write_bytes((appliance.machine.share / "saved.backup").read_bytes())
    fresh = install(other, lambda _name, _figures: None, warm=False)
    other.run("systemctl", "stop", "rpsd.socket", "rpsd.service")
    other.run("install", "-o", "rpsd", "-g", "rpsd", "-m", "600", "/share/saved.backup", "/var/backups/rpsd/")
    other.run("runuser", "-u", "rpsd", "--", "rpsd", "restore", "/var/backups/rpsd/saved.backup", timeout=300)
    other.run("systemctl", "start", "rpsd.socket", "rpsd.service")
    made_key = json.loads(other.run("rpsd", "keys", "create", "after", "--scope", "admin", "--json").stdout)["key"]
    after = Appliance(other, made_key)
    after.until_good()
    record("bare-metal recovery", f"package, backup and service on a new machine in {time.monotonic() - begin:.0f} s, the same answers")
    assert answers(after) == before
    assert fresh.machine is other
