"""How often the watch takes back a version as good as its predecessor, and how soon one that is worse: for the retraining chapter."""

import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from rpsd.config import read
from rpsd.core.market import Vector
from rpsd.core.model import Packet
from rpsd.core.parameters import HmmParameters
from rpsd.drift.score import diff_test
from rpsd.regime import hmm
from rpsd.services.retraining.watch import is_ahead
from rpsd.store.score import Row, Scores
from tests.quality.chapter import table
from tests.quality.drift_cases import garch

BLOCK: Final = 901
TRAINED, LIVED = 720, 252
"""Bars that the version in production has seen, and bars on which it is then watched: a year."""
OLDER: Final = (20, 120)
"""Bars by which the training of the predecessor ended earlier."""
_MONTH: Final = 21
_PARAMS: Final = HmmParameters(k=2)

Draw = Callable[[np.random.Generator], Vector]


def two_moods(rng: np.random.Generator) -> Vector:
    """Returns in percent (TRAINED + LIVED,) of a calm and a wild mood: a world that the model can describe."""
    wild, x = False, np.empty(TRAINED + LIVED)
    for t in range(x.size):
        wild ^= bool(rng.random() > (0.97 if wild else 0.985))
        x[t] = rng.normal(*((-0.12, 2.0) if wild else (0.08, 0.7)))
    return x


WORLDS: Final[dict[str, Draw]] = {
    "two moods": two_moods,
    "GARCH": lambda rng: np.ascontiguousarray(100.0 * garch(rng, 300 + TRAINED + LIVED, 1)[300:, 0]),
}
WORSE: Final[dict[str, tuple[str, float, float]]] = {
    "returns foretold .5 percent too high": ("location", 1.0, 0.5),
    "deviations foretold 1.3 times too wide": ("dispersion", 1.3**2, 0.0),
    "deviations foretold 1.6 times too wide": ("dispersion", 1.6**2, 0.0),
    "deviations foretold .6 times too narrow": ("dispersion", 0.6**2, 0.0),
}


def lived(state: Packet, x: Vector) -> Vector:
    """Log predictive densities (LIVED,) of the bars since."""
    return hmm.filter_from(state, state.arrays["startprob"], np.ascontiguousarray(x[:, None]))[1][TRAINED:]


def taken_back(before: Vector, serving: Vector) -> int | None:
    """After how many bars the version is taken back, looked at after each bar as the watch does; None when it never is."""
    rules = read(None, {}, {}).models.watch
    leads = np.cumsum(before - serving)
    for n in range(rules.min_bars, before.size + 1):
        if leads[n - 1] < math.log(1.0 / rules.level):
            continue
        facts = {"scored": n, "lead": leads[n - 1] / n, "p": diff_test(before[:n], serving[:n]).p}
        if is_ahead(Row(1, "predecessor", facts, 0, Scores.none()), rules.level):
            return n
    return None


def fitted(xs: Sequence[Vector], warms: Sequence[Packet] | None = None) -> list[Packet]:
    return [one for one in hmm.fit_many(xs, _PARAMS, seed=1, warms=warms) if isinstance(one, Packet)]


def by_chance(world: str, series: int) -> list[list[str]]:
    """Rows of the first table: both versions are fits of one world, the predecessor to a window that ended earlier."""
    xs, rows = drawn(world, series), []
    for older in OLDER:
        old = fitted([x[: TRAINED - older] for x in xs])
        new = fitted([x[older:TRAINED] for x in xs], old)
        found = [taken_back(lived(a, x), lived(b, x)) for a, b, x in zip(old, new, xs, strict=True)]
        back, months = sum(one is not None for one in found), series * LIVED // _MONTH
        rows.append([world, f"{older}", f"{months}", f"{back}", f"{100.0 * back / months:.2f} %"])
    return rows


def deserved(world: str, series: int) -> list[list[str]]:
    """Rows of the second table: a fit that was spoiled serves in place of the fit itself."""
    xs, rows = drawn(world, series), []
    good = fitted([x[:TRAINED] for x in xs])
    for name, (array, factor, more) in WORSE.items():
        spoiled = [Packet(one.head, {**one.arrays, array: one.arrays[array] * factor + more}) for one in good]
        found = [taken_back(lived(a, x), lived(b, x)) for a, b, x in zip(good, spoiled, xs, strict=True)]
        caught = [one for one in found if one is not None]
        delay = float(np.median([LIVED + 1 if one is None else one for one in found]))
        rows.append([world, name, f"{100.0 * len(caught) / series:.0f} %", "–" if delay > LIVED else f"{delay:.0f}"])
    return rows


def drawn(world: str, series: int) -> list[Vector]:
    return [WORLDS[world](np.random.default_rng([BLOCK, i])) for i in range(series)]


_PAGE = """
## Rollbacks by chance

Versions of {series} series of each world, watched for a year after each bar by the rule of the watch with its default settings: a
version and a predecessor that are equally good, as far as fits to {fit} bars can be: warm refits of one world, in which nothing changes. A
world of two moods is one that the models can describe; GARCH with heavy tails is not, and there one fit may be the better by luck for long.

{chance}
## Rollbacks that are due

A fit against the same fit spoiled, which serves: the share taken back within the year, and the bars until half of them were.

{due}"""


def section(series: int) -> str:
    """The section of the chapter."""
    chance = table(
        ["world", "bars older", "months", "taken back", "a month"], [row for world in WORLDS for row in by_chance(world, series)]
    )
    due = table(
        ["world", "what serves", "taken back", "bars until half were"], [row for world in WORLDS for row in deserved(world, series)]
    )
    return _PAGE.format(series=series, fit=TRAINED - OLDER[0], chance=chance, due=due)
