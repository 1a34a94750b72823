"""Which backup counts as the newest, and which ones go."""

from pathlib import Path

import pytest

from rpsd.services.backup import archive
from tests.unit.services.backup.conftest import DAY, NOW


def test_prune_keeps_what_is_young_and_always_the_newest(backups, clock, settings):
    for days in (0, 20, 60):
        clock.now_ns = NOW + days * DAY
        backups.create()
    stray = settings.backup.dir / "notes.txt"
    stray.write_text("mine")
    clock.now_ns = NOW + 55 * DAY  # set back: the newest lies in the future, and the one before stays as well
    assert backups.prune(30) == ["rpsd-20260301T020304Z.rpsdbak"]
    clock.now_ns = NOW + 1000 * DAY
    assert backups.prune() == ["rpsd-20260321T020304Z.rpsdbak"]
    assert len(backups.list()) == 1
    assert stray.exists()


def test_one_dated_in_the_future_is_never_the_newest_and_goes_like_the_others(backups, clock, settings):
    clock.now_ns = NOW + 5000 * DAY
    ahead = Path(backups.create()["path"])
    clock.now_ns = NOW  # the clock was set right
    assert (backups.newest(), backups.last_ns(), backups.ahead()) == (ahead, None, [ahead.name])
    made = Path(backups.create()["path"])
    assert (backups.newest(), backups.last_ns()) == (made, NOW)
    assert [Path(row["path"]) for row in backups.list()] == [made, ahead]
    assert backups.prune() == []
    clock.now_ns = NOW + 29 * DAY
    assert backups.prune() == []
    clock.now_ns = NOW + 31 * DAY
    assert backups.prune() == [ahead.name]
    assert backups.newest() == made


def test_an_hour_ahead_is_a_clock_that_was_set(backups, clock):
    made = Path(backups.create()["path"])
    clock.now_ns = NOW - 3_000 * 10**9
    assert (backups.newest(), backups.last_ns(), backups.ahead()) == (made, NOW, [])


@pytest.mark.parametrize("step", ["manifest", "ends_well"])
def test_a_listing_beside_a_prune_leaves_out_what_went(backups, monkeypatch, step):
    for _ in range(2):
        backups.create()
    gone, real = Path(backups.list()[1]["path"]), getattr(archive, step)

    def late(path):
        if path == gone:
            gone.unlink()
        return real(path)

    monkeypatch.setattr(archive, step, late)
    assert len(backups.list()) == 1
