"""Each rule of retraining by itself: what moves a fit, what holds it up, and who goes first."""

from typing import Any

import pytest

from rpsd.config.settings import Retraining
from rpsd.core.market import DAY_NS
from rpsd.core.retraining import Cause, Choice, Decision
from rpsd.services.retraining.rules import Ages, Known, decided, within
from rpsd.store.decision import Setback

NOW = 1000 * DAY_NS
AGES = Ages(DAY_NS, 30 * DAY_NS)
RULES = Retraining()


def known(**facts: Any) -> Known:
    """A model fitted an hour ago that nothing speaks for fitting."""
    usual: dict[str, Any] = {"model": "m", "version": 3, "fitted_ns": NOW - DAY_NS // 24, "cold_ns": NOW - DAY_NS, "new": 0, "unit": "bars"}
    usual |= {"changed": False, "drift": None, "setback": None}
    return Known(**(usual | facts))


@pytest.mark.parametrize(
    ("facts", "choice", "cause", "words"),
    [
        ({}, Choice.SKIP, Cause.NEW_DATA, "no new bars"),
        ({"unit": "events"}, Choice.SKIP, Cause.NEW_DATA, "no new events"),
        ({"new": 1}, Choice.WAIT, Cause.SCHEDULE, "not yet 1.0 days, and 1 bar are fewer than 50"),
        ({"new": 49}, Choice.WAIT, Cause.SCHEDULE, "49 bars are fewer than 50"),
        ({"new": 50}, Choice.RETRAIN, Cause.NEW_DATA, "50 bars since its training"),
        ({"new": 1, "unit": "events"}, Choice.WAIT, Cause.SCHEDULE, "not yet 1.0 days"),
        ({"new": 1, "fitted_ns": NOW - int(0.91 * DAY_NS)}, Choice.RETRAIN, Cause.SCHEDULE, "fitted 0.9 days ago, and 1 bar since"),
        ({"new": 0, "fitted_ns": NOW - 20 * DAY_NS}, Choice.SKIP, Cause.NEW_DATA, "no new bars"),
        ({"cold_ns": NOW - 30 * DAY_NS}, Choice.SKIP, Cause.NEW_DATA, "no new bars"),
        ({"cold_ns": NOW - 30 * DAY_NS - 1}, Choice.RETRAIN, Cause.AGE, "fresh starts were last tried 30.0 days ago"),
        ({"changed": True}, Choice.RETRAIN, Cause.SCHEDULE, "the settings or the release"),
        ({"drift": "HIGH of volatility"}, Choice.RETRAIN, Cause.DRIFT, "HIGH of volatility"),
        ({"version": None, "new": 300}, Choice.RETRAIN, Cause.NEW_DATA, "no version serves yet, and 300 bars are there"),
    ],
)
def test_what_moves_a_fit_and_what_does_not(facts: dict[str, Any], choice: Choice, cause: Cause, words: str) -> None:
    made = decided(known(**facts), AGES, RULES, NOW)
    assert (made.choice, made.cause) == (choice, cause)
    assert words in made.reason


@pytest.mark.parametrize(
    ("count", "waited_days", "goes"),
    [
        (1, 0.89, False),
        (1, 0.91, True),
        (2, 1.79, False),
        (2, 1.81, True),
        (3, 3.5, False),
        (4, 7.1, False),
        (4, 7.3, True),
        (60, 7.3, True),
    ],
)
@pytest.mark.parametrize("facts", [{"drift": "HIGH"}, {"version": None}, {"cold_ns": 0}, {"changed": True}])
def test_a_model_that_was_kept_back_waits_longer_each_time(facts: dict[str, Any], count: int, waited_days: float, goes: bool) -> None:
    made = decided(known(setback=Setback(count, NOW - int(waited_days * DAY_NS)), **facts), AGES, RULES, NOW)
    assert made.choice is (Choice.RETRAIN if goes else Choice.WAIT)
    assert ("kept back" in made.reason) is not goes


def test_the_budget_goes_to_drift_first_then_age_and_first_fits_are_free() -> None:
    causes = [Cause.SCHEDULE, Cause.NEW_DATA, Cause.AGE, Cause.DRIFT]
    asked = [Decision(str(cause), Choice.RETRAIN, cause, "r", 1) for cause in causes]
    asked += [Decision("new", Choice.RETRAIN, Cause.NEW_DATA, "r"), Decision("idle", Choice.SKIP, Cause.NEW_DATA, "r", 1)]
    assert [one.choice for one in within(asked, 5, 1)] == [*[Choice.RETRAIN] * 5, Choice.SKIP]
    left = within(asked, 5, 3)
    assert [one.choice for one in left] == [Choice.WAIT, Choice.WAIT, Choice.RETRAIN, Choice.RETRAIN, Choice.RETRAIN, Choice.SKIP]
    assert "the 5 fits of models.retraining.budget are spent" in left[0].reason
    assert [one.choice for one in within(asked, 5, 9)][:5] == [*[Choice.WAIT] * 4, Choice.RETRAIN]
