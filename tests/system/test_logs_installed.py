"""The log of the installed service: in the journal and in a file that a reload names, rotated as etc/logrotate/rpsd says."""

import contextlib
import json
from collections.abc import Iterator

import pytest

from tests.conftest import ROOT
from tests.system.installed import Appliance

pytestmark = pytest.mark.system
CONFIG, LOG, RULES = "/etc/rpsd/config.yaml", "/var/log/rpsd/rpsd.json", "/etc/logrotate.d/rpsd"


@pytest.fixture(scope="module")
def logging(appliance: Appliance) -> Iterator[Appliance]:
    """The appliance with monitoring.log_file set by a reload, without a restart; as it was afterwards."""
    machine = appliance.machine
    machine.shell(f"cp -p {CONFIG} /var/tmp/config.before")
    before = machine.main_pid()
    machine.shell(f"printf 'monitoring: {{log_file: {LOG}}}\\n' >> {CONFIG} && systemctl reload rpsd")
    (machine.share / "logrotate").write_text((ROOT / "etc" / "logrotate" / "rpsd").read_text(encoding="utf-8"), encoding="utf-8")
    machine.shell(f"install -m 644 /share/logrotate {RULES}")
    assert machine.main_pid() == before
    yield appliance
    machine.shell(f"cp -p /var/tmp/config.before {CONFIG} && systemctl reload rpsd && rm -f {RULES} /var/log/rpsd/*")


def ask(appliance: Appliance, first: int, last: int) -> list[str]:
    """Requests of an id each; their ids."""
    names = [f"installed-{number:04d}" for number in range(first, last)]
    for name in names:
        assert appliance.call("GET", "/api/v1/jobs?limit=1", headers={"X-Request-Id": name})[0] == 200
    return names


def ids(text: str) -> list[str]:
    found = []
    for line in text.splitlines():
        with contextlib.suppress(json.JSONDecodeError):  # what systemd itself says of the unit
            found.append(json.loads(line).get("request_id", ""))
    return sorted(name for name in found if name.startswith("installed-"))


def test_the_reload_is_audited_with_what_it_changed(logging: Appliance) -> None:
    rows = json.loads(logging.rpsd("audit", "list", "--action", "config", "--json").stdout)["audit"]
    changes = [row["detail"].get("changes", {}) for row in rows if row["action"] == "config.reload"]
    assert {"monitoring.log_file": {"from": "null", "to": LOG}} in changes


def test_file_and_journal_hold_each_line_once_over_rotations(logging: Appliance) -> None:
    asked = []
    for turn in range(3):
        asked += ask(logging, turn * 10, turn * 10 + 10)
        logging.machine.shell(f"sleep 1.1; logrotate --force --state /var/tmp/logrotate.state {RULES}")
    asked += ask(logging, 30, 40)
    logging.machine.shell("sleep 0.5")
    files = logging.machine.shell("cd /var/log/rpsd && ls").stdout.split()
    assert len(files) == 4
    assert sum(name.endswith(".gz") for name in files) == 2  # the newest of those that were rotated waits
    assert ids(logging.machine.shell("zcat -f /var/log/rpsd/*").stdout) == asked
    assert ids(logging.machine.journal(lines=5000)) == asked


def test_the_files_are_for_rpsd_alone(logging: Appliance) -> None:
    told = logging.machine.shell("stat -c '%U %G %a' /var/log/rpsd /var/log/rpsd/*").stdout.splitlines()
    assert told[0] == "rpsd rpsd 700"
    assert set(told[1:]) == {"rpsd rpsd 600"}
