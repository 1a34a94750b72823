"""How a release takes over: tried on a copy, snapshot, switch, watched; kept, or rolled back with the data as they were."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import SubprocessError
from typing import Any, Final

from rpsd.config import Settings
from rpsd.core.errors import RpsdError
from rpsd.core.operations_errors import ReleaseRefused, ReleaseRolledBack
from rpsd.release.machine import OUTBOUND, SERVICE, SOCKET, Machine
from rpsd.release.place import Releases, Switch
from rpsd.release.probe import passes
from rpsd.services.standstill import standstill

GATE_SECONDS: Final = 15.0
"""So long a release has to answer after it took over."""
WARM_SECONDS: Final = 60.0
"""And so long to be warm as well when it answers: its kernels were loaded in the rehearsal, but the machine may be busy."""
_POLL_SECONDS: Final = 0.1
_MOST_RESTARTS: Final = 1
"""A service that systemd has had to start this often anew, right after a rehearsal that went well, is not going to answer."""
_FRESH_SECONDS: Final = 5.0
"""So long systemd may take to replace a process that waits for the end of a standstill."""

Say = Callable[[str], None]


@dataclass
class Activation:
    """One switch to `version`; run() does it. `say` hears each step in a few words, `clock` is in seconds."""

    releases: Releases
    machine: Machine
    settings: Settings
    version: str
    say: Say = lambda _words: None
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    gate_seconds: float = GATE_SECONDS
    _was: str | None = None
    _snapshot: str | None = None
    _last: str | None = None
    _changes: bool = False
    _stopped_at: float | None = None
    _replaced: str | None = None
    _began: float = field(default=0.0)

    def run(self) -> Switch:
        """Switch, or leave what serves as it is. The outcome is in the record of releases whatever it is.

        Raises UnknownRelease, ReleaseRefused (nothing was changed), ReleaseRolledBack (the former release serves again, with its data).
        """
        with self.releases.alone():
            return self._run()

    def _run(self) -> Switch:
        self._began, self._was = self.clock(), self.releases.former()
        release = self.releases.place(self.version)
        try:
            self._try(release)
        except RpsdError as error:
            self._tell("refused", error.detail)
            raise ReleaseRefused(f"release {self.version} does not take over: {error.detail}", hint=error.advice) from error
        serving = self.machine.state().get("ActiveState") == "active"
        if self._was is not None and not serving:
            return self._kept_asleep()
        try:
            self._take_over(warm=self._snapshot is not None)
        except BaseException as error:  # noqa: BLE001 - whatever it was, Ctrl-C too: a release that serves comes first
            self._roll_back(str(getattr(error, "detail", error)) or type(error).__name__)
        switch = self._tell("kept")
        self._carry()
        self._prune()
        return switch

    def _prune(self) -> None:
        """Old releases that stay, for whatever reason, are no failure of the new one."""
        try:
            self.releases.prune()
        except OSError as error:
            self.say(f"an old release could not be removed: {error.strerror}")

    def _try(self, release: Path) -> None:
        """Everything that can be known before anything changes."""
        self.say(f"checking the settings with {self.version}")
        self._child(release, "config", "check", "--json")
        if not (self.settings.storage.data_dir / "rpsd.db").exists():
            return
        self._snapshot = self._take_snapshot()
        self.say(f"trying {self.version} on a copy of the data")
        told = self._child(release, "release", "rehearse", self._snapshot, "--json")
        self._changes = bool(told.get("schema_changed"))

    def _take_snapshot(self) -> str:
        """A copy of the data as they are now, by the running server or, when none runs, by the release that is current."""
        self.say("taking a snapshot of the data")
        if self.machine.state().get("ActiveState") == "active":
            try:
                return _path(self.machine.ask("POST", "/api/v1/admin/snapshots"))
            except RpsdError as error:
                raise ReleaseRefused(f"the running server takes no snapshot: {error.detail}") from error
        return _path(self._child(self.releases.place(self.version), "release", "snapshot", "--json"))

    def _child(self, release: Path, *words: str) -> dict[str, Any]:
        code, told, said = self.machine.child(release, *words)
        if code != 0:
            detail = str(told.get("detail") or said.split("\n")[0] or f"`rpsd {' '.join(words[:2])}` ended with {code}")
            raise ReleaseRefused(detail.removeprefix("error: "), hint=told.get("hint"))
        return told

    def _take_over(self, *, warm: bool) -> None:
        """The switch itself. Raises ReleaseRefused when the release does not answer in time."""
        self._stopped_at = self.clock()
        with self._at_rest() if self._changes else nullcontext():
            if self._changes:
                # what was written since the first snapshot must be in the one that a rollback puts back
                snapshot = self._child(self.releases.place(self.version), "release", "snapshot", "--probation", "--json")
                self._last = self._snapshot = _path(snapshot)
            self.say(f"switching to {self.version}")
            self.releases.begin(self._was, self.version)
            self.releases.point(self.version)
            self._start()
        self._watch(self.version, warm=warm)
        if self._changes:
            self.machine.ask("POST", "/api/v1/admin/release/accept")

    @contextmanager
    def _at_rest(self) -> Iterator[None]:
        """The service is stopped; one that a connection starts waits until the end, and is replaced before."""
        self.say("stopping the service: the layout of the data changes")
        with standstill(self.settings.storage.data_dir):
            self.machine.systemctl("stop", SERVICE)
            yield
            until = self.clock() + _FRESH_SECONDS
            while self._replaced is not None and self.machine.state().get("MainPID") in ("0", self._replaced) and self.clock() < until:
                self.sleep(_POLL_SECONDS)

    def _start(self) -> None:
        self._replaced = self.machine.state().get("MainPID")
        self.machine.systemctl("daemon-reload")
        self.machine.systemctl("reset-failed", SERVICE)
        self._open()
        self.machine.systemctl("restart", "--no-block", SERVICE)

    def _open(self) -> None:
        """Have the socket unit listen; one that listens already goes on and refuses nobody, unless it is to listen elsewhere now."""
        missing = self.machine.unopened() if self.machine.systemctl("is-active", "--quiet", SOCKET) == 0 else []
        if missing:
            self.say(f"rpsd.socket has changed: it is restarted to listen on {', '.join(missing)}, and connections that wait are cut")
        self.machine.systemctl(*(("restart", "--no-block") if missing else ("start",)), SOCKET)

    def _carry(self) -> None:
        """Have what goes out carried by the release that serves, unless the operator has it carried by nobody."""
        if self.machine.systemctl("is-enabled", "--quiet", OUTBOUND) == 0:
            self.machine.systemctl("restart", "--no-block", OUTBOUND)

    def _watch(self, version: str, *, warm: bool) -> None:
        """Wait until the service answers. Raises ReleaseRefused."""
        until, restarts = self.clock() + self.gate_seconds, int(self.machine.state().get("NRestarts") or 0)
        while not self._answers(version, warm=warm):
            state = self.machine.state()
            if state.get("ActiveState") == "failed":
                raise ReleaseRefused("the service has failed; `journalctl -u rpsd` tells why")
            if int(state.get("NRestarts") or 0) - restarts >= _MOST_RESTARTS:
                raise ReleaseRefused("the service ends as soon as it has started; `journalctl -u rpsd` tells why")
            if self.clock() >= until and not (warm and self.clock() < until + WARM_SECONDS and self._answers(version, warm=False)):
                raise ReleaseRefused(f"the service does not answer {'ready ' if warm else ''}within {self.gate_seconds:.0f} s")
            self.sleep(_POLL_SECONDS)

    def _answers(self, version: str, *, warm: bool) -> bool:
        """Whether what runs is of that version and serves; `warm`: with its kernels, too."""
        # on probation no job runs, and maintenance is what an operator wanted
        beside = ("maintenance", "scheduler") if self._changes else ("maintenance",)
        try:
            found = self.machine.look("/health")
            good = found.get("version") == version and found.get("status") in ("healthy", "degraded")
            return good and (not warm or passes(self.machine.look("/health/ready"), beside))
        except RpsdError:
            return False

    def _roll_back(self, reason: str) -> None:
        """Put the former release back, and its data where their layout had changed. Raises ReleaseRolledBack, whatever comes of it."""
        self.say(f"rolling back: {reason}")
        began, back = self.clock(), f"release {self.version} was taken back: {reason}"
        try:
            with self._at_rest() if self._last is not None else nullcontext():
                if self._last is not None:  # never the first one: what was written after it would be lost
                    self._child(self.releases.place(self._was or self.version), "release", "put-back", self._last, "--json")
                if self._was is None:
                    self.machine.systemctl("stop", SERVICE)
                    self.releases.drop_link()
                else:
                    self.releases.point(self._was)
                    self._start()
            if self._was is not None:
                self._watch(self._was, warm=False)
                self._carry()
        except (RpsdError, OSError, SubprocessError) as error:
            back += f"; and {self._was or 'nothing'} does not serve again: {getattr(error, 'detail', error)}"
        self._tell("rolled_back", reason)
        raise ReleaseRolledBack(f"{back} (rolled back in {self.clock() - began:.1f} s)")

    def _kept_asleep(self) -> Switch:
        """The operator had stopped the service: the release is current from now on, and nothing is started."""
        self.releases.point(self.version)
        self.machine.systemctl("daemon-reload")
        switch = self._tell("kept", "the service was not running, so nothing was started")
        self._prune()
        return switch

    def _tell(self, outcome: str, reason: str = "") -> Switch:
        now = self.clock()
        down = 0.0 if self._stopped_at is None else now - self._stopped_at
        switch = Switch(
            self._was, self.version, outcome, reason, round(now - self._began, 3), round(down, 3), self._snapshot, self._changes
        )  # fmt: skip
        try:
            self.releases.record(switch)
            self.releases.end()
        except OSError as error:  # a full disk does not change what serves
            self.say(f"the switch could not be put on record: {error.strerror}")
        return switch


def _path(told: dict[str, Any]) -> str:
    """Where a snapshot lies. Raises ReleaseRefused where nobody says so."""
    if not isinstance(found := told.get("path"), str):
        raise ReleaseRefused("whoever took the snapshot does not say where it lies")
    return found
