"""The measured year speaks of the decisions, causes and series that there are, and each bar is told by its figures."""

from rpsd.core.retraining import Cause, Choice
from tests.docs.pages import ROOT
from tests.docs.test_quality_chapter import rows
from tests.quality.retraining import SYMBOLS
from tests.quality.rollbacks import OLDER, WORLDS, WORSE

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
    assert len(found) == 11
    for name, value, bound, verdict in found:
        op, limit = bound.split()
        assert (verdict == "ok") == holds[op](float(value), float(limit)), name


def test_rollbacks_are_rare_where_none_is_due() -> None:
    chance, due = rows(PAGE, "Rollbacks by chance")[2:], rows(PAGE, "Rollbacks that are due")[2:]
    assert [(row[0], int(row[1])) for row in chance] == [(world, older) for world in WORLDS for older in OLDER]
    assert [(row[0], row[1]) for row in due] == [(world, name) for world in WORLDS for name in WORSE]
    for row in chance:
        assert float(row[4].split()[0]) == round(100 * int(row[3]) / int(row[2]), 2)
    assert sum(int(row[3]) for row in chance) <= 0.002 * sum(int(row[2]) for row in chance)
