"""Pages for people: the shipped files and the manual as plain HTML, everything from this machine."""

import html
import re
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

from rpsd import __version__
from rpsd.core.errors import ERRORS, UnknownRoute

_TYPES: Final = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,40}")
_NOTE: Final = re.compile(r"^<!--[^>]*-->\n\n?", re.MULTILINE)  # of the pages' authors to their tests
_CHAPTER_LINK: Final = re.compile(r'href="([a-z][a-z0-9_-]*)\.md(#[^"]*)?"')


@lru_cache(16)
def asset(name: str) -> tuple[bytes, str]:
    """A file of web/static and its content type. Raises UnknownRoute."""
    stem, _, kind = name.rpartition(".")
    if not _NAME.fullmatch(stem) or kind not in _TYPES:
        raise UnknownRoute(f"there is no file {name[:60]!r}")
    path = files("rpsd.web") / "static" / name
    if not path.is_file():
        raise UnknownRoute(f"there is no file {name[:60]!r}")
    return path.read_bytes().replace(b"{version}", __version__.encode()), _TYPES[kind]


def chapters() -> list[str]:
    """Names of the manual's chapters; the errors always have one."""
    folder = files("rpsd") / "manual"
    names = {entry.name[:-3] for entry in folder.iterdir() if entry.name.endswith(".md")} if folder.is_dir() else set()
    return sorted(names | {"errors"})


def contents() -> bytes:
    """The chapter `index`, which lists the others; without it a plain list."""
    if "index" in chapters():
        return chapter("index")
    items = "".join(f'<li><a href="/manual/{name}">{html.escape(name.replace("-", " ").capitalize())}</a></li>' for name in chapters())
    return framed("Manual", f"<h1>Manual</h1><ul>{items}</ul>")


@lru_cache(64)
def chapter(name: str) -> bytes:
    """One chapter as HTML. Raises UnknownRoute."""
    if not _NAME.fullmatch(name) or name not in chapters():
        raise UnknownRoute(f"the manual has no chapter {name[:60]!r}", hint="GET /manual lists the chapters.")
    path = files("rpsd") / "manual" / f"{name}.md"
    text = path.read_text("utf-8") if path.is_file() else _errors()
    return framed(name.replace("-", " ").capitalize(), rendered(text))


def picture(name: str) -> bytes:
    """A PNG of the manual. Raises UnknownRoute."""
    stem, _, kind = name.rpartition(".")
    path = files("rpsd") / "manual" / "pictures" / name
    if not _NAME.fullmatch(stem) or kind != "png" or not path.is_file():
        raise UnknownRoute(f"the manual has no picture {name[:60]!r}")
    return path.read_bytes()


def _errors() -> str:
    """The errors as a chapter, straight from their catalogue."""
    rows = [f"## {error.code}\n\n{error.title}. {(error.__doc__ or '').strip()}\n\n{error.hint}\n" for error in ERRORS]
    return "# Errors\n\n" + "\n".join(rows)


def rendered(text: str) -> str:
    """Markdown as HTML: tables, no raw HTML, an id on every heading, so that /manual/errors#code finds its place, and links between
    chapters, which name files, as they are served."""
    from markdown_it import MarkdownIt  # 40 ms that only readers of the manual pay

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.add_render_rule("heading_open", _heading_open)
    found = _CHAPTER_LINK.sub(r'href="/manual/\1\2"', parser.render(_NOTE.sub("", text)))
    return found.replace('href="', 'rel="noreferrer" href="')


def _heading_open(renderer: Any, tokens: Any, index: int, options: Any, env: Any) -> str:
    tokens[index].attrSet("id", anchor(tokens[index + 1].content))
    return str(renderer.renderToken(tokens, index, options, env))


def anchor(heading: str) -> str:
    """The id of a heading: its words in lower case; a heading that begins with a code in backticks is known by the code alone.

    >>> anchor("`too_short`: too few points")
    'too_short'
    """
    code = re.match(r"`([\w.-]+)`", heading)
    if code:
        return code[1]
    return re.sub(r"[^a-z0-9_]+", "-", heading.lower()).strip("-")


def framed(title: str, body: str) -> bytes:
    """A page of the appliance around a body of HTML; the title is text."""
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{html.escape(title)} · rpsd</title>'
    style = '<link rel="icon" href="data:,"><link rel="stylesheet" href="/static/rpsd.css">'
    links = f'<nav><a class="home" href="/">rpsd {__version__}</a> <a href="/manual">Manual</a> <a href="/docs">API</a></nav>'
    page = f'<!doctype html><html lang="en"><head>{head}{style}</head><body>{links}<main>{body}</main></body></html>\n'
    return page.encode()
