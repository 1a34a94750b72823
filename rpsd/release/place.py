"""Where releases lie on a machine, which of them is current, and the record of every switch."""

import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from rpsd.core import instant
from rpsd.core.operations_errors import ReleaseRefused, UnknownRelease

HOME: Final = Path("/opt/rpsd")
KEPT: Final = 3
"""So many releases stay on the machine: the current one, the one before, and one more."""
_RECORD: Final = "switches.jsonl"
_UNDER_WAY: Final = ".switching.json"
LOCK: Final = ".lock"
"""Held while releases are switched; rpsd.service looks at it when a start has failed for good."""


@dataclass(frozen=True, slots=True)
class Switch:
    """How the change from one release to another went.

    `outcome` is kept, refused (before anything changed) or rolled_back. `seconds` is all of it, `down_seconds` from the moment the former
    release was told to stop until the one that serves now answered. `snapshot` is the copy of the data taken before.
    """

    was: str | None
    to: str
    outcome: str
    reason: str = ""
    seconds: float = 0.0
    down_seconds: float = 0.0
    snapshot: str | None = None
    schema_changed: bool = False
    t: str = field(default_factory=lambda: instant.text(time.time_ns() // 1_000_000 * 1_000_000))

    def as_dict(self) -> dict[str, Any]:
        """As it stands in the record; the release before is `from`."""
        told = asdict(self)
        return {"t": told.pop("t"), "from": told.pop("was"), **told}


class Releases:
    """The directory `home`: releases/<version>/, releases/switches.jsonl and the link `current`."""

    def __init__(self, home: Path = HOME) -> None:
        self.home = home
        self._directory = home / "releases"
        self._link = home / "current"

    def place(self, version: str) -> Path:
        """The directory of an installed release. Raises UnknownRelease."""
        path = self._directory / version
        if "/" in version or version.startswith(".") or not (path / "venv" / "bin" / "python").exists():
            raise UnknownRelease(f"release {version} is not installed below {self._directory}")
        return path

    def current(self) -> str | None:
        """The version that `current` points at; None on a machine without one."""
        return self._link.readlink().name if self._link.is_symlink() else None

    def previous(self) -> str | None:
        """The version that served before the current one and is still installed."""
        now = self.current()
        for switch in reversed(self.switches()):
            was = switch.get("from")
            if switch.get("outcome") == "kept" and switch.get("to") == now and was != now and was in self.installed():
                return str(was)
        return None

    def installed(self) -> list[str]:
        """Versions on the machine, the one installed last first."""
        found = [path for path in self._directory.glob("*/") if (path / "venv" / "bin" / "python").exists()]
        return [path.name for path in sorted(found, key=lambda path: path.stat().st_ctime_ns, reverse=True)]

    def point(self, version: str) -> None:
        """Make a release current by one rename: at no moment there is none, or half of one. Raises UnknownRelease."""
        self.place(version)
        fresh = self._link.with_name(f".current-{os.getpid()}")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(Path("releases") / version)
        fresh.replace(self._link)
        _sync(self.home)

    def drop_link(self) -> None:
        """Have no current release, as before the first one."""
        self._link.unlink(missing_ok=True)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Within it nobody else switches. Raises ReleaseRefused when somebody does, or when this user may not."""
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ReleaseRefused(f"{self._directory} cannot be written: {error.strerror}", hint="Run it as root.") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError as error:
            raise ReleaseRefused("another switch of releases is under way", hint="Wait until it has ended.") from error
        finally:
            os.close(descriptor)

    def begin(self, was: str | None, to: str) -> None:
        """Remember which release served before, until end(): a switch that is cut off must not forget it."""
        fresh = self._directory / f"{_UNDER_WAY}.new"
        with fresh.open("w", encoding="utf-8") as stream:
            json.dump({"from": was, "to": to}, stream)
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(self._directory / _UNDER_WAY)
        _sync(self._directory)

    def end(self) -> None:
        """The switch has come to an end, whatever it was."""
        (self._directory / _UNDER_WAY).unlink(missing_ok=True)

    def former(self) -> str | None:
        """The release to go back to: the current one, or after a switch that was cut off the one that had served before it."""
        now, file = self.current(), self._directory / _UNDER_WAY
        cut = _parsed(file.read_text("utf-8", "replace")) if file.is_file() else None
        was = None if cut is None or cut.get("to") != now else cut.get("from")
        return was if isinstance(was, str) and was in self.installed() else now

    def record(self, switch: Switch) -> None:
        """Append to the record, synced; behind a line that a power loss tore a new one begins."""
        file = self._directory / _RECORD
        torn = file.is_file() and file.stat().st_size > 0 and not file.read_bytes().endswith(b"\n")
        with file.open("a", encoding="utf-8") as stream:
            stream.write("\n" * torn + json.dumps(switch.as_dict()) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        file.chmod(0o644)

    def switches(self) -> list[dict[str, Any]]:
        """Every switch, the oldest first; a line that a power loss tore is left out."""
        file = self._directory / _RECORD
        return [
            found
            for line in (file.read_text("utf-8", "replace").splitlines() if file.is_file() else ())
            if (found := _parsed(line)) is not None
        ]

    def prune(self, remove: Callable[[Path], None] = shutil.rmtree) -> list[str]:
        """Remove all but KEPT releases, never the current one nor the one before; their names."""
        stay = [version for version in (self.current(), self.previous()) if version is not None]
        others = [version for version in self.installed() if version not in stay]
        gone = others[max(KEPT - len(stay), 0) :]
        for version in gone:
            remove(self._directory / version)
        return gone


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
