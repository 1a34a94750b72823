"""The secret that all key hashes depend on."""

import os
import secrets
from pathlib import Path
from typing import Final

from rpsd.core.errors import BadConfig

_BYTES: Final = 32


def read_pepper(secrets_dir: Path, credentials: str | None = None) -> bytes:
    """Systemd's credential `pepper`, else secrets_dir/pepper (0600), made when missing.

    Raises BadConfig when it is readable by others or too short. A new pepper ends every key that was made with another.
    """
    if credentials and (given := Path(credentials) / "pepper").is_file():
        return _checked(given)
    path = secrets_dir / "pepper"
    if not path.exists():
        secrets_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_BYTES))
            file.flush()
            os.fsync(file.fileno())
    if path.stat().st_mode & 0o077:
        raise BadConfig(f"{path} is readable by others", hint=f"chmod 600 {path}")
    return _checked(path)


def _checked(path: Path) -> bytes:
    pepper = path.read_bytes()
    if len(pepper) < _BYTES:
        raise BadConfig(f"{path} holds fewer than {_BYTES} bytes", hint=f"Put {_BYTES} random bytes there.")
    return pepper
