"""A switch of releases on a machine that can fail at every step: whatever happens, a release that works is the one that serves."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rpsd.config import Settings, read
from rpsd.core.errors import RpsdError, Unavailable
from rpsd.core.operations_errors import ReleaseRefused, ReleaseRolledBack
from rpsd.release.activate import Activation
from rpsd.release.place import Releases

OLD, NEW = "1.0.0", "1.1.0"


@dataclass
class Fake:
    """A machine in words: it serves whatever `current` points at, unless that is `broken`; `events` holds what was asked of it."""

    releases: Releases
    serving: str | None = OLD
    broken: set[str] = field(default_factory=set)
    fails: dict[str, str] = field(default_factory=dict)  # first words of a child -> what it says
    schema_changed: bool = False
    dies: bool = False
    events: list[str] = field(default_factory=list)
    restarts: int = 0
    elsewhere: list[str] = field(default_factory=list)  # what the socket unit names and nothing listens on

    def systemctl(self, *words: str) -> int:
        self.events.append(" ".join(word for word in words if not word.startswith("-")))
        if words[0] == "stop":
            self.serving = None
        if words[0] == "restart" and words[-1] == "rpsd.service":
            self.serving = self.releases.current()
        return 0

    def unopened(self) -> list[str]:
        return self.elsewhere

    def child(self, release: Path, *words: str) -> tuple[int, dict[str, Any], str]:
        plain = [word for word in words if word != "--json"]
        self.events.append(f"{release.name}: {' '.join(plain)}")
        for start, said in self.fails.items():
            if f"{release.name}: {' '.join(plain)}".startswith(start):
                return 78, {}, f"error: {said}"
        return 0, {"path": "/snapshot-2", "schema_changed": self.schema_changed}, ""

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        self.events.append(f"{method} {path}")
        if self.serving is None or path in self.fails:
            raise Unavailable("nothing answers")
        return {"path": "/snapshot-1"}

    def look(self, path: str) -> dict[str, Any]:
        if self.serving is None or self.serving in self.broken:
            if self.dies:
                self.restarts += 1
            raise Unavailable("nothing answers")
        ready = {"checks": [{"name": "kernels", "passed": True}, {"name": "scheduler", "passed": not self.schema_changed}]}
        return ready if path == "/health/ready" else {"version": self.serving, "status": "healthy"}

    def state(self) -> dict[str, str]:
        return {"ActiveState": "inactive" if self.serving is None else "active", "NRestarts": str(self.restarts)}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    data = tmp_path / "data"
    data.mkdir()
    (data / "rpsd.db").touch()
    return read(None, {"RPSD_DATA_DIR": str(data)})


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    for version in (OLD, NEW):
        python = tmp_path / "opt" / "releases" / version / "venv" / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.touch()
    found = Releases(tmp_path / "opt")
    found.point(OLD)
    return found


def activation(releases: Releases, machine: Fake, settings: Settings) -> Activation:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    return Activation(releases, machine, settings, NEW, clock=lambda: now[0], sleep=sleep)


def outcome(releases: Releases) -> tuple[str, str | None]:
    return releases.switches()[-1]["outcome"], releases.current()


def test_a_good_release_takes_over_after_it_was_tried(releases: Releases, settings: Settings) -> None:
    machine = Fake(releases)
    switch = activation(releases, machine, settings).run()
    assert (switch.was, switch.to, switch.outcome, switch.snapshot) == (OLD, NEW, "kept", "/snapshot-1")
    assert (machine.serving, outcome(releases)) == (NEW, ("kept", NEW))
    order = [machine.events.index(event) for event in (
        f"{NEW}: config check", "POST /api/v1/admin/snapshots", f"{NEW}: release rehearse /snapshot-1", "restart rpsd.service",
    )]  # fmt: skip
    assert order == sorted(order)
    assert "stop rpsd.service" not in machine.events, "the same layout of data needs no stop: connections wait for the restart alone"


def test_the_socket_is_restarted_only_when_it_is_to_listen_elsewhere(releases: Releases, settings: Settings) -> None:
    machine = Fake(releases)
    activation(releases, machine, settings).run()
    assert "restart rpsd.socket" not in machine.events, "a restart of the socket cuts who waits"
    moved, said = Fake(releases, elsewhere=["0.0.0.0:8000"]), []
    switch = activation(releases, moved, settings)
    switch.say = said.append
    switch.run()
    assert moved.events.index("daemon-reload") < moved.events.index("restart rpsd.socket") < moved.events.index("restart rpsd.service")
    assert any("0.0.0.0:8000" in words for words in said)


@pytest.mark.parametrize(
    "fails",
    [{f"{NEW}: config check": "bad"}, {f"{NEW}: release rehearse": "bad"}, {"/api/v1/admin/snapshots": ""}],
    ids=["settings", "rehearsal", "snapshot"],
)
def test_what_fails_before_the_switch_changes_nothing(releases: Releases, settings: Settings, fails: dict[str, str]) -> None:
    machine = Fake(releases, fails=fails)
    with pytest.raises(ReleaseRefused):
        activation(releases, machine, settings).run()
    assert (machine.serving, outcome(releases)) == (OLD, ("refused", OLD))
    assert not [event for event in machine.events if event.startswith(("restart", "stop"))]


@pytest.mark.parametrize("dies", [False, True], ids=["silent", "dying"])
def test_a_release_that_does_not_answer_is_taken_back(releases: Releases, settings: Settings, dies: bool) -> None:
    machine = Fake(releases, broken={NEW}, dies=dies)
    with pytest.raises(ReleaseRolledBack):
        activation(releases, machine, settings).run()
    assert (machine.serving, outcome(releases)) == (OLD, ("rolled_back", OLD))
    assert not [event for event in machine.events if "put-back" in event], "the layout did not change: the data stay as they are"


def test_data_of_another_layout_come_back_with_the_release(releases: Releases, settings: Settings) -> None:
    machine = Fake(releases, broken={NEW}, schema_changed=True)
    with pytest.raises(ReleaseRolledBack):
        activation(releases, machine, settings).run()
    assert (machine.serving, outcome(releases)) == (OLD, ("rolled_back", OLD))
    steps = ["stop rpsd.service", f"{NEW}: release snapshot --probation", "restart rpsd.service", f"{OLD}: release put-back /snapshot-2"]
    order = [machine.events.index(step) for step in steps]
    assert order == sorted(order)


def test_a_release_of_another_layout_is_accepted_once_it_serves(releases: Releases, settings: Settings) -> None:
    machine = Fake(releases, schema_changed=True)
    switch = activation(releases, machine, settings).run()
    assert (switch.outcome, switch.schema_changed, machine.serving) == ("kept", True, NEW)
    assert machine.events.index("POST /api/v1/admin/release/accept") > machine.events.index("restart rpsd.service")


def test_a_failed_acceptance_takes_the_release_back(releases: Releases, settings: Settings) -> None:
    machine = Fake(releases, schema_changed=True, fails={"/api/v1/admin/release/accept": ""})
    with pytest.raises(ReleaseRolledBack):
        activation(releases, machine, settings).run()
    assert (machine.serving, outcome(releases)) == (OLD, ("rolled_back", OLD))


def test_a_failed_second_snapshot_starts_the_old_release_again(releases: Releases, settings: Settings) -> None:
    machine = Fake(releases, schema_changed=True, fails={f"{NEW}: release snapshot": "the disk is full"})
    with pytest.raises(ReleaseRolledBack, match="the disk is full"):
        activation(releases, machine, settings).run()
    assert (machine.serving, outcome(releases)) == (OLD, ("rolled_back", OLD))
    assert not [event for event in machine.events if "put-back" in event], "nothing has touched the data"


def test_the_first_release_is_not_tried_on_data_that_are_not_there(releases: Releases, settings: Settings) -> None:
    (settings.storage.data_dir / "rpsd.db").unlink()
    releases.drop_link()
    machine = Fake(releases, serving=None)
    switch = activation(releases, machine, settings).run()
    assert (switch.was, switch.outcome, machine.serving, switch.snapshot) == (None, "kept", NEW, None)


def test_a_first_release_that_does_not_answer_leaves_no_link(releases: Releases, settings: Settings) -> None:
    releases.drop_link()
    machine = Fake(releases, serving=None, broken={NEW})
    with pytest.raises(RpsdError):
        activation(releases, machine, settings).run()
    assert (machine.serving, outcome(releases)) == (None, ("rolled_back", None))


def test_a_service_that_an_operator_stopped_stays_stopped(releases: Releases, settings: Settings) -> None:
    machine = Fake(releases, serving=None)
    assert activation(releases, machine, settings).run().outcome == "kept"
    assert (machine.serving, releases.current()) == (None, NEW)
    assert not [event for event in machine.events if event.startswith(("restart", "start"))]
