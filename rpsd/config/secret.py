"""Files that hold secrets: found, refused when others can read them or when they could be guessed, and read anew each time."""

import os
import stat
from pathlib import Path
from typing import Final

from rpsd.config.settings import Settings
from rpsd.core.errors import BadConfig, Fault

_LEAST: Final = 32
"""Characters of a secret: as hexadecimal digits they hold 128 bits."""
_LEAST_DISTINCT: Final = 8
"""A word that is repeated is long and yet no secret."""
_MOST_BYTES: Final = 4096
_MOST_SECRETS: Final = 2


def secret_path(name: str, secrets_dir: Path) -> Path:
    """The file that is meant: a path as it stands; a bare name is systemd's credential of that name, else a file of secrets_dir."""
    if os.sep in name:
        return Path(name).expanduser()
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    given = Path(credentials) / name if credentials else None
    return given if given is not None and given.is_file() else secrets_dir / name


def read_secrets(name: str, secrets_dir: Path) -> tuple[str, ...]:
    """The secrets of a file, one a line, two at most: while one replaces the other both are in use. The file is for rpsd alone (0600).

    Raises BadConfig, which never repeats what is in the file.
    """
    path = secret_path(name, secrets_dir)
    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise BadConfig(f"others can read the secret file {path}", hint=f"Run chmod 600 {path}.")
        with path.open(encoding="ascii") as file:
            found = tuple(line.strip() for line in file.read(_MOST_BYTES).splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfig(f"the secret file {path} cannot be read: {type(error).__name__}", hint="It holds one line of ASCII.") from error
    if not 1 <= len(found) <= _MOST_SECRETS:
        raise BadConfig(f"the secret file {path} holds {len(found)} secrets; expected 1 or {_MOST_SECRETS}, one a line")
    for one in found:
        if len(one) < _LEAST or len(set(one)) < _LEAST_DISTINCT or not one.isprintable():
            reason = f"a secret in {path} can be guessed; it needs {_LEAST} characters or more at random"
            raise BadConfig(reason, hint=f"Run: (umask 077; openssl rand -hex 32 > {path})")
    return found


def webhook_faults(settings: Settings) -> list[Fault]:
    """Faults of the secrets that sign webhooks: missing, readable by others, or such as could be guessed."""
    faults, place = [], settings.origin.get("alerts.webhooks", "default")
    for number, receiver in enumerate(settings.alerts.webhooks, 1):
        if not receiver.secret_file:
            continue
        try:
            read_secrets(receiver.secret_file, settings.storage.secrets_dir)
        except BadConfig as error:
            faults.append(Fault(place, f"alerts.webhooks: webhook {number}: {error.detail}; {error.advice}"))
    return faults
