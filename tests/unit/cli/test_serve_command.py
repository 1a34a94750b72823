"""The first steps of `rpsd serve`, before anything is opened."""

from pathlib import Path

import pytest

from rpsd.cli import serve
from rpsd.core.errors import BadConfig
from rpsd.services import spawning


def test_settings_that_cannot_be_used_leave_no_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is spawned before they are read."""
    spawned, spawn = [], spawning.spawn
    monkeypatch.setattr(spawning, "spawn", lambda: spawned.append(spawn()) or spawned[0])
    broken = tmp_path / "config.yaml"
    broken.write_text("server: {no_such_key: 1}")
    with pytest.raises(BadConfig):
        serve.begun(broken, {}, distant=False)
    assert spawned[0].process.returncode is not None
    assert spawned[0].link.fileno() == -1
