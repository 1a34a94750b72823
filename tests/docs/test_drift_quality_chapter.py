"""The measured tables of drift speak of the cases and changes that there are, and their bars of their figures."""

import pytest

from tests.docs.pages import ROOT
from tests.docs.test_quality_chapter import rows
from tests.quality.drift_cases import CASES, CHANGES, EFFECTS, TESTED, WINDOWS
from tests.quality.drift_sp500 import SINCE

PAGE = (ROOT / "rpsd" / "manual" / "drift_quality.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("section", ["Where nothing drifts", "What the textbook numbers would cry"])
def test_every_case_has_a_line(section: str) -> None:
    """`make quality-drift` writes it anew."""
    assert [row[0] for row in rows(PAGE, section)[2:]] == list(CASES)
    assert len(rows(PAGE, section)[0]) in {1 + len(WINDOWS), 1 + 2 * len(WINDOWS)}


def test_every_change_is_planted_into_every_window() -> None:
    told = rows(PAGE, "What is seen")
    assert [(row[0], int(row[1])) for row in told[2:]] == [(change, m) for change in CHANGES for m in WINDOWS]
    assert told[0][2:] == [f"e = {effect:g}" for effect in EFFECTS]


def test_the_best_test_there_is_stands_beside_and_sees_no_less() -> None:
    seen = {(row[0], row[1]): row[2:] for row in rows(PAGE, "What is seen")[2:]}
    best = rows(PAGE, "What it costs not to know how a feature moves")[2:]
    assert [(row[0], int(row[1])) for row in best] == [(change, m) for change in TESTED for m in WINDOWS]
    for change, values, *shares in best:
        pairs = zip(shares, seen[change, values], strict=True)
        assert all(float(known.split()[0]) >= float(found.split()[0]) for known, found in pairs)


def test_the_bars_are_judged_by_their_figures() -> None:
    for _, value, bound, verdict in rows(PAGE, "Bars")[2:]:
        op, limit = bound.split()
        holds = float(value) <= float(limit) if op == "<=" else float(value) >= float(limit)
        assert (verdict == "ok") == holds


def test_the_real_market_is_scanned_at_every_age_of_its_models() -> None:
    found = rows(PAGE, "The S&P 500")[2:]
    assert [int(row[0]) for row in found] == list(SINCE)
    assert all(0 <= int(row[2]) <= int(row[1]) and (row[2] == "0") == (row[4] == "–") for row in found)
