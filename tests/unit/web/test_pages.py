"""Pages come from this machine alone."""

import re
from importlib.resources import files

import pytest

from rpsd.core.errors import ERRORS, UnknownRoute
from rpsd.web.pages import anchor, asset, chapter, chapters, contents, picture, rendered


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


def test_notes_of_the_authors_are_not_shown() -> None:
    shown = [name for name in chapters() if b"&lt;!--" in chapter(name)]
    assert shown == []


def test_unknown_chapters() -> None:
    with pytest.raises(UnknownRoute):
        chapter("../pyproject")
    assert b"/manual/errors" in contents()


def test_links_between_chapters_lead_to_pages_that_are_served() -> None:
    page = rendered("[a](errors.md#too_short) [b](install.md) [c](https://example.org/x.md)")
    assert re.findall(r'href="([^"]+)"', page) == ["/manual/errors#too_short", "/manual/install", "https://example.org/x.md"]
    for name in chapters():
        for target in re.findall(r'href="/manual/([^"#]+)', chapter(name).decode()):
            assert target in chapters(), f"{name} leads to /manual/{target}"
        assert not re.search(r'href="[^"/]*\.md', chapter(name).decode())


def test_pictures_of_chapters_are_served_and_small() -> None:
    shown = [name for chapter_name in chapters() for name in re.findall(r'src="([^"]+)"', chapter(chapter_name).decode())]
    assert "pictures/goog.png" in shown
    for name in shown:
        found = picture(name.removeprefix("pictures/"))
        assert found.startswith(b"\x89PNG")
        assert len(found) < 150_000


@pytest.mark.parametrize("name", ["../methods.md", "goog.md", "goog", "", "none.png", "..png", "../pictures/goog.png"])
def test_only_pictures_are_served_as_pictures(name: str) -> None:
    with pytest.raises(UnknownRoute):
        picture(name)


def test_the_table_of_contents_says_what_each_chapter_answers() -> None:
    page = contents().decode()
    for name in set(chapters()) - {"index"}:
        assert f'href="/manual/{name}"' in page
    assert "what do I do?" in page


def test_no_page_makes_the_browser_ask_for_an_icon() -> None:
    for page in (asset("index.html")[0], asset("docs.html")[0], contents()):
        assert b'<link rel="icon" href="data:,">' in page


def test_anchors() -> None:
    assert anchor("too_short") == "too_short"
    assert anchor("What to do next?") == "what-to-do-next"
