"""What rpsd refuses to start with."""

from pathlib import Path

import pytest

from rpsd.config import read, validate


def reasons(directory: Path, **values: str) -> list[str]:
    environ = {"RPSD_DATA_DIR": str(directory), "HOME": "/nonexistent"}
    environ |= {f"RPSD_{name.upper()}": text for name, text in values.items()}
    return [fault.reason for fault in validate(read(environ=environ))]


def test_loopback_needs_nothing(tmp_path: Path) -> None:
    assert reasons(tmp_path) == []
    assert reasons(tmp_path, server__host="::1", auth__required="false") == []


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "box.lan"])
def test_a_public_bind_needs_protection(tmp_path: Path, host: str) -> None:
    assert any(reason.startswith("server.host:") for reason in reasons(tmp_path, server__host=host))
    assert reasons(tmp_path, server__host=host, server__plain_http_from="192.168.1.0/24") == []
    assert reasons(tmp_path, server__host=host, server__trusted_proxies="10.0.0.1") == []


@pytest.mark.parametrize("network", ["0.0.0.0/0", "8.8.8.0/24", "::/0"])
def test_plain_http_is_for_named_private_networks(tmp_path: Path, network: str) -> None:
    assert "private network" in reasons(tmp_path, server__host="0.0.0.0", server__plain_http_from=network)[0]


def test_no_key_is_for_loopback_only(tmp_path: Path) -> None:
    found = reasons(tmp_path, server__host="0.0.0.0", server__plain_http_from="10.0.0.0/8", auth__required="false")
    assert found[0].startswith("auth.required:")


def test_tls_files_must_exist_and_the_key_be_private(tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    values = {"server__host": "0.0.0.0", "server__tls_cert": str(cert), "server__tls_key": str(key)}
    assert len(reasons(tmp_path, **values)) == 2
    cert.touch()
    key.touch(0o644)
    assert "everybody" in reasons(tmp_path, **values)[0]
    key.chmod(0o600)
    assert reasons(tmp_path, **values) == []
    assert "together" in reasons(tmp_path, server__tls_cert=str(cert))[0]


def test_world_readable_secrets_are_refused(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    pepper = tmp_path / "secrets" / "pepper"
    pepper.touch(0o644)
    assert "can be read by everybody" in reasons(tmp_path)[0]
    pepper.chmod(0o600)
    assert reasons(tmp_path) == []


def test_a_file_in_the_place_of_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert all("is not a directory" in reason for reason in reasons(tmp_path / "file"))
    assert reasons(tmp_path / "file")


def test_a_config_that_everybody_can_change_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"storage: {{data_dir: {tmp_path}}}\n")
    file.chmod(0o666)
    assert "everybody can change" in validate(read(file, {}))[0].reason
