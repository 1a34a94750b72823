"""Two builds are compared name by name: whatever differs between them is told."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.build.judge import differences

EPOCH = 1_772_323_200


def tree(place: Path) -> Path:
    """A directory with a file, a link and a directory, all of one moment."""
    (place / "etc").mkdir(parents=True)
    (place / "etc" / "rpsd").write_text("plain\n", encoding="utf-8")
    (place / "link").symlink_to("etc/rpsd")
    for path in (place / "etc" / "rpsd", place / "etc", place / "link"):
        os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)
    return place


def reword(place: Path) -> None:
    (place / "etc" / "rpsd").write_text("other\n", encoding="utf-8")
    os.utime(place / "etc" / "rpsd", (EPOCH, EPOCH))


def retarget(place: Path) -> None:
    (place / "link").unlink()
    (place / "link").symlink_to("etc")
    os.utime(place / "link", (EPOCH, EPOCH), follow_symlinks=False)


CHANGES: dict[str, Callable[[Path], object]] = {
    "etc/rpsd": reword,
    "link": retarget,
    "etc": lambda place: (place / "etc").chmod(0o700),
    "more": lambda place: (place / "more").touch(),
}


def test_nothing_differs_between_two_of_the_same(tmp_path: Path) -> None:
    assert differences(tree(tmp_path / "a"), tree(tmp_path / "b")) == []


@pytest.mark.parametrize("name", CHANGES)
def test_what_differs_is_named(tmp_path: Path, name: str) -> None:
    first, second = tree(tmp_path / "a"), tree(tmp_path / "b")
    CHANGES[name](second)
    assert differences(first, second) == [name]


def test_another_moment_differs(tmp_path: Path) -> None:
    first, second = tree(tmp_path / "a"), tree(tmp_path / "b")
    os.utime(second / "etc" / "rpsd", (EPOCH, EPOCH + 1))
    assert differences(first, second) == ["etc/rpsd"]
