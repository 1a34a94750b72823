"""A switch that is killed at every step, or meets what nobody thought of: done again, a release that works is the one that serves."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from rpsd.config import Settings
from rpsd.core.errors import StateConflict
from rpsd.core.operations_errors import ReleaseRefused, ReleaseRolledBack
from rpsd.release.activate import Activation
from rpsd.release.machine import Real
from rpsd.release.place import Releases, Switch
from rpsd.services.standstill import standstill, wait_for_end
from tests.unit.release.test_activate import NEW, OLD, Fake, activation, outcome, releases, settings

__all__ = ["releases", "settings"]  # fixtures
STEPS = 12


class Killed(BaseException):
    """The process is gone."""


class Mortal(Fake):
    """A machine whose switch is killed at the n-th thing that it asks for, before or after that is done."""

    lives = 0
    after = False

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name not in ("systemctl", "child", "ask"):
            return found

        def mortal(*args: Any) -> Any:
            self.lives -= 1
            if self.lives < 0 and not self.after:
                raise Killed
            told = found(*args)
            if self.lives < 0:
                raise Killed
            return told

        return mortal


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("changed", [False, True], ids=["same layout", "another layout"])
def test_a_switch_that_was_cut_off_goes_back_to_what_served_before_it(
    releases: Releases, settings: Settings, monkeypatch: pytest.MonkeyPatch, changed: bool, after: bool
) -> None:
    """dpkg --configure -a does it again; the new release does not serve, and `current` may point at it already."""
    cut = 0
    for lives in range(STEPS):
        releases.point(OLD)
        releases.end()
        machine = Mortal(releases, broken={NEW}, schema_changed=changed)
        machine.lives, machine.after = lives, after
        with monkeypatch.context() as patch:
            patch.setattr(Activation, "_roll_back", lambda *_: None)
            patch.setattr(Activation, "_tell", lambda *_: None)
            try:
                activation(releases, machine, settings)._run()
            except Killed:
                cut += 1
            if releases.current() == NEW:
                machine.serving = NEW  # the next connection, or the next boot, starts what is current
        again = Fake(releases, serving=machine.serving or OLD, broken={NEW})
        with pytest.raises(ReleaseRolledBack):
            activation(releases, again, settings).run()
        assert (again.serving, releases.current()) == (OLD, OLD), f"killed at {lives}"
    assert cut >= 3


def test_two_switches_at_once_are_one(releases: Releases, settings: Settings) -> None:
    with releases.alone(), pytest.raises(ReleaseRefused, match="under way"):
        activation(releases, Fake(releases), settings).run()
    activation(releases, Fake(releases), settings).run()
    assert outcome(releases) == ("kept", NEW)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("what nobody thought of")], ids=["interrupted", "unknown"])
def test_whatever_breaks_off_the_switch_takes_it_back(releases: Releases, settings: Settings, error: BaseException) -> None:
    class Surprised(Fake):
        def look(self, path: str) -> dict[str, Any]:
            if self.serving == NEW:
                raise error
            return super().look(path)

    machine = Surprised(releases)
    with pytest.raises(ReleaseRolledBack):
        activation(releases, machine, settings).run()
    assert (machine.serving, outcome(releases)) == (OLD, ("rolled_back", OLD))


def test_a_snapshot_that_nobody_can_name_is_none(releases: Releases, settings: Settings) -> None:
    class Vague(Fake):
        def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
            return {}

    with pytest.raises(ReleaseRefused):
        activation(releases, Vague(releases), settings).run()
    assert outcome(releases) == ("refused", OLD)


def test_a_release_whose_interpreter_cannot_run_is_refused(releases: Releases, settings: Settings) -> None:
    code, _, said = Real(settings).child(releases.place(NEW), "config", "check")  # an empty file, not executable
    assert code != 0
    assert "cannot be run" in said


def test_a_full_disk_changes_the_record_and_nothing_else(releases: Releases, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(releases, "record", full)
    monkeypatch.setattr(releases, "prune", full)
    machine = Fake(releases)
    assert activation(releases, machine, settings).run().outcome == "kept"
    assert (machine.serving, releases.current()) == (NEW, NEW)


def test_a_torn_record_swallows_no_later_line(releases: Releases) -> None:
    file = releases.home / "releases" / "switches.jsonl"
    file.write_bytes(b'{"t": "2026-\xff\xfe')
    releases.record(Switch(OLD, NEW, "kept"))
    assert [switch["to"] for switch in releases.switches()] == [NEW]


def test_nobody_is_stopped_for_long_by_a_switch_that_is_gone(tmp_path: Path) -> None:
    assert not wait_for_end(tmp_path)
    told: list[int] = []
    waited: list[bool] = []
    with standstill(tmp_path):
        thread = threading.Thread(target=lambda: waited.append(wait_for_end(tmp_path, lambda: told.append(1))))
        thread.start()
        until = time.monotonic() + 10
        while not told and time.monotonic() < until:
            time.sleep(0.01)
        assert told
        assert thread.is_alive()
    thread.join(10)
    assert waited == [True]
    assert not wait_for_end(tmp_path), "the file stays, the lock does not"


def test_a_link_in_place_of_the_standstill_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "switching").symlink_to(tmp_path / "elsewhere")
    with pytest.raises((OSError, StateConflict)), standstill(tmp_path):
        pass
    assert not (tmp_path / "elsewhere").exists()
