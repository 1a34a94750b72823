"""A self-signed certificate for a LAN, where no authority signs: clients are given the certificate itself."""

import ipaddress
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from rpsd.core.errors import InvalidRequest
from rpsd.core.market import SECOND_NS

if TYPE_CHECKING:
    from cryptography import x509

VALID_DAYS: Final = 825
"""The longest that all platforms accept."""
_LABEL: Final = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_EARLIER: Final = timedelta(hours=1)
"""Clocks of a LAN differ."""


def checked_name(name: str) -> str:
    """A host name or IP address in the form in which certificates hold it. Raises InvalidRequest."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        lowered = name.lower().removesuffix(".")
    labels = lowered.split(".")
    if len(lowered) > 253 or not all(_LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit():
        raise InvalidRequest(f"{name[:60]!r} is no host name", hint="Give a name such as box.lan, or an IP address.")
    return lowered


def self_signed(names: Sequence[str], now_ns: int, days: int = VALID_DAYS) -> tuple[bytes, bytes]:
    """Certificate and P-256 key in PEM form for host names and addresses, valid from an hour before now_ns for so many days.

    Not an authority: who trusts it trusts these names alone. Raises InvalidRequest. Source: RFC 5280, sections 4.2.1.1 to 4.2.1.12.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from cryptography.x509.oid import ExtendedKeyUsageOID

    key = ec.generate_private_key(ec.SECP256R1())
    checked = list(dict.fromkeys(checked_name(name) for name in names))
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, checked[0][:64])])
    now = datetime.fromtimestamp(now_ns // SECOND_NS, UTC)
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
        key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    made = (
        x509.CertificateBuilder(issuer_name=subject, subject_name=subject, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in checked]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(Encoding.PEM), key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _general_name(name: str) -> "x509.GeneralName":
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
