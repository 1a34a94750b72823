"""The support bundle: what somebody far away needs to see, without anything that must not leave the box."""

import io
import json
import os
import platform
import sys
import tarfile
import time
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import rpsd
from rpsd.config import Settings
from rpsd.services.doctor.machine import Ask, ask
from rpsd.services.doctor.redact import Redactor, secrets_of

_LOG_BYTES: Final = 1 << 20
_LOG_LINES: Final = 2000
_AUDIT: Final = ("seq", "at", "action", "hash")
"""Of a row of the audit log: who and what may be told by name, so neither goes."""


def versions() -> dict[str, Any]:
    """Of rpsd, Python, the system and everything installed beside rpsd."""
    packages = {found.name: found.version for found in metadata.distributions()}
    return {
        "rpsd": rpsd.__version__,
        "python": sys.version,
        "system": platform.platform(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "packages": dict(sorted(packages.items(), key=lambda one: one[0].lower())),
    }


def log_tail(settings: Settings, asked: Ask = ask) -> str:
    """The last lines of the log file, else of the journal."""
    file = settings.monitoring.log_file
    if file is not None and file.is_file():
        with file.open("rb") as stream:
            stream.seek(max(0, file.stat().st_size - _LOG_BYTES))
            lines = stream.read().decode("utf-8", "replace").splitlines()
    else:
        said = asked(["journalctl", "-u", "rpsd", "-u", "rpsd-outbound", "-n", str(_LOG_LINES), "-o", "cat", "--no-pager"])
        lines = (said or "").splitlines()
    return "\n".join(lines[-_LOG_LINES:])


def audit_tail(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """When something was done, and what kind of thing: no names, no details."""
    return [{name: row.get(name) for name in _AUDIT if name in row} for row in rows]


def brief(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Settings as they may travel: of a command its program alone, as its arguments may hold anything."""
    return [{**row, "value": row["value"][:1]} if row["name"].endswith("command") and row["value"] else row for row in rows]


def write(target: Path, parts: Mapping[str, Any], settings: Settings, tell: Callable[[float, str], None]) -> list[str]:
    """Write the parts, redacted, as a gzipped tar of mode 0600 that is complete or not there; the names of what is in it.

    Text goes as it is, everything else as JSON. Raises OSError when the target cannot be written.
    """
    redactor = Redactor(secrets_of(settings, os.environ.items()))
    partial = target.with_name(f".{target.name}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream, tarfile.open(fileobj=stream, mode="w:gz") as archive:
            for at, (name, part) in enumerate(parts.items()):
                tell(at / len(parts), name)
                text = redactor(part) if isinstance(part, str) else json.dumps(redactor.each(part), indent=1, default=str)
                _add(archive, f"rpsd-support/{name}", text.encode())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return list(parts)


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = len(data), 0o600, int(time.time())
    archive.addfile(entry, io.BytesIO(data))
