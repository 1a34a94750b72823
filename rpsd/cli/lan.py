"""`rpsd init --lan`: a certificate for the names of this box, and the settings that open it to the network over HTTPS alone."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rpsd.core.market import SECOND_NS

if TYPE_CHECKING:
    from rpsd.config import Settings
    from rpsd.services.access.certificate import Certificate

_RENEW_NS = 30 * 86_400 * SECOND_NS
"""A certificate of ours with less time left is made anew."""
_HERE = ("localhost", "127.0.0.1", "::1")
"""Names that every certificate holds, for this machine itself."""
_ANYWHERE = "0.0.0.0"  # noqa: S104 - the network is what was asked for; over HTTPS alone
_FIRST_LINE = "# Settings of rpsd; `rpsd config defaults` prints them all with a sentence each.\n"


def settings_file(named: Path | None) -> Path:
    """The file to write to: the named one, RPSD_CONFIG, the one that is found, else the first place that can be written."""
    from rpsd.config.read import SEARCH, locate

    file = locate(named, os.environ)
    if file is None:
        system, own = SEARCH[0], SEARCH[1].expanduser()
        nearest = next(parent for parent in system.parents if parent.exists())
        file = system if os.access(nearest, os.W_OK) else own
    return file


def begin_file(file: Path) -> None:
    """Make the settings file with one line of comment unless it is there. Raises UnsafeStorage."""
    from rpsd.core.errors import UnsafeStorage

    if file.exists():
        return
    try:
        file.parent.mkdir(0o755, parents=True, exist_ok=True)
        file.write_text(_FIRST_LINE)
        file.chmod(0o644)  # it holds no secret, and the service runs as another user
    except OSError as error:
        raise UnsafeStorage(f"{error.filename}: {error.strerror}", hint="Run it as a user who may write the settings file.") from error


def open_to_lan(settings: "Settings", names: Sequence[str], file: Path) -> dict[str, Any]:
    """Write certificate and settings so that clients reach the box by these names.

    Answer: {"url", "names", "certificate", "sha256", "expires", "changed"}. What is there and holds stays: a certificate of the
    operator's own, an address beyond loopback, hosts allowed already. Raises InvalidRequest for what is no name, BadConfig, UnsafeStorage.
    """
    from rpsd.config.exposure import is_loopback
    from rpsd.config.rewrite import set_values
    from rpsd.core import instant
    from rpsd.services.access.certificate import read_certificate
    from rpsd.services.access.self_signed import checked_name

    wanted = [checked_name(name) for name in names]
    server, place = settings.server, settings.storage.secrets_dir
    ours = place / "tls-cert.pem", place / "tls-key.pem"
    cert, key = (server.tls_cert, server.tls_key) if server.tls_cert and server.tls_key else ours
    made = (cert, key) == ours and _issue(cert, key, wanted)
    values: dict[str, Any] = {"tls_cert": str(cert), "tls_key": str(key)}
    if is_loopback(server.host):
        values["host"] = _ANYWHERE
    allowed = [name for name in wanted if name not in server.allowed_hosts]
    if allowed:
        values["allowed_hosts"] = [*server.allowed_hosts, *allowed]
    written = set_values(file, "server", values)
    found = read_certificate(cert)
    return {
        "url": f"https://{f'[{wanted[0]}]' if ':' in wanted[0] else wanted[0]}:{server.port}",
        "names": list(found.names),
        "certificate": str(cert),
        "sha256": found.fingerprint,
        "expires": instant.text(found.not_after_ns),
        "changed": bool(made or written),
    }


def _issue(cert: Path, key: Path, names: Sequence[str]) -> bool:
    """Make the pair unless it holds for these names long enough; names it holds already are kept. Whether it was made."""
    from rpsd.cli.secret import write_secret
    from rpsd.services.access.certificate import pair_faults, read_certificate
    from rpsd.services.access.self_signed import self_signed

    now_ns = time.time_ns()
    held: Certificate | None = read_certificate(cert) if cert.exists() and not pair_faults(cert, key, now_ns) else None
    if held is not None and held.not_after_ns - now_ns > _RENEW_NS and set(names) <= set(held.names):
        return False
    everything = dict.fromkeys([*names, *(() if held is None else held.names), *_HERE])
    for file, pem in zip((cert, key), self_signed(list(everything), now_ns), strict=True):
        write_secret(file, pem.decode().rstrip("\n"))
    return True


def told(lan: dict[str, Any]) -> str:
    """How clients come to trust the certificate, and what is left to do."""
    name = Path(lan["certificate"]).name
    return (
        f"Clients reach it at {lan['url']} and know it by its certificate, {lan['certificate']} (until {lan['expires'][:10]}, SHA-256\n"
        f"{lan['sha256']}). Copy that file, never the key beside it, to each of them:\n"
        f"  curl --cacert {name} {lan['url']}/health\n"
        f'  Client("{lan["url"]}", key="rpsd_…", ca=Path("{name}"))\n'
        "  a browser: import it among the trusted certificates\n"
        "A restart of rpsd applies the settings. Where systemd holds the socket, `systemctl edit rpsd.socket` has to open it too:\n"
        "  [Socket]\n  ListenStream=\n"
        f"  ListenStream={_ANYWHERE}:{lan['url'].rpartition(':')[2]}\n  ListenStream=/run/rpsd/admin.sock\n"
        "  ListenStream=/run/rpsd/outbound.sock"
    )
