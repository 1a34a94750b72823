"""The units: systemd has nothing to say about them, the sandbox is as tight as promised, and they agree with the settings."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from rpsd.release.place import HOME, LOCK

EXPOSURE = {"rpsd.service": 3}  # systemd-analyze counts in tenths: 0.3 where strangers' input is parsed
MOST_EXPOSURE = 10  # and 1.0 for every other unit
UNITS = Path(__file__).resolve().parents[2] / "systemd"
SERVICES = sorted(path.name for path in UNITS.glob("*.service"))
ALL = sorted(path.name for path in UNITS.iterdir() if path.is_file())
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed on this machine")


@pytest.fixture
def rendered(tmp_path: Path) -> Path:
    """The units with an interpreter that exists, as an installed release would have it."""
    for unit in (UNITS / name for name in ALL):
        text = re.sub(r"/opt/rpsd/current/venv/bin/python", "/bin/true", unit.read_text(encoding="utf-8"))
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
    return tmp_path


def analyze(*arguments: str | Path) -> tuple[int, str]:
    done = subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout + done.stderr


def entries(name: str) -> Iterator[tuple[str, str]]:
    """All `Key=value` lines of a unit, repeated keys included."""
    for line in (UNITS / name).read_text(encoding="utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            yield key, value


@needs_systemd
@pytest.mark.parametrize("unit", ALL)
def test_verify_is_silent(rendered: Path, unit: str) -> None:
    assert analyze("verify", "--man=no", rendered / unit) == (0, "")


@needs_systemd
def test_verify_speaks_up_on_an_unknown_key(rendered: Path) -> None:
    """The control: an unknown key only warns, so that silence is what must be checked."""
    unit = rendered / "rpsd.service"
    unit.write_text(unit.read_text().replace("PrivateTmp=yes", "PrivateTmpp=yes"))
    assert "PrivateTmpp" in analyze("verify", "--man=no", unit)[1]


@needs_systemd
@pytest.mark.parametrize("unit", SERVICES)
def test_exposure_is_within_its_bound(rendered: Path, unit: str) -> None:
    bound = EXPOSURE.get(unit, MOST_EXPOSURE)
    status, output = analyze("security", "--offline=true", f"--threshold={bound}", rendered / unit)
    assert status == 0, output.splitlines()[-1]


@needs_systemd
@pytest.mark.parametrize("unit", SERVICES)
def test_exposure_rises_without_the_sandbox(rendered: Path, unit: str) -> None:
    """The control: the same threshold fails when walls are taken out."""
    path = rendered / unit
    path.write_text(re.sub(r"^(PrivateNetwork|ProtectSystem|PrivateUsers|SystemCallFilter)=.*$", "", path.read_text(), flags=re.MULTILINE))
    assert analyze("security", "--offline=true", f"--threshold={EXPOSURE.get(unit, MOST_EXPOSURE)}", path)[0] != 0


def test_a_start_that_nothing_but_a_person_mends_closes_the_sockets() -> None:
    """Else the next connection in the backlog starts the service again, for ever: systemd.service(5) on RestartPreventExitStatus."""
    service = dict(entries("rpsd.service"))
    codes = "|".join(service["RestartPreventExitStatus"].split())
    assert f"in {codes}) exec flock --nonblock {HOME}/releases/{LOCK} systemctl stop --no-block rpsd.socket;;" in service["ExecStopPost"]


@pytest.mark.parametrize("unit", SERVICES)
def test_no_restart_limit_and_no_restart_that_mends_nothing(unit: str) -> None:
    service = dict(entries(unit))
    assert service["Type"] == "notify"
    assert service["StartLimitIntervalSec"] == "0"
    assert set(service["RestartPreventExitStatus"].split()) == {"64", "78"}
    assert float(service["WatchdogSec"]) > 0
    assert not [value for key, value in entries(unit) if key == "Environment" and re.search(r"secret|key|token", value, re.IGNORECASE)]


def test_what_goes_out_sees_neither_database_nor_administration() -> None:
    hidden = dict(entries("rpsd-outbound.service"))["InaccessiblePaths"].split()
    assert {"-/var/lib/rpsd", "-/run/rpsd/admin.sock"} <= set(hidden)
    assert dict(entries("rpsd-outbound.service"))["User"] == dict(entries("rpsd.socket"))["SocketUser"]


def test_the_serving_unit_has_no_network() -> None:
    service = dict(entries("rpsd.service"))
    assert service["PrivateNetwork"] == "yes"
    assert service["RestrictAddressFamilies"] == "AF_UNIX"


def test_the_service_can_read_its_settings_and_not_write_them() -> None:
    """systemd leaves a ConfigurationDirectory to root: with 0750 the group must come from tmpfiles.d."""
    lines = (UNITS / "tmpfiles.d" / "rpsd.conf").read_text(encoding="utf-8").splitlines()
    assert "d /etc/rpsd 0750 root rpsd -" in lines
    assert dict(entries("rpsd.service"))["ConfigurationDirectoryMode"] == "0750"


def test_socket_listens_where_the_settings_say() -> None:
    from rpsd.config import read

    settings = read(Path("/dev/null"), environ={}).server
    listens = [value for key, value in entries("rpsd.socket") if key == "ListenStream"]
    assert listens == [f"{settings.host}:{settings.port}", "/run/rpsd/admin.sock", "/run/rpsd/outbound.sock"]
    assert dict(entries("rpsd.socket"))["TriggerLimitIntervalSec"] == "0"
