"""A machine without dpkg: the tarball's installer puts rpsd on it, upgrades it, takes a broken release back; and the way back by hand."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rpsd import __version__
from tests.conftest import ROOT
from tests.system.conftest import Record
from tests.system.installed import Appliance, warmed
from tests.system.machine import Machine
from tests.system.manual import PLACE, block, follow_lines
from tests.system.versions import renumbered, replace_module

pytestmark = pytest.mark.system

TARBALL = ROOT / ".cache" / "deb" / f"rpsd-{__version__}-amd64.tar.gz"
NEWER, BROKEN = f"{__version__}+newer", f"{__version__}+spoilt"
ROWS = {"t": ["2026-01-02", "2026-01-05"], "close": [1.0, 2.0]}
SAMPLES = "/api/v1/series/TARBALL/1d/samples"
OURS = "# ours"
_SILENT = 'import sys\n\nif sys.argv[1:2] == ["serve"]:\n    raise SystemExit(70)\n'


@pytest.fixture(scope="module")
def bare(new_machine: Callable[[str], Machine]) -> Machine:
    """A machine on which nothing of dpkg can be run."""
    machine = new_machine("bare")
    machine.shell("chmod 0 /usr/bin/dpkg* /usr/bin/apt* /usr/bin/deb-systemd-*")
    assert machine.run("dpkg", "--version", check=False).returncode != 0
    return machine


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tarball laid open on the host, for other versions to be made of it."""
    if not TARBALL.exists():
        pytest.fail(f"there is nothing to install: `make tarball` writes {TARBALL.relative_to(ROOT)}", pytrace=False)
    place = tmp_path_factory.mktemp("tarball")
    subprocess.run(["tar", "-xzf", TARBALL, "-C", place], check=True)
    return place / TARBALL.name.removesuffix(".tar.gz")


@pytest.fixture(scope="module")
def box(bare: Machine, compiled: Path, record: Record) -> Appliance:
    """rpsd installed from the tarball, as the manual says."""
    shutil.copy2(TARBALL, bare.share)
    begin = time.monotonic()
    bare.shell(f"mkdir -p {PLACE}; ln -s /share/{TARBALL.name} {PLACE}")
    follow_lines(bare, "umask 077\n" + block("upgrade", "tar -xzf"))  # a root whose files nobody else may read
    appliance = Appliance(bare, json.loads(bare.run("rpsd", "keys", "create", "system", "--scope", "admin", "--json").stdout)["key"])
    appliance.until_good()
    record("install by install.sh", f"{time.monotonic() - begin:.1f} s from the packed tarball to healthy, without dpkg")
    warmed(bare, compiled)
    bare.run("systemctl", "start", "rpsd.service")
    return appliance


def put(box: Appliance, opened: Path, version: str, spoil: Callable[[Path], None] = lambda _code: None) -> subprocess.CompletedProcess[str]:
    """Run the installer of another version."""
    place = box.machine.share / version
    shutil.copytree(opened, place, symlinks=True)
    renumbered(place / "release", version)
    spoil(next((place / "release").glob("venv/lib/python3.*/site-packages/rpsd")))
    (place / "VERSION").write_text(f"{version}\n", encoding="utf-8")
    with (place / "etc" / "config.yaml").open("a", encoding="utf-8") as stream:
        stream.write("# of the newer release\n")
    box.machine.shell(f"cd /share/{version}/release && find . -type f ! -name SHA256SUMS -exec sha256sum {{}} + > SHA256SUMS")
    done = box.machine.shell(f"umask 077; /share/{version}/install.sh", check=False, timeout=300)
    shutil.rmtree(place)
    return done


def serving(box: Appliance) -> str:
    return str(box.json("GET", "/health")["version"])


def test_it_installs_without_dpkg(box: Appliance) -> None:
    machine = box.machine
    assert serving(box) == __version__
    for unit in ("rpsd.service", "rpsd.socket", "rpsd-outbound.service"):
        assert machine.run("systemctl", "is-enabled", unit).stdout.strip() == "enabled"
    assert machine.run("stat", "-c", "%a %U:%G", "/etc/rpsd/config.yaml").stdout.strip() == "640 root:rpsd"
    box.json("POST", SAMPLES, ROWS)
    box.until_ready()


def test_it_upgrades_and_leaves_what_the_operator_has_set(box: Appliance, opened: Path, record: Record) -> None:
    machine = box.machine
    machine.shell(f"echo '{OURS}' >> /etc/rpsd/config.yaml; systemctl disable --now rpsd-outbound.service")
    begin = time.monotonic()
    done = put(box, opened, NEWER)
    record("upgrade by install.sh", f"took {time.monotonic() - begin:.1f} s")
    assert done.returncode == 0, done.stderr
    assert serving(box) == NEWER
    assert machine.run("tail", "-1", "/etc/rpsd/config.yaml").stdout.strip() == OURS
    assert "newer release" in machine.run("cat", "/etc/rpsd/config.yaml.new").stdout
    assert machine.run("systemctl", "is-enabled", "rpsd-outbound.service", check=False).stdout.strip() == "disabled"


def test_a_broken_release_is_taken_back(box: Appliance, opened: Path) -> None:
    def spoil(code: Path) -> None:
        replace_module(code, "cli/serve.py", _SILENT + (code / "cli/serve.py").read_text(encoding="utf-8"))

    done = put(box, opened, BROKEN, spoil)
    assert done.returncode != 0
    last = json.loads(box.rpsd("release", "list", "--json").stdout)["switches"][-1]
    assert (last["to"], last["outcome"]) == (BROKEN, "rolled_back")
    assert serving(box) == NEWER


def test_there_is_a_way_back_by_hand(box: Appliance) -> None:
    box.rpsd("release", "rollback")
    assert serving(box) == __version__
    assert box.json("GET", SAMPLES)["close"] == ROWS["close"]


def test_what_was_spoilt_on_the_way_is_not_installed(box: Appliance, opened: Path) -> None:
    """A file that is not what it was when the release was built: nothing changes."""
    place = box.machine.share / "torn"
    shutil.copytree(opened, place, symlinks=True)
    with (place / "release" / "sbom.cdx.json").open("a", encoding="utf-8") as stream:
        stream.write(" ")
    (place / "VERSION").write_text(f"{__version__}+torn\n", encoding="utf-8")
    done = box.machine.shell("/share/torn/install.sh", check=False)
    assert done.returncode != 0
    assert "sbom.cdx.json" in done.stdout
    assert box.machine.run("test", "-e", f"/opt/rpsd/releases/{__version__}+torn", check=False).returncode != 0
    assert serving(box) == __version__
