"""Pages come from this machine alone."""

import re
from importlib.resources import files

import pytest

from rpsd.core.errors import ERRORS, UnknownRoute
from rpsd.web.pages import anchor, asset, chapter, contents, rendered


def test_no_shipped_page_names_a_foreign_host() -> None:
    for entry in (files("rpsd.web") / "static").iterdir():
        assert not re.search(r"(?:https?:)?//[\w-]+\.\w", entry.read_text("utf-8")), entry.name


def test_no_inline_script_or_style() -> None:
    for name in ("index.html", "docs.html"):
        text = asset(name)[0].decode()
        assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|style=", text)


@pytest.mark.parametrize("name", ["../app.py", "x.js", "docs.py", "", "docs", "..", "docs.js/../docs.html"])
def test_only_shipped_files_are_served(name: str) -> None:
    with pytest.raises(UnknownRoute):
        asset(name)


def test_every_error_code_has_its_anchor() -> None:
    page = chapter("errors").decode()
    for error in ERRORS:
        assert f'id="{error.code}"' in page


def test_markdown_is_rendered_without_raw_html() -> None:
    page = rendered("# A title\n\n<script>alert(1)</script>\n\n| a | b |\n|---|---|\n| 1 | 2 |\n")
    assert '<h1 id="a-title">' in page
    assert "<script>" not in page
    assert "<td>1</td>" in page


def test_unknown_chapters() -> None:
    with pytest.raises(UnknownRoute):
        chapter("../pyproject")
    assert b"/manual/errors" in contents()


def test_anchors() -> None:
    assert anchor("too_short") == "too_short"
    assert anchor("What to do next?") == "what-to-do-next"
