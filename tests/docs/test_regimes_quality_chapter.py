"""The measured tables of regimes speak of the engines, scenarios and modes that there are, and of each of them."""

import re

import pytest

from rpsd.regime import MODELS
from tests.docs.pages import ROOT
from tests.docs.test_quality_chapter import rows
from tests.quality.regime_auto import CASES
from tests.quality.regime_contestants import BASELINE, DEFAULT, ORACLE, STATSMODELS, WALK, engines
from tests.quality.regime_leak import WAYS
from tests.quality.scenarios import HEAVY, SCENARIOS

PAGE = (ROOT / "rpsd" / "manual" / "regimes_quality.md").read_text(encoding="utf-8")
PEERS = {STATSMODELS, "hmmlearn, the best of 10, percent", "hmmlearn, n_iter=500, percent", "jumpmodels, mean and volatility"}
TABLES: dict[str, tuple[str, ...]] = {
    "Unseen bars, filtered": (*SCENARIOS, "mean"),
    "The same bars in hindsight": (*SCENARIOS, "mean", "above filtered"),
    "Flicker": (*(f"{case} filtered" for case in HEAVY), *(f"{case} in hindsight" for case in HEAVY)),
}
"""Section -> the columns of its table."""


def lines(page: str, section: str) -> set[str]:
    """First cells of the section's first table."""
    return {row[0] for row in rows(page, section)[2:]}


@pytest.mark.parametrize("section", TABLES)
def test_everybody_has_a_line_and_every_scenario_a_column(section: str) -> None:
    """`make quality-regimes` writes it anew."""
    assert lines(PAGE, section) >= {ORACLE, BASELINE, DEFAULT} | PEERS | {engine.label for engine in engines()}
    assert tuple(rows(PAGE, section)[0][1:]) == TABLES[section]


def test_every_engine_of_the_catalogue_takes_part() -> None:
    assert {engine.model.name for engine in engines()} == {model.name for model in MODELS}
    assert {re.match(r"`(\w+)`", label)[1] for label in lines(PAGE, "Flicker") if label.startswith("`")} == {m.name for m in MODELS}


@pytest.mark.parametrize("section", TABLES)
def test_every_cell_is_a_figure_with_its_error(section: str) -> None:
    for row in rows(PAGE, section)[2:]:
        assert all(re.fullmatch(r"(\*\*)?-?\d*\.\d+(\*\*)? ± \d*\.\d+|–", cell) for cell in row[1:]), row


def test_scenarios_controls_and_modes_are_shown() -> None:
    assert lines(PAGE, "How many regimes there are") == set(CASES)
    assert lines(PAGE, "Does it see the future?") == set(WAYS)
    assert any(label == f"{DEFAULT} warm, matched" for label in lines(PAGE, "Do labels survive a refit?"))
    assert len(rows(PAGE, "Names on real series")) == 2 + 3 * (3 + 4 + 5)


def test_a_bar_that_falls_short_is_told_by_its_figures() -> None:
    holds = {"<=": float.__le__, ">=": float.__ge__, "<": float.__lt__, ">": float.__gt__}
    found = rows(PAGE, "Bars")[2:]
    assert len(found) > 20
    for name, value, bound, verdict in found:
        op, limit = bound.split()
        assert (verdict == "ok") == holds[op](float(value), float(limit)), name


def test_an_engine_without_its_line_is_missed() -> None:
    """The control."""
    page = "\n".join(line for line in PAGE.splitlines() if not line.startswith(f"| {WALK}"))
    assert lines(page + "\n", "Unseen bars, filtered") == lines(PAGE, "Unseen bars, filtered") - {WALK}
