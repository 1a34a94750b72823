"""Whatever a user can meet has its place in the manual: errors, settings, metrics, jobs, methods, commands."""

import re
from collections.abc import Callable, Iterable

import pytest

from tests.docs.pages import ROOT

MANUAL = ROOT / "rpsd" / "manual"
CHAPTERS = (
    "index", "install", "operate", "upgrade", "recovery", "observe", "logs", "network", "troubleshooting", "coming_from",
    "doctor", "alerts", "sizing",
    "security", "asvs", "sources", "events", "channels", "methods", "denoising_quality", "streaming", "many", "regimes", "regimes_quality",
    "books", "books_quality", "features", "models", "retraining", "retraining_quality", "drift", "drift_quality", "experiments",
    "decisions", "errors", "settings", "metrics", "cli",
)  # fmt: skip


def text(chapter: str) -> str:
    return (MANUAL / f"{chapter}.md").read_text(encoding="utf-8")


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

    return (method.name for method in METHODS)


def models() -> Iterable[str]:
    from rpsd.regime import MODELS

    return (model.name for model in MODELS)


def book_features() -> Iterable[str]:
    from rpsd.book.features import FEATURES, FURTHER

    return (feature.name for feature in (*FEATURES, *FURTHER))


def book_predictors() -> Iterable[str]:
    from rpsd.book import PREDICTORS

    return (predictor.name for predictor in PREDICTORS)


def book_labels() -> Iterable[str]:
    from rpsd.core.parameters import LabelParameters

    return iter(LabelParameters.__dataclass_fields__["label"].metadata["choices"])


def book_rules() -> Iterable[str]:
    from rpsd.core.book import RULES, Rule

    return (rule.word for rule in RULES if rule is not Rule.ACCEPTED)


def book_phases() -> Iterable[str]:
    from rpsd.core.book import Phase

    return (phase.value for phase in Phase)


def book_formats() -> Iterable[str]:
    from rpsd.services.book.feed import FORMATS

    return (one.name for one in FORMATS)


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


FAMILIES: dict[str, tuple[str, str, Callable[[], Iterable[str]]]] = {
    "settings": ("settings", "| `{}` |", settings),
    "metrics": ("metrics", "| `{}` |", metrics),
    "jobs": ("operate", "| `{}` |", jobs),
    "methods": ("methods", "### `{}`", methods),
    "models": ("regimes", "| `{}` |", models),
    "book features": ("books", "| `{}` |", book_features),
    "book predictors": ("books", "| `{}` |", book_predictors),
    "book labels": ("books", "| `{}` |", book_labels),
    "book rules": ("books", "| `{}` |", book_rules),
    "book phases": ("books", "| `{}` |", book_phases),
    "book formats": ("books", "| `{}` |", book_formats),
    "commands": ("cli", "## {}", commands),
}
"""Chapter, how the line of a member begins there, and the members: a word in passing, or in another chapter, is no description."""


def missing(family: str, page: str) -> list[str]:
    """Members of the family that have no line of their own on the page."""
    _, begins, members = FAMILIES[family]
    lines = page.splitlines()
    found = [(name, begins.format(name)) for name in members()]
    assert found, f"{family} has no members"
    return [name for name, start in found if not any(line == start or line.startswith(start + " ") for line in lines)]


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_chapter_exists(chapter: str) -> None:
    assert text(chapter).startswith("# ")


def test_every_error_has_its_heading_and_nothing_else_has_one() -> None:
    """`type` of an error body is /manual/errors#code: the heading begins with the code."""
    from rpsd.core.errors import ERRORS

    assert sorted(re.findall(r"^## `?([a-z]+(?:_[a-z]+)*)`?", text("errors"), re.M)) == sorted(error.code for error in ERRORS)


@pytest.mark.parametrize("family", FAMILIES)
def test_everything_has_its_place_in_the_manual(family: str) -> None:
    chapter = FAMILIES[family][0]
    assert not (names := missing(family, text(chapter))), f"{chapter}.md says nothing of the {family} {', '.join(names)}"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_missing_line_is_seen(family: str) -> None:
    """The control: without its line each member is missed, though its name stands elsewhere on the page."""
    chapter, begins, members = FAMILIES[family]
    name = list(members())[-1]
    start = begins.format(name)
    page = "\n".join(line for line in text(chapter).splitlines() if line != start and not line.startswith(start + " "))
    assert missing(family, f"{page}\nIn passing: {name}") == [name]
