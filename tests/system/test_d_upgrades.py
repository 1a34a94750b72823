"""Upgrades under load, one that breaks, and a way back that is refused: what an operator has of apt and of `rpsd release`."""

import json
import time
from pathlib import Path

import numpy as np
import pytest

from rpsd import __version__
from tests.system.conftest import Record
from tests.system.installed import DEB, Appliance, address, put
from tests.system.machine import dictionary
from tests.system.under_load import loaded, rows_there
from tests.system.versions import replace_module, unpacked, version_of

pytestmark = pytest.mark.system

SWITCHES = 20
WORST_WAIT_SECONDS, ROLLBACK_SECONDS = 1.5, 5.0
NEWER, BROKEN = f"{__version__}+newer", f"{__version__}+spoilt"
REMARK = "a remark of the newer package"
OURS = "monitoring: {log_level: DEBUG}  # ours"
_SILENT = 'import sys\n\nif sys.argv[1:2] == ["serve"]:\n    raise SystemExit(70)\n'


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package laid open once."""
    return unpacked(DEB, tmp_path_factory.mktemp("deb") / "tree")


@pytest.fixture(scope="module")
def newer(tree: Path) -> Path:
    return version_of(tree, NEWER, tree.parent, remark=REMARK)


def served(appliance: Appliance) -> str:
    return str(appliance.json("GET", "/health")["version"])


def test_an_upgrade_by_dpkg_refuses_nobody(appliance: Appliance, newer: Path, record: Record) -> None:
    appliance.until_ready()
    appliance.machine.shell(f"echo '{OURS}' >> /etc/rpsd/config.yaml")
    with loaded(appliance) as tally:
        tally.mark()
        begin = time.monotonic()
        put(appliance.machine, newer)
        took = time.monotonic() - begin
    record("upgrade by dpkg", f"took {took:.1f} s; {tally.sentence()}")
    assert served(appliance) == NEWER
    assert not tally.failed
    assert set(tally.rows) <= rows_there(appliance)


def test_settings_that_were_changed_stay_and_others_are_renewed(appliance: Appliance) -> None:
    """What dpkg does with conffiles when nobody is there to be asked."""
    machine = appliance.machine
    try:
        kept = machine.run("cat", "/etc/rpsd/config.yaml").stdout
        assert OURS in kept
        assert REMARK not in kept
        assert REMARK in machine.run("cat", "/etc/rpsd/config.yaml.dpkg-dist").stdout
        assert REMARK in machine.run("cat", "/etc/default/rpsd").stdout
        shown = {row["name"]: row["value"] for row in json.loads(appliance.rpsd("config", "show", "--json").stdout)}
        assert shown["monitoring.log_level"] == "DEBUG"
        assert machine.run("stat", "-c", "%a %U:%G", "/etc/rpsd/config.yaml").stdout.strip() == "640 root:rpsd"
    finally:
        machine.shell("sed -i '/# ours$/d' /etc/rpsd/config.yaml && systemctl reload rpsd.service")


def test_twenty_switches_under_load_refuse_and_fail_nobody(appliance: Appliance, record: Record) -> None:
    """The switch is the same code that the package calls; the unpacking of files before it disturbs nobody and is left out here."""
    appliance.until_ready()
    with loaded(appliance) as tally:
        for k in range(SWITCHES):
            tally.mark()
            appliance.rpsd("release", "activate", (__version__, NEWER)[k % 2])
    record("upgrades", tally.sentence())
    assert served(appliance) == NEWER
    assert not tally.failed
    assert float(np.percentile(tally.worst, 99)) <= WORST_WAIT_SECONDS
    assert set(tally.rows) <= rows_there(appliance)


def test_a_broken_release_rolls_itself_back(appliance: Appliance, tree: Path, record: Record) -> None:
    """It passes every check before the switch and then does not serve: the one before serves on, and apt shows a failure."""

    def spoil(code: Path) -> None:
        replace_module(code, "cli/serve.py", _SILENT + (code / "cli/serve.py").read_text(encoding="utf-8"))

    broken = version_of(tree, BROKEN, tree.parent, spoil=spoil)
    before = rows_there(appliance)
    done = put(appliance.machine, broken, check=False)
    assert done.returncode != 0
    assert served(appliance) == NEWER
    assert rows_there(appliance) == before
    told = json.loads(appliance.rpsd("release", "list", "--json").stdout)
    assert told["current"] == NEWER
    last = told["switches"][-1]
    assert (last["to"], last["outcome"]) == (BROKEN, "rolled_back")
    record("broken upgrade", f"{last['down_seconds']:.1f} s without an answer at most (bound {ROLLBACK_SECONDS:.0f} s), data identical")
    assert last["down_seconds"] <= ROLLBACK_SECONDS


def test_by_hand_back_to_the_release_before(appliance: Appliance, newer: Path) -> None:
    put(appliance.machine, newer)  # dpkg has this version on record again
    appliance.rpsd("release", "rollback", "--to", __version__)
    assert served(appliance) == __version__
    assert rows_there(appliance)


def test_an_older_release_refuses_a_newer_schema(appliance: Appliance) -> None:
    """It ends with 78 and nothing tries again, however many ask: the data are as they were."""
    machine = appliance.machine
    machine.run("systemctl", "stop", "rpsd.socket", "rpsd.service")
    raise_schema = (
        "import apsw; c = apsw.Connection('/var/lib/rpsd/rpsd.db'); c.pragma('user_version', c.pragma('user_version') + {}); c.close()"
    )
    python = ("/opt/rpsd/current/venv/bin/python", "-c")
    machine.run("runuser", "-u", "rpsd", "--", *python, raise_schema.format(1))
    began = int(machine.run("date", "+%s").stdout)
    try:
        machine.run("systemctl", "start", "rpsd.service", check=False)
        asked = machine.shell(
            f"for k in 1 2 3 4 5 6; do curl -s -m 1 {address('/health')} || true; sleep 0.3; done; curl -s {address('/')}", check=False
        )
        assert asked.returncode == 7, "its sockets are closed: a connection that waits would start it again and again"
        assert dictionary(machine, "rpsd.service", "ActiveState", "ExecMainStatus") == {"ActiveState": "failed", "ExecMainStatus": "78"}
        told = machine.run("journalctl", "-u", "rpsd.service", "-o", "cat", "--no-pager", "--since", f"@{began}").stdout
        assert told.count("newer_schema") == 1
    finally:
        machine.run("runuser", "-u", "rpsd", "--", *python, raise_schema.format(-1))
        machine.shell("systemctl reset-failed rpsd.service && systemctl start rpsd.service")
    appliance.until_good()
    assert rows_there(appliance)
