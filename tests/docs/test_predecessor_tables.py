"""What the manual says of the classic pipeline is what is measured of it."""

import pytest

from tests.docs.pages import ROOT
from tests.quality import predecessor

PAGE = (ROOT / "rpsd" / "manual" / "methods.md").read_text(encoding="utf-8")
TABLES = predecessor.tables()


@pytest.mark.parametrize("table", TABLES, ids=["score", "views", "spiky"])
def test_the_manual_shows_the_measured_table(table: str) -> None:
    """`python -m tests.quality.predecessor` prints them."""
    assert table in PAGE


def test_a_figure_that_differs_is_seen() -> None:
    """The control."""
    assert TABLES[0].replace("120 of 120", "119 of 120") not in PAGE
