"""Chapters that are tables of the code say what the code says."""

import pytest

from scripts.manual import CHAPTERS, MANUAL


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_chapter_is_the_one_that_the_code_gives(name: str) -> None:
    """`python -m scripts.manual` writes it."""
    assert (MANUAL / f"{name}.md").read_text(encoding="utf-8") == CHAPTERS[name]()
