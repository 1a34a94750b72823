"""Settings against the socket unit."""

from pathlib import Path

import pytest

from rpsd.config import read
from rpsd.config.listening import is_of_service, listening_faults, unit_addresses
from rpsd.config.settings import Settings

SOCKETS = "ListenStream=/run/rpsd/admin.sock\nListenStream=/run/rpsd/outbound.sock"
SHIPPED = f"[Socket]\nListenStream=127.0.0.1:8000\n# ListenStream=0.0.0.0:1\n{SOCKETS}\n"


@pytest.fixture
def roots(tmp_path: Path) -> list[Path]:
    strong, weak = tmp_path / "etc", tmp_path / "lib"
    (strong / "rpsd.socket.d").mkdir(parents=True)
    (weak / "rpsd.socket.d").mkdir(parents=True)
    (weak / "rpsd.socket").write_text(SHIPPED)
    return [strong, weak]


def drop(root: Path, name: str, text: str) -> None:
    (root / "rpsd.socket.d" / name).write_text(f"[Socket]\n{text}\n")


def of(**environ: str) -> Settings:
    return read(environ={f"RPSD_SERVER__{name}": value for name, value in environ.items()})


def test_the_shipped_unit_and_the_defaults_agree(roots: list[Path], root: Path) -> None:
    assert unit_addresses(roots) == [("127.0.0.1", 8000), "/run/rpsd/admin.sock", "/run/rpsd/outbound.sock"]
    assert listening_faults(of(), roots) == []
    assert listening_faults(of(), [root / "systemd"]) == []
    assert listening_faults(of(PORT="9000"), [root / "none"]) == []


def test_another_port_is_a_fault_with_the_drop_in_that_mends_it(roots: list[Path]) -> None:
    settings = of(PORT="9000", HOST="192.168.1.5")
    [fault] = listening_faults(settings, roots)
    assert "rpsd.socket does not listen on 192.168.1.5:9000" in fault.reason
    drop(roots[0], "listen.conf", f"ListenStream=\nListenStream=192.168.1.5:9000\n{SOCKETS}")
    assert "ListenStream=192.168.1.5:9000\\nListenStream=/run/rpsd/admin.sock\\nListenStream=/run/rpsd/outbound.sock\\n" in fault.reason
    assert listening_faults(settings, roots) == []


def test_a_stronger_drop_in_hides_a_weaker_one_of_its_name(roots: list[Path]) -> None:
    drop(roots[1], "a.conf", "ListenStream=\nListenStream=1.1.1.1:1")
    drop(roots[0], "a.conf", "ListenStream=[::1]:8000")
    assert unit_addresses(roots) == [("127.0.0.1", 8000), "/run/rpsd/admin.sock", "/run/rpsd/outbound.sock", ("::1", 8000)]


@pytest.mark.parametrize(
    ("listen", "host", "agrees"),
    [
        ("8000", "::", True),
        ("8000", "0.0.0.0", True),
        ("0.0.0.0:8000", "0.0.0.0", True),
        ("0.0.0.0:8000", "127.0.0.1", False),
        ("127.0.0.1:8000", "localhost", True),
        ("[::1]:8000", "::1", True),
        ("127.0.0.1:8000", "0.0.0.0", False),
    ],
)
def test_addresses(roots: list[Path], listen: str, host: str, agrees: bool) -> None:
    drop(roots[0], "listen.conf", f"ListenStream=\nListenStream={listen}\n{SOCKETS}")
    assert (listening_faults(of(HOST=host), roots) == []) is agrees


def test_a_second_port_for_metrics_is_one_more_line(roots: list[Path]) -> None:
    settings = read(environ={"RPSD_METRICS_PORT": "9090"})
    [fault] = listening_faults(settings, roots)
    assert "monitoring.metrics_port" in fault.reason
    assert "127.0.0.1:9090" in fault.reason


def test_only_the_settings_of_the_service_are_compared(tmp_path: Path) -> None:
    assert is_of_service(read(environ={}))
    assert not is_of_service(read(environ={"RPSD_DATA_DIR": str(tmp_path)}))
    mine = tmp_path / "mine.yaml"
    mine.write_text("server: {port: 9000}\n")
    mine.chmod(0o600)
    assert not is_of_service(read(mine, {}))
