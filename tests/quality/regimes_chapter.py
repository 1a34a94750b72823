"""The manual's chapter of regime quality, made of measured tables; nothing in it depends on the machine."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.quality import regime_measure as measure
from tests.quality.chapter import bars, number, table
from tests.quality.regime_contestants import ORACLE, REFIT_EVERY, WALK
from tests.quality.regime_leak import CLAIMS, Earned
from tests.quality.regime_measure import TRUTH, Scores
from tests.quality.regime_peers import PENALTY, TUNED
from tests.quality.regime_series import EVERY, WINDOW, NamedState
from tests.quality.scenarios import HEAVY, SCENARIOS, TEST, TRAIN

_PAGE = """\
# How good the regimes are

`make quality-regimes` measured these tables and wrote this page; whoever runs it again on the same seeds gets the same figures.
The formulas are in [regimes](regimes.md).

- Date {date}, {seeds} draws a scenario from seed block {block}.
- A figure is a mean over the draws ± its standard error; the best of a column, bounds apart, is **bold**.
- Every model is fitted on {train} simulated bars and judged on the {test} after them, with parameters that never saw these. Which of its
  numbers stands for which true state is settled on the fitted bars alone.
- Peers are installed for the measurement only and see the same draws, and like ours they are told the number of states. hmmlearn has
  no filter: the textbook one is run with its parameters. A model that refuses, or whose parameters are no numbers, answers one state.

The scenarios, percent a bar:

{scenarios}
S1 is the plain one; S2 changes often; S3 and S7 have Student noise of four degrees of freedom; S4 differs in variance alone, S5 in mean
alone; S6, S7 and S8 resemble what is found in stock indices.

## Unseen bars, filtered

Balanced accuracy: the mean over the true states of the share of their bars that was recognised, by what was known at each bar. Who
always says the same has one over the number of states: .333, and .500 in S6 and S7, .250 in S8. The oracle knows the true parameters; no
other can be expected to pass it. `walk_forward` goes on learning: it is refitted every {refit} bars.

{filtered}
The jumpmodels package has two lines: as its authors use it (Shu, Yu, Mulvey 2024: downside deviation and Sortino ratios, a penalty of
{penalty:g}), and tuned to the scenarios, with weighted mean and volatility and a penalty of {tuned:g}, the best of five on other draws.

## The same bars in hindsight

Smoothing knows the bars that follow. The last column is what that adds to the mean over the scenarios: accuracy that nobody had at the
time. A backtest on smoothed regimes trades on it.

{smoothed}
## Flicker

Changes of state over the unseen bars as a multiple of the true ones, where noise has heavy tails. The bar, 1.3 times the truth, is one
for the states in hindsight. No filter can reach it, for it cannot wait and see: the oracle's own changes state several times as often as
the truth, and so a filter is held to 1.3 times the oracle's.

{flicker}
## How many regimes there are

{auto}
## Do labels survive a refit?

S&P 500, 1999 to 2018, daily, three states. {fits} fits of windows of {window} bars, each {every} bars after the one before: the share of
the days common to two successive windows that the later fit labels otherwise than the earlier one. hmmlearn starts at random.

{relabelled}
What moves labels is the window: when a crash leaves it, three states are found among quieter days. As production refits, warm, with fresh
starts once a month that win by a likelihood higher by two nats, and matched, by how often:

{cadences}
## Names on real series

Twenty years of days, 1999 to 2018. Mean and volatility are a year's. A low confidence says that the data do not tell the means apart;
the alias, which ranks volatility, then says more than the name.

{names}
## Does it see the future?

Independent normal returns without drift have no regimes and foretell nothing. Three regimes are fitted all the same, and p(Bull) − p(Bear)
is held over the next bar, 252 bars a year, {series} series. Whoever sees nothing of the future earns nothing.

{leaks}
## Bars

{bars}"""


@dataclass(frozen=True, slots=True)
class Found:
    """All that was measured. Bars: (name, value, op, bound, holds); auto: rates as (population, what, rate, its standard error, draws)."""

    date: str
    seeds: int
    block: int
    scores: dict[str, Scores]
    auto: str
    refits: list[tuple[str, dict[str, float]]]
    fits: int
    cadences: dict[str, tuple[int, float, float]]
    names: list[NamedState]
    leaks: dict[str, Earned]
    series: int
    bars: list[tuple[str, float, str, float, bool]] = field(default_factory=list)


def shown(value: tuple[float, float], bold: bool = False) -> str:
    """A figure with its standard error."""
    text = f"**{number(value[0])}**" if bold else number(value[0])
    return f"{text} ± {number(value[1])}"


def scenarios() -> str:
    """What was simulated."""
    rows = []
    for name, s in SCENARIOS.items():
        moments = (" · ".join(f"{v:g}" for v in values) for values in (s.means, s.deviations, s.stay))
        rows.append([name, *moments, "Gaussian" if s.df == float("inf") else f"Student, {s.df:g}"])
    return table(["scenario", "means", "deviations", "stay probabilities", "noise"], rows)


def lines(scores: dict[str, Scores]) -> tuple[str, ...]:
    """Contestants, the truth apart."""
    return tuple(label for label in next(iter(scores.values())).labels if label != TRUTH)


def accuracy(scores: dict[str, Scores], name: str) -> str:
    """Contestants down, scenarios across, and their mean; in hindsight also what that adds."""
    labels = [label for label in lines(scores) if name == "filtered" or label != WALK]
    contenders = [label for label in labels if label != ORACLE]
    best = {case: max(s.mean(label, name)[0] for label in contenders) for case, s in scores.items()}
    top = max(measure.over_all(scores, label, name)[0] for label in contenders)
    rows = []
    for label in labels:
        cells = [shown(s.mean(label, name), label != ORACLE and s.mean(label, name)[0] == best[case]) for case, s in scores.items()]
        whole = measure.over_all(scores, label, name)
        rows.append([label, *cells, shown(whole, label != ORACLE and whole[0] == top)])
        if name == "smoothed":
            rows[-1].append(shown(measure.inflation(scores, label)))
    return table(["model", *scores, "mean", *(["above filtered"] if name == "smoothed" else [])], rows)


def flicker(scores: dict[str, Scores]) -> str:
    """Changes against the true ones under heavy tails."""
    rows = []
    for label in lines(scores):
        cells = [shown(measure.flicker(scores[case], label)) for case in HEAVY]
        cells += ["–" if label == WALK else shown(measure.flicker(scores[case], label, "changes_smoothed")) for case in HEAVY]
        rows.append([label, *cells])
    return table(["model", *(f"{case} {way}" for way in ("filtered", "in hindsight") for case in HEAVY)], rows)


def relabelled(found: Sequence[tuple[str, dict[str, float]]]) -> str:
    """Shares of days."""
    paths = ("filtered", "most likely")
    rows = [[label, *(number(shares[path]) if path in shares else "–" for path in paths)] for label, shares in found]
    return table(["labels", "filtered path", "most likely path"], rows)


def cadences(found: dict[str, tuple[int, float, float]]) -> str:
    """Shares of days by cadence."""
    rows = [[label, str(fits), number(filtered), number(likely)] for label, (fits, filtered, likely) in found.items()]
    return table(["window and refits", "fits", "filtered path", "most likely path"], rows)


def names(found: Sequence[NamedState]) -> str:
    """States of real series."""
    rows = [
        [
            s.series,
            str(s.k),
            s.name,
            s.alias,
            number(s.confidence),
            f"{100 * s.mean:+.0f} %",
            f"{100 * s.volatility:.0f} %",
            f"{s.share:.0%}",
        ]
        for s in found
    ]
    return table(["series", "states", "name", "alias", "label confidence", "mean", "volatility", "share of days"], rows)


def leaks(found: dict[str, Earned]) -> str:
    """Sharpe ratios where there is nothing to earn."""
    rows = [
        [way, CLAIMS[way], f"{e.sharpe:+.2f} ± {e.error:.2f}", "earns what nobody can earn" if e.leaks else "nothing"]
        for way, e in found.items()
    ]
    return table(["mode", "claims", "annual Sharpe ratio", "which is"], rows)


def render(found: Found) -> str:
    """The chapter."""
    return _PAGE.format(
        date=found.date, seeds=found.seeds, block=found.block, train=TRAIN, test=TEST, scenarios=scenarios(), refit=REFIT_EVERY,
        filtered=accuracy(found.scores, "filtered"), penalty=PENALTY, tuned=TUNED, smoothed=accuracy(found.scores, "smoothed"),
        flicker=flicker(found.scores), auto=found.auto, fits=found.fits, window=WINDOW, every=EVERY, relabelled=relabelled(found.refits),
        cadences=cadences(found.cadences), names=names(found.names), series=found.series, leaks=leaks(found.leaks),
        bars=bars(found.bars),
    )  # fmt: skip
