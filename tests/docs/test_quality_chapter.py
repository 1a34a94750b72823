"""The measured tables of the manual speak of the methods that there are, and of each of them."""

import re

import pytest

from rpsd.denoise import METHODS
from tests.docs.pages import ROOT
from tests.quality.further import FURTHER
from tests.quality.measure import CAUSAL_CASES
from tests.quality.signals import CASES

PAGE = (ROOT / "rpsd" / "manual" / "denoising_quality.md").read_text(encoding="utf-8")
AHEAD = {m.name for m in METHODS if not m.causal and m.delay is None}
STEADY = {m.name for m in METHODS} - AHEAD
TABLES: dict[str, tuple[set[str], tuple[str, ...]]] = {
    "In hindsight: textbook signals": (AHEAD | {"auto"}, tuple(CASES)[:8]),
    "In hindsight: financial simulations": (AHEAD | {"auto"}, tuple(CASES)[8:]),
    "In hindsight: what markets do besides": (AHEAD | {"auto"}, tuple(FURTHER)),
    "Causal": (STEADY | {"auto", "wavelet"}, CAUSAL_CASES),  # the classic pipeline in a rolling window
    "Does it see the future?": ({m.name for m in METHODS} | {"auto"}, ()),
}
"""Section -> the methods of its first table, and the cases of its columns."""


def rows(page: str, section: str) -> list[list[str]]:
    """Cells of the section's first table, the header first."""
    body = page.split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    table = re.search(r"(?:^\|.*\n)+", body, re.M)
    assert table, section
    return [[cell.strip() for cell in line.strip("|\n").split("|")] for line in table[0].splitlines()]


def methods(page: str, section: str) -> set[str]:
    """Our methods in the table: the words in backticks that begin a row."""
    found = (re.match(r"`(\w+)`", row[0]) for row in rows(page, section)[2:])
    return {match[1] for match in found if match}


@pytest.mark.parametrize("section", TABLES)
def test_the_table_shows_the_catalogue(section: str) -> None:
    """`make quality-denoise` writes it anew."""
    expected, cases = TABLES[section]
    assert methods(PAGE, section) == expected
    assert not cases or tuple(rows(PAGE, section)[0][1 : 1 + len(cases)]) == cases


@pytest.mark.parametrize("section", list(TABLES)[:4])
def test_every_cell_is_a_figure_with_its_error(section: str) -> None:
    for row in rows(PAGE, section)[2:]:
        assert all(re.fullmatch(r"(\*\*)?\d*\.\d+(\*\*)? ± \d*\.\d+", cell) for cell in row[1:]), row


def test_a_method_without_its_line_is_missed() -> None:
    """The control."""
    page = "\n".join(line for line in PAGE.splitlines() if not line.startswith("| `ema`"))
    assert methods(page + "\n", "Causal") == TABLES["Causal"][0] - {"ema"}
