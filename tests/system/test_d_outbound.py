"""What goes out of the installed service: by a unit of its own, which sees neither the database nor the administrator's socket."""

import hashlib
import hmac
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.system.conftest import Record
from tests.system.installed import PYTHON, Appliance
from tests.system.trap import BARS

pytestmark = pytest.mark.system
UNIT = "rpsd-outbound.service"
WITHIN = "nsenter -t $(systemctl show -P MainPID rpsd-outbound.service) -m runuser -u rpsd --"
CONFIG, SECRET, PORT = "/etc/rpsd/config.yaml", hashlib.sha256(b"a receiver").hexdigest(), 9200
_DROP_IN = f"/run/systemd/system/{UNIT}.d"


@pytest.fixture(scope="module")
def posted(appliance: Appliance) -> Iterator[Path]:
    """A receiver and a vendor in the machine's network, named by the settings; the file that holds what was posted."""
    machine = appliance.machine
    told = machine.share / "posted.jsonl"
    told.write_text("", encoding="utf-8")
    trap = subprocess.Popen(machine.reaching(sys.executable, "-m", "tests.system.trap", str(PORT), told), cwd=ROOT)
    hook = f'{{url: "http://127.0.0.1:{PORT}/hook", private: [127.0.0.0/8], secret_file: hook}}'
    vendor = f'{{kind: http_csv, url: "http://127.0.0.1:{PORT}/{{symbol}}.csv", symbols: [OUT]}}'
    added = f"alerts: {{webhooks: [{hook}]}}\nsources: {{desk: {vendor}}}\n"
    machine.shell(f"cp -p {CONFIG} /var/tmp/config.outbound && install -d -m 700 /etc/rpsd/credentials {_DROP_IN}")
    machine.run("tee", "-a", CONFIG, entry=added)
    machine.run("tee", "/etc/rpsd/credentials/hook", entry=SECRET + "\n")
    machine.run("tee", f"{_DROP_IN}/hook.conf", entry="[Service]\nLoadCredential=hook:/etc/rpsd/credentials/hook\n")
    machine.shell(f"chmod 600 /etc/rpsd/credentials/hook && systemctl daemon-reload && systemctl restart rpsd.service {UNIT}")
    try:
        appliance.until_good("/health/live")
        yield told
    finally:
        trap.kill()
        trap.wait()
        machine.shell(f"cat /var/tmp/config.outbound > {CONFIG} && rm -r {_DROP_IN} /etc/rpsd/credentials && systemctl daemon-reload")
        machine.shell(f"systemctl restart rpsd.service {UNIT}")
        appliance.until_good("/health/live")


def messages(told: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in told.read_text(encoding="utf-8").splitlines()]


def test_the_carrier_is_enabled_and_comes_for_work(appliance: Appliance) -> None:
    machine = appliance.machine
    assert machine.run("systemctl", "is-enabled", UNIT).stdout.strip() == "enabled"
    appliance.until_good()
    now = machine.run("date", "+@%s.%N").stdout.strip()
    machine.run("systemctl", "restart", UNIT)
    time.sleep(3.0)
    assert machine.shown(UNIT, "ActiveState") == "active"
    assert "no work from the server" not in machine.run("journalctl", "-u", UNIT, "-o", "cat", "--since", now).stdout


def test_a_message_is_delivered_and_signed_from_inside_its_sandbox(appliance: Appliance, posted: Path, record: Record) -> None:
    begin = time.monotonic()
    told = json.loads(appliance.rpsd("alerts", "test", "--json").stdout)
    found = messages(posted)
    assert found, told
    seconds = time.monotonic() - begin
    one = found[-1]
    headers = {name.lower(): value for name, value in one["headers"].items()}
    assert json.loads(one["body"])["event"] == "test"
    assert signed(headers, one["body"])
    record("outbound", f"a test message was delivered and signed by the unit within {seconds:.1f} s; a source was fetched by it")


def signed(headers: dict[str, str], body: str) -> bool:
    """Whether the message carries the signature of its time and body by SECRET."""
    parts = dict(part.split("=", 1) for part in headers["rpsd-signature"].split(","))
    return parts["v1"] == hmac.new(SECRET.encode(), f"{parts['t']}.{body}".encode(), hashlib.sha256).hexdigest()


def test_a_source_is_fetched_and_stored(appliance: Appliance, posted: Path) -> None:
    assert posted.exists()
    appliance.rpsd("fetch", "desk", timeout=60)
    assert len(appliance.json("GET", "/api/v1/series/OUT/1d/samples")["close"]) == BARS


def test_the_serving_process_itself_reaches_nobody(appliance: Appliance, posted: Path) -> None:
    """The same address from the namespaces of the serving process: there is no network at all."""
    assert posted.exists()
    machine = appliance.machine
    code = f"import socket; socket.create_connection(('127.0.0.1', {PORT}), 2)"
    reach = "nsenter -t $(systemctl show -P MainPID {}) -m -n runuser -u rpsd -- " + PYTHON + f' -c "{code}"'
    assert machine.shell(reach.format("rpsd.service"), check=False).returncode != 0
    assert machine.shell(reach.format(UNIT)).returncode == 0  # the control


def test_it_comes_back_after_a_kill(appliance: Appliance) -> None:
    machine = appliance.machine
    before = machine.main_pid(UNIT)
    machine.run("systemctl", "kill", "--signal=SIGKILL", UNIT)
    back = f"[ $(systemctl show -P MainPID {UNIT}) != {before} ] && systemctl is-active --quiet {UNIT}"
    machine.shell(f"for i in $(seq 300); do if {back}; then exit 0; fi; sleep 0.1; done; exit 1")


def test_its_sandbox_hides_database_and_administration(appliance: Appliance) -> None:
    machine = appliance.machine
    for path in ("/var/lib/rpsd/rpsd.db", "/run/rpsd/admin.sock"):
        assert machine.shell(f"{WITHIN} cat {path}", check=False).returncode != 0, path
        assert machine.shell(f"test -e {path}").returncode == 0
    assert machine.shell(f"{WITHIN} touch /var/backups/rpsd/x", check=False).returncode != 0
    assert machine.shell(f"{WITHIN} curl -s --unix-socket /run/rpsd/admin.sock http://x/api/v1/admin/config", check=False).returncode != 0
    told = machine.shell(f"{WITHIN} curl -s --unix-socket /run/rpsd/outbound.sock http://x/api/v1/admin/config").stdout
    assert json.loads(told)["code"] == "forbidden"
