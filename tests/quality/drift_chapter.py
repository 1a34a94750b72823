"""The manual's chapter of drift quality, made of measured tables; nothing in it depends on the machine."""

from dataclasses import dataclass

import numpy as np

from tests.quality.chapter import bars, table
from tests.quality.drift_cases import EFFECTS, FEATURES, REFERENCE, WINDOWS

_PAGE = """\
# How good the drift scan is

`make quality-drift` measured these tables and wrote this page; whoever runs it again on the same seeds gets the same figures.
How a scan decides is in [drift](drift.md).

- Date {date}, {scans} scans of each case and window, {features} features each ({view} in the default view), against {reference} values.
- Configured `drift.false_alarm_rate`: {rate:.0%} of the scans.

## Where nothing drifts

Share of the scans in which anything at all is significant, in one window. An alarm needs two windows in a row and is rarer still. The
standard error at 1 % of {scans} scans is {error:.1%}.

{quiet}
## What the textbook numbers would cry

The same values without drift: the share of single features whose stability index passes .1, and of those whose Kolmogorov-Smirnov
distance passes the critical value of 1 % for independent values. A scan of twenty features has twenty such chances. Both are shown in
every report, and neither decides.

{textbook}
## What is seen

Share of {draws} draws in which a change planted into one of twenty features is significant, the others being quiet; the values are
independent and normal, and the change goes through the whole window. Autocorrelated values tell less: a window is worth the number of
independent values that the report names as `effective`.

{seen}
The skewed window keeps mean and deviation, that of wild values mean and median. A few wild values among many of the usual kind are what
this scan sees worst.

## What it costs not to know how a feature moves

The same draws, by the test that is told what it looks for and that the values are independent and normal: Student's of means, Fisher's of
variances, at the same level. The scan is told neither. It allows a step to come of the feature's own slow movement, which in features of
markets it mostly does, and so sees half a deviation in 250 values about as often as that test in 50 to 100, and a doubled deviation in 250
less surely than that test in 50.

{best}
## Bars

{bars}"""


@dataclass(frozen=True, slots=True)
class Alarms:
    """Shares without drift: scans with anything significant, features whose stability index passes .1, and whose distance passes 1 %."""

    scans: float
    index: float
    distance: float


@dataclass(frozen=True, slots=True)
class Found:
    """All that was measured: alarms by case and window, shares seen by change and (effect, window), and by the best test."""

    date: str
    scans: int
    draws: int
    rate: float
    quiet: dict[str, dict[int, Alarms]]
    seen: dict[str, dict[tuple[float, int], float]]
    best: dict[str, dict[tuple[float, int], float]]


def percent(share: float) -> str:
    """One decimal.

    >>> percent(0.0123)
    '1.2 %'
    """
    return f"{100.0 * share:.1f} %"


def limit(found: Found) -> float:
    """The rate, and two standard errors of its measurement above it."""
    return found.rate + 2.0 * float(np.sqrt(found.rate * (1.0 - found.rate) / found.scans))


def held(found: Found) -> list[tuple[str, float, str, float, bool]]:
    """The mean over all cases stays below the rate, each case below what its measurement can tell, and plain changes are seen."""
    every = [one.scans for case in found.quiet.values() for one in case.values()]
    mean, worst = float(np.mean(every)), max(every)
    moved = found.seen["mean + e"]
    return [
        ("false_alarms_mean", mean, "<=", found.rate, mean <= found.rate),
        ("false_alarms_worst_case", worst, "<=", limit(found), worst <= limit(found)),
        ("seen_mean_1_of_50", moved[1.0, 50], ">=", 0.8, moved[1.0, 50] >= 0.8),
        ("seen_mean_half_of_250", moved[0.5, 250], ">=", 0.5, moved[0.5, 250] >= 0.5),
    ]


def shares(found: dict[str, dict[tuple[float, int], float]]) -> str:
    """The table of changes, windows and effects."""
    rows = [[change, f"{m}", *(percent(seen[effect, m]) for effect in EFFECTS)] for change, seen in found.items() for m in WINDOWS]
    return table(["change", "values", *(f"e = {effect:g}" for effect in EFFECTS)], rows)


def render(found: Found) -> str:
    """The chapter."""
    windows = [f"{m} values" for m in WINDOWS]
    quiet = [[name, *(percent(case[m].scans) for m in WINDOWS)] for name, case in found.quiet.items()]
    cried = [
        [name, *(percent(case[m].index) for m in WINDOWS), *(percent(case[m].distance) for m in WINDOWS)]
        for name, case in found.quiet.items()
    ]
    return _PAGE.format(
        date=found.date,
        scans=found.scans,
        draws=found.draws,
        features=FEATURES,
        view=21,
        reference=REFERENCE,
        rate=found.rate,
        error=float(np.sqrt(found.rate * (1.0 - found.rate) / found.scans)),
        quiet=table(["without drift", *windows], quiet),
        textbook=table(["without drift", *(f"index, {m}" for m in windows), *(f"distance, {m}" for m in windows)], cried),
        seen=shares(found.seen),
        best=shares(found.best),
        bars=bars(held(found)),
    )
