"""The measured year speaks of the decisions, causes and series that there are, and each bar is told by its figures."""

from rpsd.core.retraining import Cause, Choice
from tests.docs.pages import ROOT
from tests.docs.test_quality_chapter import rows
from tests.quality.retraining import SYMBOLS

PAGE = (ROOT / "rpsd" / "manual" / "retraining_quality.md").read_text(encoding="utf-8")


def test_every_decision_is_one_that_there_is_and_has_its_reason() -> None:
    """`make quality-retraining` writes it anew."""
    found = rows(PAGE, "What was decided")[2:]
    assert len(found) > 20
    for day, model, choice, cause, _, reason in found:
        assert 0 <= int(day) < 365
        assert model in SYMBOLS
        assert (choice, cause) == (Choice(choice).value, Cause(cause).value)
        assert len(reason) > 10
    assert {row[2] for row in found} >= {"retrain", "promote", "keep", "rollback"}


def test_every_series_is_counted() -> None:
    found = rows(PAGE, "How often")[2:]
    assert [row[0] for row in found] == list(SYMBOLS)
    assert all(int(cell) >= 0 for row in found for cell in row[1:7])


def test_a_bar_that_falls_short_is_told_by_its_figures() -> None:
    holds = {"<=": float.__le__, ">=": float.__ge__, "<": float.__lt__, ">": float.__gt__}
    found = rows(PAGE, "Bars")[2:]
    assert len(found) == 9
    for name, value, bound, verdict in found:
        op, limit = bound.split()
        assert (verdict == "ok") == holds[op](float(value), float(limit)), name
