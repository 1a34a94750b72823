"""The checklist of ASVS 5.0: every requirement of levels 1 and 2 has its row, and every test that a row names is there and collected."""

import ast
import re
from collections import Counter
from collections.abc import Iterable
from functools import cache

import pytest

from tests.docs.pages import ROOT

SECTIONS = """
    1.1:2 1.2:9 1.3:11 1.4:3 1.5:2 2.1:3 2.2:3 2.3:4 2.4:1 3.2:2 3.3:4 3.4:6 3.5:5 3.7:2 4.1:3 4.2:1 4.3:2 4.4:4 5.1:1 5.2:3 5.3:2 5.4:3
    6.1:3 6.2:12 6.3:4 6.4:4 6.5:5 6.6:3 6.8:4 7.1:3 7.2:4 7.3:2 7.4:5 7.5:2 7.6:2 8.1:2 8.2:3 8.3:1 8.4:1 9.1:3 9.2:4 10.1:2 10.2:2
    10.3:4 10.4:11 10.5:5 10.6:2 10.7:3 11.1:2 11.2:3 11.3:3 11.4:4 11.5:1 11.6:1 12.1:3 12.2:2 12.3:4 13.1:1 13.2:5 13.3:2 13.4:5
    14.1:2 14.2:4 14.3:3 15.1:3 15.2:3 15.3:7 16.1:1 16.2:5 16.3:4 16.4:3 16.5:3 17.1:1 17.2:4 17.3:2
"""
"""How many requirements of level 1 or 2 each section has: they come before those of level 3 in every section of version 5.0.0."""
LEVELS = {1: 70, 2: 183}
"""As the standard counts them; with the sections above, a second source for what the list must hold."""
FOLDERS = ("unit", "contract", "flow", "docs", "fault", "system")
"""Those that `make test`, `make test-fault` and `make test-system` collect."""

Row = tuple[str, int, str, str]


def rows(page: str) -> list[Row]:
    """Number, level, words and verdict of each row."""
    found = re.findall(r"^\| (\d+\.\d+\.\d+) \| ([12]) \| ([^|]+) \| ([^|]+) \|$", page, re.MULTILINE)
    return [(number, int(level), words, verdict) for number, level, words, verdict in found]


@cache
def collected(file: str) -> frozenset[str]:
    """The tests of a file below tests/, as pytest finds them; none for a file that it does not look at."""
    path = ROOT / "tests" / file
    if file.split("/", maxsplit=1)[0] not in FOLDERS or not path.name.startswith("test_") or not path.is_file():
        return frozenset()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"))


def faults(found: Iterable[Row]) -> list[str]:
    """What is wrong with the verdicts."""
    told = []
    for number, _, _, verdict in found:
        if re.fullmatch(r"(?:not applicable|gap): .{4,}", verdict):
            continue
        named = re.findall(r"`([\w/]+\.py)::(\w+)`", verdict)
        if not named or ", ".join(f"`{file}::{name}`" for file, name in named) != verdict:
            told.append(f"{number} is neither shown, nor not applicable, nor a gap")
        told += [f"{number} names {file}::{name}, which is not collected" for file, name in named if name not in collected(file)]
    return told


@pytest.fixture(scope="module")
def page() -> str:
    return (ROOT / "rpsd" / "manual" / "asvs.md").read_text(encoding="utf-8")


def test_every_requirement_has_one_row(page: str) -> None:
    expected = [f"{section}.{n}" for section, count in (one.split(":") for one in SECTIONS.split()) for n in range(1, int(count) + 1)]
    assert [number for number, *_ in rows(page)] == expected
    assert Counter(level for _, level, *_ in rows(page)) == LEVELS
    assert page.count("\n| ") == len(expected) + page.count("| requirement |")  # no row that is misspelt is passed over


def test_every_row_is_shown_or_says_why_not(page: str) -> None:
    assert faults(rows(page)) == []


def test_the_sum_is_that_of_the_rows(page: str) -> None:
    kinds = Counter(verdict.partition(":")[0] if verdict[0] != "`" else "shown" for *_, verdict in rows(page))
    told = f"Of {sum(kinds.values())} requirements {kinds['shown']} are shown by tests, "
    assert told + f"{kinds['not applicable']} do not apply, and {kinds['gap']} are gaps." in page


@pytest.mark.parametrize(
    "verdict", ["", "yes", "gap:", "`unit/none.py::test_x`", "`docs/test_asvs_chapter.py::test_none`", "`docs/pages.py::steps`", "`x`"]
)
def test_a_row_that_shows_nothing_is_seen(verdict: str) -> None:
    assert faults([("1.1.1", 2, "words", verdict)])
