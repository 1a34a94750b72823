"""The rules by which rpsd decides whether to train a model, as plain functions of what is known of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from rpsd.config.settings import Retraining
from rpsd.core import instant
from rpsd.core.market import DAY_NS, SECOND_NS
from rpsd.core.retraining import Cause, Choice, Decision
from rpsd.store.decision import Setback

SLACK: Final = 0.9
"""Of a wait that is long enough: what began a little after last night's occasion is due at tonight's."""
_FIRST: Final = (Cause.DRIFT, Cause.AGE, Cause.NEW_DATA, Cause.SCHEDULE)
"""Who comes first when the budget does not suffice for all."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a model. Times in ns UTC.

    `version` serves, None when none does; it was fitted at fitted_ns, from fresh starts last at cold_ns, and `new` bars have closed since
    its training (of a book: 1 when any event has come). `changed`: the settings or the release are others than it was fitted with.
    `drift`: what the newest scan since says that has found it HIGH. `setback`: how often its fits were kept back in a row. `fault`: why
    the version that stands in production cannot serve; it counts as none then.
    """

    model: str
    version: int | None
    fitted_ns: int
    cold_ns: int
    new: int
    unit: str
    changed: bool
    drift: str | None
    setback: Setback | None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Ages:
    """From which age on (ns) a model is fitted anew, and from which on from fresh starts."""

    interval_ns: int
    most_ns: int


def decided(known: Known, ages: Ages, rules: Retraining, now_ns: int) -> Decision:
    """Retrain, wait or skip, with the cause and a sentence; the budget apart."""
    cause, reason = _cause(known, ages, rules, now_ns)
    if cause is None:
        return _idle(known, ages, rules, now_ns)
    choice, setback = Choice.RETRAIN, known.setback
    if setback is not None and now_ns < (until_ns := _next_ns(setback, rules)):
        choice = Choice.WAIT
        times = "once" if setback.count == 1 else f"{setback.count} times in a row"
        reason = f"{reason}; but its fits were kept back {times}, so the next is not before {instant.text(until_ns)}"
    return Decision(known.model, choice, cause, reason, known.version)


def within(decisions: Sequence[Decision], budget: int, spent: int) -> list[Decision]:
    """The decisions in their order; fits of models that serve already wait once the budget of the day is spent, drift going first."""
    asked = [i for i, one in enumerate(decisions) if one.choice is Choice.RETRAIN and one.version is not None]
    asked.sort(key=lambda i: (_FIRST.index(decisions[i].cause), i))
    late = set(asked[max(0, budget - spent) :])
    told = f"but the {budget} fits of models.retraining.budget are spent for the day"
    return [replace(one, choice=Choice.WAIT, reason=f"{one.reason}; {told}") if i in late else one for i, one in enumerate(decisions)]


def _cause(known: Known, ages: Ages, rules: Retraining, now_ns: int) -> tuple[Cause | None, str]:
    """What speaks for a fit, the gravest first; None when nothing does."""
    if known.fault is not None:
        return Cause.SCHEDULE, f"what stands in production cannot serve: {known.fault}"
    if known.version is None:
        return Cause.NEW_DATA, f"no version serves yet, and {_counted(known)} are there"
    if known.drift is not None:
        return Cause.DRIFT, known.drift
    if (age_ns := now_ns - known.cold_ns) > ages.most_ns:
        return Cause.AGE, f"fresh starts were last tried {_days(age_ns)} ago; the most is {_days(ages.most_ns)}"
    return _routine(known, ages, rules, now_ns)


def _routine(known: Known, ages: Ages, rules: Retraining, now_ns: int) -> tuple[Cause | None, str]:
    """What speaks for a fit of a model that is neither missing nor drifted nor past its age."""
    if known.changed:
        return Cause.SCHEDULE, "the settings or the release are others than it was fitted with"
    if known.unit == "bars" and known.new >= rules.min_new_bars:
        return Cause.NEW_DATA, f"{_counted(known)} since its training; {rules.min_new_bars} are enough"
    if known.new and (age_ns := now_ns - known.fitted_ns) >= SLACK * ages.interval_ns:
        return Cause.SCHEDULE, f"fitted {_days(age_ns)} ago, and {_counted(known)} since"
    return None, ""


def _idle(known: Known, ages: Ages, rules: Retraining, now_ns: int) -> Decision:
    """Nothing speaks for a fit: new data wait for the model's age, or there are none."""
    if not known.new:
        return Decision(known.model, Choice.SKIP, Cause.NEW_DATA, f"no new {known.unit} since its training", known.version)
    age = f"fitted {_days(now_ns - known.fitted_ns)} ago, not yet {_days(ages.interval_ns)}"
    enough = f", and {_counted(known)} are fewer than {rules.min_new_bars}" if known.unit == "bars" else ""
    return Decision(known.model, Choice.WAIT, Cause.SCHEDULE, age + enough, known.version)


def _next_ns(setback: Setback, rules: Retraining) -> int:
    """When the next fit may be tried: the wait doubles with each setback."""
    seconds = min(rules.backoff * 2.0 ** min(setback.count - 1, 60), rules.backoff_most)
    return setback.last_ns + int(SLACK * seconds * SECOND_NS)


def _counted(known: Known) -> str:
    if known.unit != "bars":
        return f"new {known.unit}"
    return "1 bar" if known.new == 1 else f"{known.new} bars"


def _days(ns: int) -> str:
    return f"{ns / DAY_NS:.1f} days"
