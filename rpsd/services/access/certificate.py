"""The certificate of the HTTPS listener: whether it can serve, until when, and whether a renewed one lies in its place."""

import ssl
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rpsd.config import Settings
from rpsd.core.errors import Fault
from rpsd.core.market import SECOND_NS
from rpsd.telemetry import Metrics, logger

WARN_DAYS: Final = 14
"""So many days before its end a certificate degrades health."""
_DAY_NS: Final = 86_400 * SECOND_NS
_CURVES: Final = ("secp256r1", "secp384r1")
_RSA_BITS: Final = (2048, 8192)


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a certificate says: the names it is for, its validity (ns UTC), and the SHA-256 of its DER form."""

    names: tuple[str, ...]
    not_before_ns: int
    not_after_ns: int
    fingerprint: str


def read_certificate(file: Path) -> Certificate:
    """The first certificate of a PEM chain. Raises OSError, ValueError when there is none."""
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a serial number that is not positive warns; it is the issuer's business
        found = x509.load_pem_x509_certificates(file.read_bytes())[0]
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        told = tuple(str(name.value) for name in names if isinstance(name, x509.DNSName | x509.IPAddress))
    except x509.ExtensionNotFound:
        told = ()
    return Certificate(
        told, _ns(found.not_valid_before_utc), _ns(found.not_valid_after_utc), found.fingerprint(SHA256()).hex()
    )  # fmt: skip


def _ns(moment: datetime) -> int:
    return int(moment.timestamp()) * SECOND_NS


def pair_faults(cert: Path, key: Path, now_ns: int) -> list[tuple[str, str]]:
    """Why the pair cannot serve, as (setting, reason): unreadable, of a kind that the engine lacks, no pair, not valid at now_ns."""
    faults = []
    try:
        faults += [("server.tls_cert", reason) for reason in _validity(read_certificate(cert), cert, now_ns)]
    except OSError as error:
        faults.append(("server.tls_cert", f"{cert} cannot be read: {error.strerror}"))
    except ValueError:
        faults.append(("server.tls_cert", f"{cert} holds no certificate in PEM form"))
    try:
        faults += [("server.tls_key", f"{key}: {reason}") for reason in _key_faults(key.read_bytes())]
    except OSError as error:
        faults.append(("server.tls_key", f"{key} cannot be read: {error.strerror}"))
    if not faults:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password="")  # empty: it must not ask a terminal
        except (ssl.SSLError, OSError) as error:
            reason = "is not the key of the certificate" if "MISMATCH" in str(error) else f"cannot be used with it: {error}"
            faults.append(("server.tls_key", f"{key} {reason}"))
    return faults


def start_faults(settings: Settings, now_ns: int) -> list[Fault]:
    """pair_faults() of the settings' certificate with their places; none for files that are not there, which is said elsewhere."""
    cert, key = settings.server.tls_cert, settings.server.tls_key
    if cert is None or key is None or not (cert.is_file() and key.is_file()):
        return []
    return [Fault(settings.origin.get(name, "default"), f"{name}: {reason}") for name, reason in pair_faults(cert, key, now_ns)]


def _validity(found: Certificate, file: Path, now_ns: int) -> list[str]:
    if now_ns >= found.not_after_ns:
        return [f"{file} has expired at {_text(found.not_after_ns)}"]
    if now_ns < found.not_before_ns:
        return [f"{file} is not valid before {_text(found.not_before_ns)}; check the machine's clock"]
    return []


def _text(moment_ns: int) -> str:
    return datetime.fromtimestamp(moment_ns // SECOND_NS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _key_faults(pem: bytes) -> list[str]:
    """Why the key cannot be used. The engine panics over a key that it does not know, so that it must not see one."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key: Any = load_pem_private_key(pem, None)
    except TypeError:
        return ["is encrypted; write it without a password, readable by rpsd alone"]
    except (ValueError, UnsupportedAlgorithm):
        return ["is no private key in PEM form"]
    if isinstance(key, rsa.RSAPrivateKey):
        least, most = _RSA_BITS
        return [] if least <= key.key_size <= most else [f"has {key.key_size} bits; RSA keys have {least} to {most}"]
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return [] if key.curve.name in _CURVES else [f"is on the curve {key.curve.name}; use P-256 or P-384"]
    return [] if isinstance(key, ed25519.Ed25519PrivateKey) else ["is of a kind that cannot serve; use P-256, Ed25519 or RSA"]


class CertificateWatch:
    """Looks at the files of server.tls_cert and server.tls_key; the server asks it once a minute and at SIGHUP, off its loop."""

    def __init__(self, cert: Path | None, key: Path | None, metrics: Metrics, clock: Callable[[], int]) -> None:
        """Without files it says that there is nothing to watch."""
        self._cert, self._key, self._metrics, self._clock = cert, key, metrics, clock
        self._seen: object = None
        self._refused = ""
        self.serving: Certificate | None = None

    def take(self) -> None:
        """The files as they are now are being served."""
        if self._cert is None:
            return
        self._seen, self._refused = self._stamp(), ""
        self.serving = read_certificate(self._cert)
        self._metrics.tls_certificate_expiry_timestamp_seconds.set(self.serving.not_after_ns / SECOND_NS)

    def look(self) -> bool:
        """Whether other files lie there that can serve. Files that cannot are told in the log once, and leave everything as it is."""
        if self._cert is None or self._key is None:
            return False
        stamp = self._stamp()
        if stamp == self._seen:
            return False
        self._seen = stamp
        faults = pair_faults(self._cert, self._key, self._clock())
        if faults:
            self.refuse("; ".join(f"{name}: {reason}" for name, reason in faults))
            return False
        return True

    def refuse(self, reason: str) -> None:
        """The new files are not taken up."""
        self._refused = reason
        logger(operation="tls").error("the new certificate is not used, the old one goes on", outcome="error", faults=reason)

    def part(self) -> tuple[str, str]:
        """State and code for health: certificate_refused, certificate_expired, certificate_expiring."""
        if self.serving is None:
            return "disabled", ""
        left_ns = self.serving.not_after_ns - self._clock()
        if left_ns <= 0:
            return "degraded", "certificate_expired"
        if self._refused:
            return "degraded", "certificate_refused"
        return ("degraded", "certificate_expiring") if left_ns < WARN_DAYS * _DAY_NS else ("healthy", "")

    def _stamp(self) -> object:
        """What changes when a file is replaced or written; None for one that is not there."""
        return tuple(_stamp(file) for file in (self._cert, self._key) if file is not None)


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
