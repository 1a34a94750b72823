"""Whatever a user can meet has its place in the manual: errors, settings, metrics, jobs, methods, commands."""

import re
from collections.abc import Callable, Iterable

import pytest

from tests.docs.pages import ROOT

MANUAL = ROOT / "rpsd" / "manual"
CHAPTERS = ("install", "operate", "methods", "errors", "decisions")


def text(chapter: str) -> str:
    return (MANUAL / f"{chapter}.md").read_text(encoding="utf-8")


def whole() -> str:
    return "\n".join(page.read_text(encoding="utf-8") for page in sorted(MANUAL.glob("*.md")))


def settings() -> Iterable[str]:
    """Dotted names; a setting below a mapping of the user's own is named by its parent."""
    from rpsd.config import explain, read

    return (row.name for row in explain(read(environ={})))


def metrics() -> Iterable[str]:
    from rpsd.telemetry import Metrics

    found = re.findall(r"^# TYPE (rpsd_\w+)", Metrics().exposition()[0].decode(), re.M)
    names = [name for name in found if not name.endswith("_created")]
    assert len(names) > 20
    return names


def jobs() -> Iterable[str]:
    from rpsd.jobs import JOBS

    return (job.name for job in JOBS)


def methods() -> Iterable[str]:
    from rpsd.denoise import METHODS
    from rpsd.regime import MODELS

    return (member.name for member in (*METHODS, *MODELS))


def commands() -> Iterable[str]:
    """Every command with its group, as the user types it."""
    import click
    import typer

    from rpsd.cli.app import app

    def below(command: click.Command, name: str) -> Iterable[str]:
        children = getattr(command, "commands", {})
        if not children:
            yield name
        for child in children:
            yield from below(children[child], f"{name} {child}")

    return below(typer.main.get_command(app), "rpsd")


FAMILIES: dict[str, Callable[[], Iterable[str]]] = {
    "settings": settings,
    "metrics": metrics,
    "jobs": jobs,
    "methods": methods,
    "commands": commands,
}


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_chapter_exists(chapter: str) -> None:
    assert text(chapter).startswith("# ")


def test_every_error_has_its_heading_and_nothing_else_has_one() -> None:
    """`type` of an error body is /manual/errors#code: the heading begins with the code."""
    from rpsd.core.errors import ERRORS

    assert sorted(re.findall(r"^## `?([a-z]+(?:_[a-z]+)*)`?", text("errors"), re.M)) == sorted(error.code for error in ERRORS)


@pytest.mark.parametrize("family", FAMILIES)
def test_everything_has_its_place_in_the_manual(family: str) -> None:
    page = whole()
    missing = [name for name in FAMILIES[family]() if not re.search(rf"(?<![\w.]){re.escape(name)}(?![\w])", page)]
    assert not missing, f"{family} without a word in the manual: {', '.join(missing)}"
