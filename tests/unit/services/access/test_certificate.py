"""Which certificates can serve, and what is said of the others."""

import ssl
import subprocess
import time
from pathlib import Path

import pytest

from rpsd.config import read
from rpsd.core.errors import InvalidRequest
from rpsd.services.access.certificate import CertificateWatch, pair_faults, read_certificate, start_faults
from rpsd.services.access.self_signed import self_signed
from rpsd.telemetry import Metrics

DAY_NS = 86_400_000_000_000


def written(place: Path, *, days: int = 30, now_ns: int | None = None) -> tuple[Path, Path]:
    cert, key = place / "cert.pem", place / "key.pem"
    for file, pem in zip((cert, key), self_signed(["box.lan", "10.0.0.5", "::1"], now_ns or time.time_ns(), days), strict=True):
        file.write_bytes(pem)
        file.chmod(0o600)
    return cert, key


def faults(cert: Path, key: Path) -> list[str]:
    return [f"{name}: {reason}" for name, reason in pair_faults(cert, key, time.time_ns())]


def test_a_good_pair(tmp_path: Path) -> None:
    cert, key = written(tmp_path)
    assert faults(cert, key) == []
    found = read_certificate(cert)
    assert found.names == ("box.lan", "10.0.0.5", "::1")
    assert found.not_after_ns - found.not_before_ns == 30 * DAY_NS + 3600 * 10**9


def test_openssl_finds_it_sound_for_a_server(tmp_path: Path) -> None:
    cert, _ = written(tmp_path)
    command = ["openssl", "verify", "-x509_strict", "-partial_chain", "-purpose", "sslserver", "-verify_hostname", "box.lan"]
    assert subprocess.run([*command, "-CAfile", str(cert), str(cert)], check=True, capture_output=True, text=True).stdout.endswith("OK\n")


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        ("expired", "has expired"),
        ("early", "is not valid before"),
        ("other", "is not the key of the certificate"),
        ("empty", "holds no certificate"),
        ("no key", "is no private key"),
        ("gone", "cannot be read"),
        ("encrypted", "is encrypted"),
        ("small", "has 1024 bits"),
        ("curve", "is on the curve"),
        ("kind", "of a kind that cannot serve"),
    ],
)
def test_a_pair_that_cannot_serve(tmp_path: Path, harm: str, words: str) -> None:
    shift = {"expired": -60, "early": 60}.get(harm, 0)
    cert, key = written(tmp_path, now_ns=time.time_ns() + shift * DAY_NS)
    kinds = {"small": ["RSA", "rsa_keygen_bits:1024"], "curve": ["EC", "ec_paramgen_curve:P-521"], "kind": ["X25519", ""]}
    if harm == "other":
        kept = cert.read_bytes()
        written(tmp_path)
        cert.write_bytes(kept)
    elif harm == "empty":
        cert.write_text("")
    elif harm == "no key":
        key.write_bytes(cert.read_bytes())
    elif harm == "gone":
        key.unlink()
    elif harm == "encrypted":
        subprocess.run(
            ["openssl", "pkcs8", "-topk8", "-in", key, "-out", tmp_path / "k", "-passout", "pass:x"], check=True, capture_output=True
        )
        (tmp_path / "k").replace(key)
    elif harm in kinds:
        kind, option = kinds[harm]
        command = ["openssl", "genpkey", "-algorithm", kind, "-out", str(key), *(["-pkeyopt", option] if option else [])]
        subprocess.run(command, check=True, capture_output=True)
    (found,) = faults(cert, key)
    assert words in found


def test_the_start_is_refused_with_the_place_of_the_setting(tmp_path: Path) -> None:
    cert, key = written(tmp_path, days=1, now_ns=time.time_ns() - 3 * DAY_NS)
    environ = {"RPSD_DATA_DIR": str(tmp_path), "RPSD_SERVER__TLS_CERT": str(cert), "RPSD_SERVER__TLS_KEY": str(key)}
    (fault,) = start_faults(read(environ=environ), time.time_ns())
    assert fault.pointer == "environment RPSD_SERVER__TLS_CERT"
    assert start_faults(read(environ={"RPSD_DATA_DIR": str(tmp_path)}), time.time_ns()) == []


def test_health_tells_how_long_it_lasts(tmp_path: Path) -> None:
    now = [time.time_ns()]
    cert, key = written(tmp_path, days=30, now_ns=now[0])
    watch = CertificateWatch(cert, key, Metrics(), lambda: now[0])
    assert watch.part() == ("disabled", "")
    watch.take()
    assert not watch.look()
    assert watch.part() == ("healthy", "")
    now[0] += 17 * DAY_NS
    assert watch.part() == ("degraded", "certificate_expiring")
    now[0] += 14 * DAY_NS
    assert watch.part() == ("degraded", "certificate_expired")
    assert CertificateWatch(None, None, Metrics(), time.time_ns).look() is False


def test_a_self_signed_certificate_is_trusted_for_its_names_alone(tmp_path: Path) -> None:
    cert, _ = written(tmp_path)
    trusted = ssl.create_default_context(cafile=str(cert))
    assert trusted.cert_store_stats()["x509"] == 1
    assert trusted.cert_store_stats()["x509_ca"] == 0
    with pytest.raises(InvalidRequest):
        self_signed(["not a name"], time.time_ns())
