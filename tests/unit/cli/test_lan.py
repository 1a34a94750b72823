"""`rpsd init --lan NAME`."""

import json
import ssl
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from rpsd.services.access.certificate import pair_faults, read_certificate
from tests.unit.cli.conftest import Run


@pytest.fixture
def rpsd(rpsd: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.setenv("RPSD_CONFIG", str(tmp_path / "etc" / "config.yaml"))
    return rpsd


def lan(rpsd: Run, *names: str) -> dict[str, Any]:
    code, out, err = rpsd("init", *(word for name in names for word in ("--lan", name)), "--json")
    assert code == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


def test_it_makes_certificate_and_settings(rpsd: Run, tmp_path: Path) -> None:
    found = lan(rpsd, "Box.LAN", "192.168.7.5")
    told = found["lan"]
    assert found["config"] == str(tmp_path / "etc" / "config.yaml")
    assert found["admin_key"].startswith("rpsd_")
    assert told["url"] == "https://box.lan:8000"
    assert told["names"] == ["box.lan", "192.168.7.5", "localhost", "127.0.0.1", "::1"]
    written = yaml.safe_load(Path(found["config"]).read_text())
    key = Path(written["server"]["tls_key"])
    assert written == {
        "server": {
            "host": "0.0.0.0",
            "allowed_hosts": ["localhost", "127.0.0.1", "box.lan", "192.168.7.5"],
            "tls_cert": told["certificate"],
            "tls_key": str(key),
        }
    }
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert not pair_faults(Path(told["certificate"]), key, read_certificate(Path(told["certificate"])).not_before_ns)
    trusted = ssl.create_default_context(cafile=told["certificate"])
    assert len(trusted.get_ca_certs(binary_form=True)) == 0  # it vouches for itself and for nothing else
    assert rpsd("config", "check")[0] == 0


def test_repeated_it_changes_nothing(rpsd: Run) -> None:
    first = lan(rpsd, "box.lan")
    file = Path(first["config"])
    kept = file.read_bytes(), Path(first["lan"]["certificate"]).read_bytes()
    again = lan(rpsd, "box.lan")
    assert not again["lan"]["changed"]
    assert again["admin_key"] is None
    assert kept == (file.read_bytes(), Path(again["lan"]["certificate"]).read_bytes())


def test_another_name_is_added(rpsd: Run) -> None:
    lan(rpsd, "box.lan")
    found = lan(rpsd, "desk.lan")
    assert {"box.lan", "desk.lan", "localhost"} <= set(found["lan"]["names"])
    assert {"box.lan", "desk.lan"} <= set(yaml.safe_load(Path(found["config"]).read_text())["server"]["allowed_hosts"])


def test_a_certificate_of_the_operators_own_stays(rpsd: Run, tmp_path: Path) -> None:
    made = lan(rpsd, "box.lan")["lan"]
    own = tmp_path / "own-cert.pem", tmp_path / "own-key.pem"
    for mine, theirs in zip(own, (Path(made["certificate"]), Path(made["certificate"]).with_name("tls-key.pem")), strict=True):
        mine.write_bytes(theirs.read_bytes())
        mine.chmod(0o600)
    file = tmp_path / "etc" / "config.yaml"
    file.write_text(f"server:  # ours\n  tls_cert: {own[0]}\n  tls_key: {own[1]}\n")
    found = lan(rpsd, "box.lan")
    assert found["lan"]["certificate"] == str(own[0])
    assert file.read_text().startswith("server:  # ours\n")


@pytest.mark.parametrize("name", ["", "a b", "-x", "https://box", "box:8000", "1.2.3.999", "a" * 64, "*.lan", "box\n"])
def test_what_is_no_name_is_refused(rpsd: Run, name: str) -> None:
    assert rpsd("init", "--lan", name)[0] == 65


def test_people_read_how_clients_trust_it(rpsd: Run) -> None:
    code, out, _ = rpsd("init", "--lan", "box.lan")
    assert code == 0
    for words in ("curl --cacert tls-cert.pem https://box.lan:8000/health", "ListenStream=0.0.0.0:8000", "never the key"):
        assert words in out


def test_settings_that_stand_against_it_are_told(rpsd: Run, tmp_path: Path) -> None:
    file = tmp_path / "etc" / "config.yaml"
    file.parent.mkdir()
    file.write_text("auth: {required: false}\n")
    code, _, err = rpsd("init", "--lan", "box.lan")
    assert code == 78
    assert "auth.required" in err
