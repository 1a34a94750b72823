"""What a switch asks of the machine: units, the release's own interpreter as the account of the service, and the running server."""

import json
import os
import pwd
import shlex
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Protocol

from rpsd.config import Settings
from rpsd.core.errors import Unavailable
from rpsd.release.probe import asked

SERVICE: Final = "rpsd.service"
SOCKET: Final = "rpsd.socket"
OUTBOUND: Final = "rpsd-outbound.service"
ACCOUNT: Final = "rpsd"
ENVIRONMENT: Final = Path("/etc/default/rpsd")
_SYSTEMCTL_SECONDS: Final = 90.0
_CHILD_SECONDS: Final = 600.0
_LOOK_SECONDS: Final = 1.5
"""A socket of systemd lets one connect and wait though the service has died: for so long a look does not see that."""


class Machine(Protocol):
    """The effects of a switch; tests put a machine of their own in its place."""

    def systemctl(self, *words: str) -> int:
        """The exit code of systemctl with these words."""
        ...

    def child(self, release: Path, *words: str) -> tuple[int, dict[str, Any], str]:
        """Exit code, the JSON that `rpsd …` of that release printed (of an error its problem), and the last of stderr."""
        ...

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The answer of the running server to its administrator. Raises RpsdError."""
        ...

    def look(self, path: str) -> dict[str, Any]:
        """What GET path of the running server answers, whatever its status. Raises Unavailable."""
        ...

    def state(self) -> dict[str, str]:
        """ActiveState, NRestarts and MainPID of the service. Raises Unavailable."""
        ...

    def unopened(self) -> list[str]:
        """What the socket unit names and nothing listens on."""
        ...


class Real:
    """This machine."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.has_systemd = Path("/run/systemd/system").is_dir()

    def systemctl(self, *words: str) -> int:
        """See Machine. 1 where systemd does not run."""
        if not self.has_systemd:
            return 1
        try:
            return subprocess.run(["systemctl", *words], check=False, capture_output=True, timeout=_SYSTEMCTL_SECONDS).returncode  # noqa: S603, S607
        except subprocess.TimeoutExpired:
            return 124

    def child(self, release: Path, *words: str) -> tuple[int, dict[str, Any], str]:
        """See Machine."""
        account = _account(self._settings.storage.data_dir)
        command: Sequence[str] = (str(release / "venv" / "bin" / "python"), "-m", "rpsd", *words)
        try:
            done = subprocess.run(  # noqa: S603
                command, check=False, capture_output=True, text=True, timeout=_CHILD_SECONDS, cwd="/", env=_environment(), umask=0o077,
                user=account, group=account, extra_groups=None if account is None else [],
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return 75, {}, f"`rpsd {' '.join(words)}` did not end within {_CHILD_SECONDS:.0f} s"
        except OSError as error:
            return 71, {}, f"{command[0]} cannot be run: {error.strerror}"
        told: dict[str, Any] = {}
        with suppress(ValueError):
            told = json.loads(done.stdout or done.stderr)
        return done.returncode, told if isinstance(told, dict) else {}, done.stderr.strip()[-2000:]

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """See Machine."""
        from rpsd.client import Client

        with Client(socket=self._settings.server.admin_socket, timeout=_CHILD_SECONDS) as client:
            found: dict[str, Any] = client.ask(method, path, **({} if body is None else {"json": body})) or {}
        return found

    def look(self, path: str) -> dict[str, Any]:
        """See Machine."""
        return asked(self._settings.server.admin_socket, path, _LOOK_SECONDS)

    def state(self) -> dict[str, str]:
        """See Machine."""
        if not self.has_systemd:
            return {"ActiveState": "inactive", "NRestarts": "0"}
        words = ["systemctl", "show", SERVICE, "--property=ActiveState,NRestarts,MainPID"]
        try:
            told = subprocess.run(words, check=False, capture_output=True, text=True, timeout=_SYSTEMCTL_SECONDS).stdout  # noqa: S603
        except subprocess.TimeoutExpired as error:
            raise Unavailable("systemd does not answer") from error
        return dict(line.split("=", 1) for line in told.splitlines() if "=" in line)

    def unopened(self) -> list[str]:
        """See Machine."""
        from rpsd.config.listening import address_text
        from rpsd.services.listening import unopened

        return [address_text(address) for address in unopened()]


def _account(data_dir: Path) -> int | None:
    """The id of the service's account when this is root; None to go on as who we are."""
    if os.geteuid() != 0:
        return None
    if data_dir.exists() and data_dir.stat().st_uid != 0:
        return data_dir.stat().st_uid
    try:
        return pwd.getpwnam(ACCOUNT).pw_uid
    except KeyError:
        return None


def _environment() -> dict[str, str]:
    """What the unit would give: the names of /etc/default/rpsd and little else."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "TZ") or name.startswith("RPSD_")}
    if ENVIRONMENT.is_file():
        for line in ENVIRONMENT.read_text(encoding="utf-8").splitlines():
            name, found, value = line.strip().partition("=")
            if found and not name.startswith("#"):
                kept[name] = _unquoted(value)
    return {"HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1", **kept}


def _unquoted(value: str) -> str:
    """A value without its quotes; one whose quotes do not match as it stands."""
    try:
        return " ".join(shlex.split(value))
    except ValueError:
        return value
