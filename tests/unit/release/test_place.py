"""Releases on a machine: one link, renamed in one step, and a record that survives a torn line."""

from pathlib import Path

import pytest

from rpsd.core.operations_errors import UnknownRelease
from rpsd.release.place import KEPT, Releases, Switch


def install(home: Path, *versions: str) -> Releases:
    for version in versions:
        python = home / "releases" / version / "venv" / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.touch()
    return Releases(home)


def test_current_is_a_relative_link_that_is_renamed(tmp_path: Path) -> None:
    releases = install(tmp_path, "1.0.0", "1.1.0")
    assert releases.current() is None
    releases.point("1.0.0")
    releases.point("1.1.0")
    assert str((tmp_path / "current").readlink()) == "releases/1.1.0"
    assert releases.current() == "1.1.0"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["current", "releases"]


@pytest.mark.parametrize("version", ["2.0.0", "../1.0.0", ".hidden"])
def test_what_is_not_installed_cannot_become_current(tmp_path: Path, version: str) -> None:
    releases = install(tmp_path, "1.0.0")
    releases.point("1.0.0")
    with pytest.raises(UnknownRelease):
        releases.point(version)
    assert releases.current() == "1.0.0"


def test_the_record_leaves_out_a_torn_line(tmp_path: Path) -> None:
    releases = install(tmp_path, "1.0.0", "1.1.0")
    releases.record(Switch(None, "1.0.0", "kept"))
    file = tmp_path / "releases" / "switches.jsonl"
    file.write_text(file.read_text() + '{"t": "2026\n')
    releases.record(Switch("1.0.0", "1.1.0", "rolled_back", "it does not answer"))
    assert [(s["from"], s["to"], s["outcome"], s["reason"]) for s in releases.switches()] == [
        (None, "1.0.0", "kept", ""),
        ("1.0.0", "1.1.0", "rolled_back", "it does not answer"),
    ]


def test_the_previous_release_is_the_one_that_served_before_the_current_one(tmp_path: Path) -> None:
    releases = install(tmp_path, "1.0.0", "1.1.0", "1.2.0")
    for was, to, outcome in ((None, "1.0.0", "kept"), ("1.0.0", "1.1.0", "kept"), ("1.1.0", "1.2.0", "rolled_back")):
        releases.record(Switch(was, to, outcome))
    releases.point("1.1.0")
    assert releases.previous() == "1.0.0"


def test_pruning_keeps_the_current_release_and_the_one_before(tmp_path: Path) -> None:
    versions = ["1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.4.0"]
    releases = install(tmp_path, *versions)
    releases.record(Switch("1.0.0", "1.1.0", "kept"))
    releases.point("1.1.0")
    gone = releases.prune()
    left = set(releases.installed())
    assert {"1.0.0", "1.1.0"} <= left
    assert len(left) == KEPT
    assert left | set(gone) == set(versions)
