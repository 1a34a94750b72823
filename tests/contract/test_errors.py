"""Every error has its class, its place in the catalogue, its own code and words that help."""

import ast
import inspect
import re
from pathlib import Path

import pytest

from rpsd.core import errors
from rpsd.core.errors import ERRORS, Kind, RpsdError

CLASSES = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, RpsdError) and c is not RpsdError]
STATUSES = {Kind.INPUT: {None, 400, 405, 406, 408, 413, 414, 415}, Kind.DENIED: {401, 403}, Kind.BUSY: {429, 503, 507}}


def test_the_catalogue_names_every_class_once() -> None:
    assert sorted(c.__name__ for c in ERRORS) == sorted(c.__name__ for c in CLASSES)


@pytest.mark.parametrize("words", ["code", "title", "hint"])
def test_words_are_unique(words: str) -> None:
    values = [getattr(error, words) for error in ERRORS]
    assert [value for value in values if values.count(value) > 1] == []


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_each_error_reads_well(error: type[RpsdError]) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", error.code)
    assert error.title[0].isupper()
    assert not error.title.endswith(".")
    assert error.hint.endswith(".")
    assert (error.__doc__ or "").endswith(".")
    assert error.status in STATUSES.get(error.kind, {None})


def test_nobody_invents_codes_elsewhere(root: Path) -> None:
    """A code that clients can meet stands in core/errors.py, where the catalogue, the manual and the edges see it."""
    names = {c.__name__ for c in CLASSES} | {"RpsdError"}
    elsewhere = []
    for file in (file for file in (root / "rpsd").rglob("*.py") if not file.name.endswith("errors.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and names & {getattr(base, "id", getattr(base, "attr", "")) for base in node.bases}:
                targets = [target for line in node.body if isinstance(line, ast.Assign) for target in ast.walk(line.targets[0])]
                elsewhere += [f"{file.relative_to(root)}: {node.name}" for target in targets if getattr(target, "id", "") == "code"]
    assert elsewhere == []
