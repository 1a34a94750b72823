"""Backups brought elsewhere: into a directory, through a command, encrypted; and what happens when that fails for long."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rpsd.core.errors import InvalidRequest, MissingExtra, Unavailable, UnknownFile
from rpsd.services.backup.sealing import seal_of
from rpsd.services.outside.copying import copy_away
from rpsd.services.outside.offsite import Offsite
from rpsd.services.outside.service import Outside

HOURS = 3600
NAME = "rpsd-20240603T120000Z.rpsdbak"


@pytest.fixture
def made(services: Any) -> Callable[..., tuple[Any, Offsite]]:
    """offsite(dir=…, command=…, encrypt_to=…): settings and service with a backup that lies in backup.dir."""
    place = services.settings.backup.dir
    place.mkdir(parents=True, exist_ok=True)
    (place / NAME).write_bytes(bytes(range(256)) * 20_000)

    def make(**more: Any) -> tuple[Any, Offsite]:
        backup = services.settings.backup
        settings = replace(services.settings, backup=replace(backup, offsite=replace(backup.offsite, **more)))
        outside = Outside(settings, services.database, services.series, services.alert, services.metrics, services.clock)
        return settings, Offsite(
            settings,
            services.database,
            services.metrics,
            backup=services.backup,
            outside=outside,
            alert=services.alert,
            clock=services.clock,
        )

    return make


def last_success(services: Any) -> float:
    return services.metrics.registry.get_sample_value("rpsd_offsite_last_success_timestamp_seconds")


def test_the_newest_backup_is_copied_once_and_proved(services: Any, made: Any, tmp_path: Path) -> None:
    away = tmp_path / "away"
    away.mkdir()
    settings, offsite = made(dir=away)
    first, second = offsite.copy(), offsite.copy()
    assert (first["is_new"], second["is_new"], first["name"]) == (True, False, NAME)
    assert (away / NAME).read_bytes() == (settings.backup.dir / NAME).read_bytes()
    assert [path.name for path in away.iterdir()] == [NAME]
    assert last_success(services) == services.clock() / 1e9


def test_a_command_gets_the_file_as_one_argument_without_a_shell(made: Any, tmp_path: Path) -> None:
    target = tmp_path / "a b; touch evil"
    settings, _ = made(command=(sys.executable, "-c", "import shutil, sys; shutil.copy(*sys.argv[1:])", "{file}", str(target)))
    copy_away(settings, NAME)
    assert target.stat().st_size == 256 * 20_000
    assert not Path("evil").exists()


def test_a_place_that_fails_for_a_day_raises_an_alert_that_a_copy_ends(services: Any, clock: Any, made: Any, tmp_path: Path) -> None:
    away = tmp_path / "away"
    _, offsite = made(dir=away)
    with pytest.raises(Unavailable, match="No such file or directory"):
        offsite.copy()
    assert services.alert.active() == []
    clock.advance(27 * HOURS)
    with pytest.raises(Unavailable):
        offsite.copy()
    assert [one["name"] for one in services.alert.active()] == ["offsite_old"]
    away.mkdir()
    offsite.copy()
    assert services.alert.active() == []


def test_what_a_command_says_at_its_failure_is_told(made: Any) -> None:
    settings, _ = made(command=(sys.executable, "-c", "import sys; sys.exit('no route to the tape')"))
    with pytest.raises(Unavailable, match="status 1: no route to the tape"):
        copy_away(settings, NAME)
    settings, _ = made(command=("/nowhere/at-all", "{file}"))
    with pytest.raises(MissingExtra):
        copy_away(settings, NAME)


def test_no_other_file_leaves(made: Any, services: Any, tmp_path: Path) -> None:
    settings, _ = made(dir=tmp_path)
    (services.settings.backup.dir / "secret.txt").write_text("x")
    for name in ("secret.txt", "../data/rpsd.db", "", "rpsd-20240603T120000Z.rpsdbak/../secret.txt"):
        with pytest.raises(UnknownFile):
            copy_away(settings, name)


def test_old_copies_go_and_the_newest_stays(made: Any, tmp_path: Path) -> None:
    import os

    away = tmp_path / "away"
    away.mkdir()
    settings, _ = made(dir=away)
    old = away / "rpsd-20230101T000000Z.rpsdbak"
    for path in (old, away / "notes.txt"):
        path.write_text("x")
        os.utime(path, (1, 1))
    copy_away(settings, NAME)
    assert sorted(path.name for path in away.iterdir()) == ["notes.txt", NAME]


def test_a_copy_dated_in_the_future_is_not_the_one_that_stays(made: Any, tmp_path: Path) -> None:
    import os

    away = tmp_path / "away"
    away.mkdir()
    settings, _ = made(dir=away)
    ahead = away / "rpsd-20990101T000000Z.rpsdbak"
    ahead.write_text("x")
    os.utime(ahead, (4e9, 4e9))
    copy_away(settings, NAME)
    assert ahead.stat().st_mtime < 4e9, "its age counts from now on"
    os.utime(ahead, (1, 1))
    copy_away(settings, NAME)
    assert [path.name for path in away.iterdir()] == [NAME]


def test_the_program_is_chosen_by_the_recipient() -> None:
    assert [seal_of(one) for one in ("age1qq", "ssh-ed25519 AAAA", "ops@example.org")] == [".age", ".age", ".gpg"]
    with pytest.raises(InvalidRequest):
        seal_of("--output=/etc/passwd")
