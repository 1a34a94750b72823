"""What rpsd refuses to start with."""

import base64
import json
import random
import secrets
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpsd.config import read, validate
from rpsd.config.confidential import weakness
from rpsd.config.exposure import exposure_warnings


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
    place = tmp_path / "secrets"
    place.mkdir(0o755)
    pepper = place / "pepper"
    pepper.write_bytes(secrets.token_bytes(32))
    pepper.chmod(0o644)
    assert "everybody can look into" in reasons(tmp_path)[0]
    place.chmod(0o700)
    assert "can be read by everybody" in reasons(tmp_path)[0]
    pepper.chmod(0o600)
    assert reasons(tmp_path) == []


@pytest.mark.parametrize(
    "secret", [b"", b"short", b"a" * 64, b"changeme" * 5, b"0123456789abcdefghijklmnopqrstuvwxyz", bytes(range(32)), b"ab" * 20]
)
def test_weak_secrets_are_refused(tmp_path: Path, secret: bytes) -> None:
    place = tmp_path / "secrets"
    place.mkdir(0o700)
    (place / "pepper").write_bytes(secret)
    keys = [{"kty": "oct", "kid": "1", "k": base64.urlsafe_b64encode(secret).decode().rstrip("=")}]
    (place / "jwt.json").write_text(json.dumps({"keys": keys}))
    for file in place.iterdir():
        file.chmod(0o600)
    found = reasons(tmp_path)
    assert len(found) == 2
    assert "jwt.json holds a signing key that" in found[0]
    assert "pepper" in found[1]


@given(st.integers(0, 2**32))
def test_random_secrets_pass_in_any_form(seed: int) -> None:
    secret = random.Random(seed).randbytes(32)
    for form in (secret, secret.hex().encode(), base64.b64encode(secret), secret[:16].hex().encode()):
        assert weakness(form) == ""


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("server__trusted_proxies", "0.0.0.0/0", "name the proxies"),
        ("server__cors_origins", "*", "name each origin"),
        ("server__cors_origins", "https://*.lan", "name each origin"),
        ("server__cors_origins", "https://desk.lan/", "not an origin"),
        ("server__cors_origins", "desk.lan", "not an origin"),
        ("server__cors_origins", "https://a@desk.lan", "names no host"),
        ("server__cors_origins", "['null']", "not an origin"),
        ("server__allowed_hosts", "https://box.lan", "no host name"),
        ("server__allowed_hosts", "box.lan:8000", "no host name"),
        ("server__allowed_hosts", "*lan", "no host name"),
    ],
)
def test_doors_that_stand_open_are_refused(tmp_path: Path, name: str, value: str, words: str) -> None:
    (found,) = reasons(tmp_path, **{name: value})
    assert found.startswith(name.replace("__", ".") + ":")
    assert words in found


def test_no_key_behind_a_proxy_is_refused(tmp_path: Path) -> None:
    assert reasons(tmp_path, auth__required="false", server__trusted_proxies="127.0.0.1")[0].startswith("auth.required:")


def test_everything_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir(0o755)
    found = reasons(tmp_path, server__host="0.0.0.0", auth__required="false", server__cors_origins="*", server__tls_cert="/nowhere")
    assert len(found) == 5, found


def test_what_is_meant_so_is_warned_of(tmp_path: Path) -> None:
    environ = {"RPSD_DATA_DIR": str(tmp_path), "RPSD_SERVER__HOST": "0.0.0.0", "RPSD_SERVER__PLAIN_HTTP_FROM": "10.0.0.0/8"}
    warned = [warning.reason.partition(":")[0] for warning in exposure_warnings(read(environ=environ))]
    assert warned == ["server.plain_http_from", "server.allowed_hosts"]
    open_to_all = environ | {"RPSD_SERVER__ALLOWED_HOSTS": "*", "RPSD_MONITORING__METRICS_ALLOW": "0.0.0.0/0"}
    warned = [warning.reason.partition(":")[0] for warning in exposure_warnings(read(environ=open_to_all))]
    assert warned == ["server.plain_http_from", "server.allowed_hosts", "monitoring.metrics_allow"]
    assert exposure_warnings(read(environ={"RPSD_DATA_DIR": str(tmp_path)})) == []


def test_a_file_in_the_place_of_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert all("is not a directory" in reason for reason in reasons(tmp_path / "file"))
    assert reasons(tmp_path / "file")


def test_a_config_that_everybody_can_change_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"storage: {{data_dir: {tmp_path}}}\n")
    file.chmod(0o666)
    assert "everybody can change" in validate(read(file, {}))[0].reason


def test_the_secrets_of_webhooks_are_there_and_no_word_of_them_is_told(tmp_path: Path) -> None:
    listed = '[{"url": "https://a.example/", "secret_file": "hook"}, {"url": "https://b.example/"}]'
    [missing] = reasons(tmp_path, alerts__webhooks=listed)
    assert missing.startswith("alerts.webhooks: webhook 1: the secret file")
    (tmp_path / "secrets").mkdir(mode=0o700)
    secret = tmp_path / "secrets" / "hook"
    secret.write_text("changeme" * 8)
    secret.chmod(0o600)
    [weak] = reasons(tmp_path, alerts__webhooks=listed)
    assert "can be guessed" in weak
    assert "changeme" not in weak
    secret.write_text("0123456789abcdef0123456789abcdef")
    assert reasons(tmp_path, alerts__webhooks=listed) == []
