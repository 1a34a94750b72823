"""The measured tables of order books show every stream, contestant, fault and strategy, and tell by their figures what falls short."""

import re

import pytest

from rpsd.core.book import Rule
from rpsd.core.parameters import BacktestParameters
from tests.docs.pages import ROOT
from tests.docs.test_quality_chapter import rows
from tests.quality.book_faults import FAULTS
from tests.quality.book_leak import FLEXIBLE
from tests.quality.book_measure import SCORES
from tests.quality.book_models import CONTESTANTS, DELAYS
from tests.quality.book_streams import CAPTURES

PAGE = (ROOT / "rpsd" / "manual" / "books_quality.md").read_text(encoding="utf-8")


def cells(section: str, column: int, page: str = PAGE) -> list[str]:
    """One column of the section's first table."""
    return [row[column] for row in rows(page, section)[2:]]


@pytest.mark.parametrize(
    ("section", "columns"),
    [("Order flow and price", 7), ("The next move of the mid", 2 + len(SCORES)), ("Acting late", 2 + len(DELAYS)), ("After costs", 12)],
)
def test_every_stream_has_its_lines(section: str, columns: int) -> None:
    """`make quality-book` writes it anew."""
    assert set(cells(section, 0)) == set(CAPTURES)
    assert {len(row) for row in rows(PAGE, section)} == {columns}


def test_everybody_takes_part() -> None:
    assert cells("The next move of the mid", 1) == list(CONTESTANTS) * len(CAPTURES)
    assert cells("Does it see the future?", 1) == list(FLEXIBLE) * len(CAPTURES)
    assert set(cells("After costs", 1)) == {"taker", "maker"} <= {*BacktestParameters.__dataclass_fields__["strategy"].metadata["choices"]}


def test_every_score_has_its_interval() -> None:
    for row in rows(PAGE, "The next move of the mid")[2:]:
        assert all(re.fullmatch(r"-?\d*\.\d+ \(-?\d*\.\d+ to -?\d*\.\d+\)", cell) for cell in row[2:]), row


def test_all_twelve_kinds_of_fault_are_shown() -> None:
    assert set(cells("Faults", 1)) == {f"`{rule.word}`" for rule in (*FAULTS, Rule.GAP)}
    assert len(FAULTS) == 11
    assert all(int(cell.replace(",", "")) >= 1_000 for cell in cells("Faults", 2))


def test_a_bar_that_falls_short_is_told_by_its_figures() -> None:
    holds = {"<=": float.__le__, ">=": float.__ge__}
    found = rows(PAGE, "Bars")[2:]
    assert len(found) > 12
    for name, value, bound, verdict in found:
        op, limit = bound.split()
        assert (verdict == "ok") == holds[op](float(value), float(limit)), name


def test_a_fault_without_its_line_is_missed() -> None:
    """The control."""
    page = "\n".join(line for line in PAGE.splitlines() if "`locked`" not in line)
    assert set(cells("Faults", 1, page + "\n")) == set(cells("Faults", 1)) - {"`locked`"}
