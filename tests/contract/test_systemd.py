"""The units: systemd has nothing to say about them, the sandbox is as tight as promised, and they agree with the settings."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

EXPOSURE = 3  # systemd-analyze counts in tenths: 0.3
OUTBOUND_EXPOSURE = 10
UNITS = Path(__file__).resolve().parents[2] / "systemd"
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed on this machine")


@pytest.fixture
def rendered(tmp_path: Path) -> Path:
    """The units with an interpreter that exists, as an installed release would have it."""
    for unit in UNITS.glob("rpsd*.s*"):
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
@pytest.mark.parametrize("unit", ["rpsd.service", "rpsd.socket", "rpsd-outbound.service"])
def test_verify_is_silent(rendered: Path, unit: str) -> None:
    assert analyze("verify", "--man=no", rendered / unit) == (0, "")


@needs_systemd
def test_verify_speaks_up_on_an_unknown_key(rendered: Path) -> None:
    """The control: an unknown key only warns, so that silence is what must be checked."""
    unit = rendered / "rpsd.service"
    unit.write_text(unit.read_text().replace("PrivateTmp=yes", "PrivateTmpp=yes"))
    assert "PrivateTmpp" in analyze("verify", "--man=no", unit)[1]


@needs_systemd
def test_exposure_is_within_its_bound(rendered: Path) -> None:
    status, output = analyze("security", "--offline=true", f"--threshold={EXPOSURE}", rendered / "rpsd.service")
    assert status == 0, output.splitlines()[-1]


@needs_systemd
def test_exposure_of_what_goes_out_is_within_its_bound(rendered: Path) -> None:
    unit = rendered / "rpsd-outbound.service"
    status, output = analyze("security", "--offline=true", f"--threshold={OUTBOUND_EXPOSURE}", unit)
    assert status == 0, output.splitlines()[-1]
    unit.write_text(unit.read_text().replace("ProtectSystem=strict", "ProtectSystem=no"))  # the control
    assert analyze("security", "--offline=true", f"--threshold={OUTBOUND_EXPOSURE}", unit)[0] != 0


def test_what_goes_out_sees_neither_database_nor_administration() -> None:
    hidden = dict(entries("rpsd-outbound.service"))["InaccessiblePaths"].split()
    assert {"-/var/lib/rpsd", "-/run/rpsd/admin.sock"} <= set(hidden)
    assert dict(entries("rpsd-outbound.service"))["User"] == dict(entries("rpsd.socket"))["SocketUser"]


@needs_systemd
def test_exposure_rises_without_the_sandbox(rendered: Path) -> None:
    """The control: the same threshold fails when one wall is taken out."""
    unit = rendered / "rpsd.service"
    unit.write_text(unit.read_text().replace("PrivateNetwork=yes", "PrivateNetwork=no"))
    assert analyze("security", "--offline=true", f"--threshold={EXPOSURE}", unit)[0] != 0


def test_service_heals_and_gives_up_where_promised() -> None:
    service = dict(entries("rpsd.service"))
    assert service["Type"] == "notify"
    assert service["StartLimitIntervalSec"] == "0"
    assert set(service["RestartPreventExitStatus"].split()) == {"64", "78"}
    assert float(service["WatchdogSec"]) > 0
    assert service["PrivateNetwork"] == "yes"
    assert service["RestrictAddressFamilies"] == "AF_UNIX"
    assert not [value for key, value in entries("rpsd.service") if key == "Environment" and re.search(r"secret|key|token", value, re.I)]


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
