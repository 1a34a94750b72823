"""Findings about the machine, with what it says put into its mouth."""

import json
from pathlib import Path

import pytest

from rpsd.config import read
from rpsd.config.settings import Settings
from rpsd.services.doctor import machine
from rpsd.services.doctor.finding import Finding


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read(environ={"RPSD_DATA_DIR": str(tmp_path)})


def statuses(found: list[Finding]) -> dict[str, str]:
    return {one.name: one.status for one in found}


@pytest.mark.parametrize(("status", "expected"), [(0x2001, "ok"), (0x40, "warning"), (None, "note")])
def test_the_clock(status: int | None, expected: str) -> None:
    [found] = machine.clock(lambda: status)
    assert found.status == expected


def test_the_kernel_is_really_asked() -> None:
    status = machine.clock_status()
    assert status is None or 0 <= status < 1 << 32


def answers(exposure: str, **facts: str) -> machine.Ask:
    base = {"LoadState": "loaded", "ActiveState": "active", "NeedDaemonReload": "no", "DropInPaths": "", "NRestarts": "0"} | facts

    def asked(command: list[str]) -> str:
        if command[0] == "systemd-analyze":
            return f"  x\n→ Overall exposure level for {command[-1]}: {exposure} OK :-)\n"
        return "".join(f"{name}={value}\n" for name, value in base.items())

    return asked


def test_units_that_are_well(tmp_path: Path) -> None:
    found = list(machine.units(answers("0.2"), tmp_path))
    assert set(statuses(found).values()) == {"ok"}
    assert len(found) == 4


def test_units_that_are_not(tmp_path: Path) -> None:
    drops = "/etc/systemd/system/rpsd.service.d/open.conf"
    found = list(machine.units(answers("4.1", ActiveState="failed", NeedDaemonReload="yes", DropInPaths=drops), tmp_path))
    of_service = [(one.status, one.detail) for one in found if one.name.endswith("rpsd.service")]
    assert [status for status, _ in of_service] == ["failed", "warning", "note", "warning"]
    assert drops in of_service[2][1]
    assert "4.1" in of_service[3][1]


def test_a_machine_without_systemd_and_a_unit_that_is_missing(tmp_path: Path) -> None:
    assert [one.status for one in machine.units(answers("0.2"), tmp_path / "none")] == ["note"]
    assert {one.status for one in machine.units(lambda _: None, tmp_path)} == {"note"}


def test_a_service_that_does_not_run_is_a_warning(tmp_path: Path) -> None:
    found = list(machine.units(answers("0.2", ActiveState="inactive"), tmp_path))
    assert found[0].status == "warning"


def test_time_zones(settings: Settings, tmp_path: Path) -> None:
    place = tmp_path / "localtime"
    place.symlink_to("/usr/share/zoneinfo/Europe/Zurich")
    assert [one.status for one in machine.time_zone(settings, place)] == ["note"]
    assert [one.status for one in machine.time_zone(settings, tmp_path / "missing")] == ["ok"]


def test_settings_that_the_server_has_not_taken_over(settings: Settings) -> None:
    from rpsd.config import explain

    rows = [{"name": row.name, "value": row.value, "origin": row.origin} for row in explain(settings)]
    assert statuses(list(machine.drift(settings, rows))) == {"settings": "ok"}
    index = next(at for at, row in enumerate(rows) if row["name"] == "backup.keep_days")
    rows[index] = rows[index] | {"value": 7}
    [found] = machine.drift(settings, rows)
    assert (found.status, "backup.keep_days" in found.detail) == ("warning", True)
    rows[index] = rows[index] | {"origin": "environment RPSD_BACKUP__KEEP_DAYS"}
    assert statuses(list(machine.drift(settings, rows))) == {"settings": "ok"}


def test_the_last_switch_of_releases(tmp_path: Path) -> None:
    place = tmp_path / "switches.jsonl"
    assert list(machine.releases(place)) == []
    place.write_text(json.dumps({"from": "0.7.0", "to": "0.8.0", "outcome": "kept"}) + "\n")
    assert [one.status for one in machine.releases(place)] == ["ok"]
    with place.open("a") as file:
        file.write(json.dumps({"from": "0.8.0", "to": "0.9.0", "outcome": "rolled_back", "reason": "not ready"}) + '\n{"half')
    [found] = machine.releases(place)
    assert (found.status, "0.9.0" in found.detail, "not ready" in found.detail) == ("warning", True, True)


def test_a_socket_that_was_changed_and_not_restarted() -> None:
    def active(_command: list[str]) -> str:
        return "active\n"

    assert statuses(list(machine.sockets(active, list))) == {"listeners": "ok"}
    [found] = machine.sockets(active, lambda: [("0.0.0.0", 8000), "/run/rpsd/admin.sock"])
    assert (found.status, "0.0.0.0:8000, /run/rpsd/admin.sock" in found.detail) == ("failed", True)
    assert "systemctl restart rpsd.socket" in found.hint
    assert list(machine.sockets(lambda _command: None, lambda: [("::", 1)])) == [], "a server by hand has no such socket"
