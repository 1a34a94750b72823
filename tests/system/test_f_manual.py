"""The blocks of commands in the manual's operating chapters: each is followed on a booted machine, or stands here with why it cannot be."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rpsd import __version__
from tests.conftest import ROOT
from tests.system.conftest import Record
from tests.system.installed import DEB, Appliance, put
from tests.system.manual import PLACE, block, blocks, follow, follow_lines, followed
from tests.system.under_load import rows_there
from tests.system.versions import unpacked, version_of

pytestmark = pytest.mark.system

OTHERS = {"books": "books of orders, by hand", "install": "without root; the README's commands are run by tests/docs"}
"""Pages with such blocks that are not about operating; all others are chapters of it."""
HERE = {
    ("logs", "cd etc/elk"), ("network", "systemctl edit rpsd.socket"), ("network", "install -D -m 644 etc/firewall"),
    ("network", "systemctl enable --now rpsd-outbound"), ("network", "systemctl edit rpsd-outbound.service\n# [Service]\n# Load"),
    ("network", "systemctl edit rpsd-outbound.service\n# [Service]\n# Read"), ("observe", "promtool check rules"),
    ("recovery", "rpsd backup create --to -"), ("recovery", "systemctl stop rpsd.socket rpsd.service\nrunuser"),
    ("upgrade", "rpsd release list"),
}  # fmt: skip
ELSEWHERE = {
    ("recovery", "age-keygen"): "test_e_recovery.py",
    ("recovery", "systemctl stop rpsd.socket rpsd.service\ninstall"): "test_e_recovery.py",
    ("upgrade", "sha256sum"): "test_e_recovery.py",
    ("upgrade", "tar -xzf"): "test_tarball.py",
}
NOT_RUN = {
    ("network", "ufw allow"): "ufw and firewalld each want to rule the machine, beside nftables; the page says that they were not run",
    ("recovery", "cryptsetup luksFormat"): "it wants a disk of its own and the kernel's device mapper, which a container has not",
}
PORT = 18090


@pytest.fixture(scope="module")
def box(appliance: Appliance) -> Appliance:
    """The appliance, and the files of examples where the pages have them."""
    appliance.machine.shell(f"mkdir -p {PLACE}; ln -sfn /usr/share/doc/rpsd/examples {PLACE}/etc")
    appliance.until_ready()
    return appliance


def test_every_block_is_followed_or_listed(record: Record) -> None:
    pages = sorted(path.stem for path in (ROOT / "rpsd" / "manual").glob("*.md") if path.stem not in OTHERS)
    there = [(page, body) for page in pages for body in blocks(page)]
    listed = {*HERE, *ELSEWHERE, *NOT_RUN}
    unlisted = [(page, body) for page, body in there if sum(page == other and body.startswith(first) for other, first in listed) != 1]
    assert unlisted == []
    assert len(listed) == len(there)
    for (page, first), file in ELSEWHERE.items():
        assert f'"{page}", {json.dumps(first)}' in (Path(__file__).parent / file).read_text(encoding="utf-8")
    reasons = "; ".join(f"{page}, `{first}`: {why}" for (page, first), why in NOT_RUN.items())
    record("manual", f"{len(there) - len(NOT_RUN)} of {len(there)} blocks of the operating chapters are followed; not run: {reasons}")


def test_a_backup_goes_to_another_host(box: Appliance) -> None:
    """The other host is this machine: what would be told to ssh is run by a shell."""
    machine = box.machine
    machine.shell("printf '#!/bin/sh\\nshift; exec sh -c \"$*\"\\n' > /usr/local/bin/ssh; chmod +x /usr/local/bin/ssh")
    try:
        follow_lines(machine, "PATH=/usr/local/bin:$PATH\n" + block("recovery", "rpsd backup create --to -"))
        followed.add(("recovery", "rpsd backup create --to -"))
        assert "schema" in box.rpsd("backup", "verify", f"{PLACE}/rpsd.rpsdbak").stdout
    finally:
        machine.shell(f"rm -f /usr/local/bin/ssh {PLACE}/rpsd.rpsdbak")


def test_a_backup_is_put_back(box: Appliance) -> None:
    box.json("POST", "/api/v1/series/MANUAL/1d/samples", {"t": ["2026-01-02"], "close": [1.0]})
    before = rows_there(box)
    made = Path(json.loads(box.rpsd("backup", "create", "--json").stdout)["path"]).name
    box.json("POST", "/api/v1/series/MANUAL/1d/samples", {"t": ["2026-01-05"], "close": [2.0]})
    follow(box.machine, "recovery", "systemctl stop rpsd.socket rpsd.service\nrunuser", newest=made)
    box.until_good()
    assert box.json("GET", "/api/v1/series/MANUAL/1d/samples")["close"] == [1.0]
    assert rows_there(box) == before


def test_releases_go_back_and_forth(box: Appliance, tmp_path: Path) -> None:
    if "previous" not in box.rpsd("release", "list").stdout:
        put(box.machine, version_of(unpacked(DEB, tmp_path / "tree"), f"{__version__}+newer", tmp_path))
    assert __version__ in follow(box.machine, "upgrade", "rpsd release list")
    assert box.json("GET", "/health")["version"] == __version__


def test_what_goes_out_is_switched_on_and_gets_its_secrets_and_its_directory(box: Appliance) -> None:
    machine, unit = box.machine, "rpsd-outbound.service"
    machine.shell("install -d -m 700 /etc/rpsd/credentials; echo secret | tee /etc/rpsd/credentials/hook > /etc/rpsd/credentials/vendor")
    machine.shell("install -d -o rpsd /mnt/vault")
    try:
        assert "active (running)" in follow(machine, "network", "systemctl enable --now rpsd-outbound")
        for first in ("Load", "Read"):
            follow(machine, "network", f"systemctl edit rpsd-outbound.service\n# [Service]\n# {first}")
            machine.run("systemctl", "restart", unit)
            assert machine.shown(unit, "ActiveState") == "active"
        assert "/mnt/vault" in machine.shown(unit, "ReadWritePaths")
    finally:
        machine.shell(
            f"rm -rf /etc/systemd/system/{unit}.d; systemctl daemon-reload; systemctl restart {unit}; rm -r /etc/rpsd/credentials"
        )


def test_the_socket_is_opened_to_the_network(box: Appliance) -> None:
    machine = box.machine
    settings = "server: {host: 0.0.0.0, plain_http_from: [192.168.1.0/24]}"
    machine.shell(f"cp -p /etc/rpsd/config.yaml /var/tmp/config.yaml; echo '{settings}' >> /etc/rpsd/config.yaml")
    try:
        follow(machine, "network", "systemctl edit rpsd.socket")
        box.until_good()
        assert re.search(r"\b00000000:1F40 00000000:0000 0A\b", machine.run("cat", "/proc/net/tcp").stdout), (
            "nothing listens on 0.0.0.0:8000"
        )
        assert "listeners" not in {row["name"] for row in findings(box) if row["status"] == "failed"}
    finally:
        machine.shell(
            "cat /var/tmp/config.yaml > /etc/rpsd/config.yaml; rm -r /etc/systemd/system/rpsd.socket.d; systemctl daemon-reload; "
            "systemctl restart rpsd.socket rpsd.service"
        )
    box.until_good()


def findings(box: Appliance) -> list[dict[str, str]]:
    told: list[dict[str, str]] = json.loads(box.rpsd("doctor", "--json", check=False).stdout)["findings"]
    return told


def test_a_socket_that_was_changed_and_not_restarted_is_named(box: Appliance) -> None:
    """systemd reads the new address and goes on with the sockets that it holds; the doctor looks at what is open."""
    machine, place = box.machine, "/etc/systemd/system/rpsd.socket.d"
    machine.shell(f"mkdir -p {place}; printf '[Socket]\\nListenStream=127.0.0.1:8001\\n' > {place}/more.conf; systemctl daemon-reload")
    try:
        [found] = [row for row in findings(box) if row["name"] == "listeners"]
        assert (found["status"], "127.0.0.1:8001" in found["detail"]) == ("failed", True)
        told = box.rpsd("release", "activate", __version__)
        assert "127.0.0.1:8001" in told.stderr, "a switch opens what is missing, and says so"
        assert [row["status"] for row in findings(box) if row["name"] == "listeners"] == ["ok"]
    finally:
        machine.shell(f"rm -r {place}; systemctl daemon-reload; systemctl restart rpsd.socket rpsd.service")
    box.until_good()


def test_the_firewall_is_loaded(box: Appliance) -> None:
    machine = box.machine
    machine.run("cp", "-p", "/etc/nftables.conf", "/var/tmp/nftables.conf")
    try:
        follow(machine, "network", "install -D -m 644 etc/firewall")
        assert "8000" in machine.run("nft", "list", "ruleset").stdout
    finally:
        machine.shell("cp -p /var/tmp/nftables.conf /etc/nftables.conf; systemctl disable --now nftables; nft flush ruleset")


def test_the_rules_of_prometheus_pass(box: Appliance) -> None:
    assert "SUCCESS" in follow(box.machine, "observe", "promtool check rules")


def test_the_index_template_is_sent(box: Appliance, tmp_path: Path) -> None:
    """Elasticsearch is not in Debian: a receiver that takes whatever comes stands for it, and keeps what came."""
    taken = tmp_path / "taken.jsonl"
    receiver = subprocess.Popen(box.machine.reaching(sys.executable, "-m", "tests.system.trap", str(PORT), str(taken)), cwd=ROOT)
    try:
        box.machine.shell(f"until curl -s -o /dev/null http://127.0.0.1:{PORT}/; do sleep 0.05; done", timeout=30)
        lines = f"ELASTIC=http://127.0.0.1:{PORT} TOKEN=token\n" + block("logs", "cd etc/elk")
        follow_lines(box.machine, lines)
        followed.add(("logs", "cd etc/elk"))
        came = [json.loads(line) for line in taken.read_text(encoding="utf-8").splitlines()]
        assert [one["path"] for one in came] == ["/_ingest/pipeline/rpsd-logs", "/_index_template/rpsd-logs"]
        assert all(isinstance(json.loads(one["body"]), dict) for one in came)
    finally:
        receiver.terminate()
        receiver.wait(10)


def test_each_block_of_here_was_followed() -> None:
    """The last of this file."""
    assert followed >= HERE
