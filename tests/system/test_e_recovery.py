"""A machine is lost: another one, the package and a backup give the same answers."""

import hashlib
import json
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.system.conftest import Record
from tests.system.installed import DEB, Appliance, warmed
from tests.system.machine import Machine
from tests.system.manual import PLACE, block, follow, follow_lines

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
    for job in ("materialise", "backup", "restore_drill"):  # what the next start would compute is there already
        done = json.loads(appliance.rpsd("jobs", "run", job, "--wait", "--json").stdout)
        assert done["state"] == "succeeded", done


def test_a_new_machine_and_an_encrypted_backup_give_the_same_answers(
    appliance: Appliance, new_machine: Callable[[str], Machine], compiled: Path, record: Record
) -> None:
    """The manual's blocks, in its order: encrypt and verify here; install, put pepper and backup back, and restore there."""
    machine, lines = appliance.machine, block("recovery", "age-keygen").splitlines()
    machine.shell(f"rm -rf {PLACE} /mnt/offsite; mkdir -p {PLACE} /mnt/offsite")
    [recipient, *_] = re.findall(r"age1\w{20,}", follow_lines(machine, lines[0]))
    follow_lines(machine, lines[1], recipient=recipient)
    before = answers(appliance)
    sealed = machine.shell("ls /mnt/offsite").stdout.strip()
    assert "schema" in follow_lines(machine, lines[2], sealed=sealed)
    machine.shell(f"cp /mnt/offsite/{sealed} /share/saved.rpsdbak.age; cp {PLACE}/recovery.key /var/lib/rpsd/secrets/pepper /share")
    other = new_machine("two")
    begin = time.monotonic()
    for name in ("saved.rpsdbak.age", "recovery.key", "pepper"):
        shutil.copy2(machine.share / name, other.share)
    shutil.copy2(DEB, other.share)
    (other.share / "SHA256SUMS").write_text(f"{hashlib.sha256(DEB.read_bytes()).hexdigest()}  {DEB.name}\n", encoding="ascii")
    other.shell(f"mkdir -p {PLACE}; mv /share/* {PLACE}")
    assert re.search(r"\brpsd_\w+", follow(other, "upgrade", "sha256sum")), "init shows the first key"
    warmed(other, compiled)
    follow(other, "recovery", "systemctl stop rpsd.socket rpsd.service\ninstall")
    after = Appliance(other, appliance.key)  # the key of before: the pepper came along
    after.until_good()
    record(
        "bare-metal recovery",
        f"package, encrypted backup and service on a new machine in {time.monotonic() - begin:.0f} s, the same answers",
    )
    assert answers(after) == before
