"""The manual's chapter of denoising quality, made of measured tables; nothing in it depends on the machine."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tests.quality.contestants import EBAYES, SKIMAGE
from tests.quality.leak import Earned
from tests.quality.measure import CAUSAL_FROM, EXACT, Scores, ratio
from tests.quality.random_cases import TOLERANCE, Outcome, worse
from tests.quality.signals import CASES

TEXTBOOK = tuple(CASES)[:8]
FINANCIAL = tuple(CASES)[8:]

_PAGE = """\
# How good the denoising is

`make quality-denoise` measured these tables and wrote this page; whoever runs it again on the same seeds gets the same figures.
The formulas are in [methods](methods.md).

- Date {date}, {seeds} draws a case from seed block {block}, {cases} random cases from seed {case_seed}.
- A figure is the mean squared error as a share of that of doing nothing (1), ± its standard error; the best of a column is **bold**.
- `auto` is the answer of a plain request, guardrails and back-off included. The methods are shown by themselves, without guardrails.
- Peers are installed for the measurement only and see the same draws: scikit-image, statsmodels, and an EbayesThresh-style estimate
  (Laplace prior, weights by maximum likelihood, posterior median, stationary wavelets), written from Johnstone and Silverman (2005),
  Ann. Statist. 33, 1700–1752.

## In hindsight: textbook signals

Donoho and Johnstone (1994), n = 2048, signal-to-noise ratio 3 or 7. The last columns are geometric means of the ratio over the eight.

{textbook}
## In hindsight: financial simulations

n = 4096, on the log price: a walk under noise of twice its step; a quiet walk with a dozen jumps; stochastic volatility of step and
noise; trades at bid or ask on a grid of cents; sixteen drifts.

{financial}
## In hindsight: what markets do besides

n = 4096. Student noise of three degrees of freedom; fractional noise that lingers (d = 0.2) or turns back (d = −0.2), which is not the
model's; one tick in ten missing; eight sessions of irregular ticks with overnight moves; a price in whole ticks.

{further}
## Causal

Error from sample {causal_from} on. On GBM theory allows a causal filter no less than .390 and a smoother no less than .2425: with both
variances known, statsmodels' filter has {filtered} and its smoother {smoothed} in this harness.

{causal}
Share of the truth, in percent, that lies within x̂ ± 1.96 claimed deviations:

{coverage}
## Never worse than doing nothing?

Random family of signals, length 64 to 8192, signal-to-noise ratio 0.1 to 30, kind of noise, unit and level. Worse is an error above
{worse:g} times that of doing nothing; strictly, above it at all. Where the signal is as rough as noise, or the noise remembers, nobody
who sees the series alone can tell them apart.

{random}
## Does it see the future?

Holding the sign of the last step of x̂ over the next step of a pure random walk, 252 steps a year. Whoever sees nothing of the future
earns nothing; what looks ahead seems to earn, and a backtest on it is worthless. A method that waits is held to when its value is known.

{leaks}
## Bars

{bars}"""


@dataclass(frozen=True, slots=True)
class Found:
    """All that was measured. Bars: (name, value, op, bound, holds)."""

    date: str
    seeds: int
    block: int
    case_seed: int
    hindsight: dict[str, Scores]
    further: dict[str, Scores]
    causal: dict[str, Scores]
    exact: Scores
    random: dict[str, list[Outcome]]
    leaks: dict[str, tuple[str, Earned]]
    bars: list[tuple[str, float, str, float, bool]] = field(default_factory=list)


def number(value: float) -> str:
    """Three decimals without the leading zero, as the literature writes shares."""
    text = f"{value:.3f}" if value < 10.0 else f"{value:.1f}"
    return text[1:] if text.startswith("0.") else text


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of the manual."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def errors(scores: dict[str, Scores], more: Sequence[tuple[str, str]] = ()) -> str:
    """Contestants down, cases across, and geometric-mean ratios to the peers of `more`: (heading, peer)."""
    names = next(iter(scores.values())).labels
    best = {case: min(s.mean(name)[0] for name in names) for case, s in scores.items()}
    rows = []
    for name in names:
        cells = [name]
        for case, s in scores.items():
            mean, error = s.mean(name)
            shown = f"**{number(mean)}**" if mean == best[case] else number(mean)
            cells.append(f"{shown} ± {number(error)}")
        rows.append([*cells, *(" ± ".join(number(v) for v in ratio(scores, name, peer)) for _, peer in more)])
    return table(["method", *scores, *(heading for heading, _ in more)], rows)


def coverage(scores: dict[str, Scores]) -> str:
    """How much of the truth the claimed 95 % band holds, of the contestants that claim one."""
    rows = []
    for name in next(iter(scores.values())).labels:
        shares = [s.covered(name) for s in scores.values()]
        if not all(math.isnan(mean) for mean, _ in shares):
            rows.append([name, *("–" if math.isnan(m) else f"{100.0 * m:.1f} ± {100.0 * e:.1f}" for m, e in shares)])
    return table(["method", *scores], rows)


def random_cases(found: dict[str, list[Outcome]]) -> str:
    """Counts of each population, and the worst cases of the first."""
    counts = []
    for population, outcomes in found.items():
        default, classic = [o.default for o in outcomes], [o.classic for o in outcomes]
        shown = (len(outcomes), worse(default), worse(default, 0.0), worse(classic))
        counts.append([population, *map(str, shown), number(max(default)), number(sum(default) / len(default))])
    head = ["population", "cases", "`auto` worse", "strictly", "classic default worse", "worst of `auto`", "mean of `auto`"]
    first = next(iter(found.values()))
    worst = [[str(o.number), number(o.default), o.action, o.words] for o in sorted(first, key=lambda o: -o.default)[:5]]
    return (
        table(head, counts) + "\nThe five largest errors of the first population:\n\n" + table(["case", "error", "action", "drawn"], worst)
    )


def leaks(found: dict[str, tuple[str, Earned]]) -> str:
    """Sharpe ratios on random walks."""
    rows = [
        [name, claim, f"{e.sharpe:+.2f} ± {e.error:.2f}", "earns what nobody can earn" if e.leaks else "nothing"]
        for name, (claim, e) in found.items()
    ]
    return table(["method", "claims", "annual Sharpe ratio", "which is"], rows)


def bars(found: Sequence[tuple[str, float, str, float, bool]]) -> str:
    """What was to be reached, and whether it was."""
    rows = [
        [f"`{name}`", f"{value:.4g}", f"{op} {bound:.4g}", "ok" if holds else "**falls short**"] for name, value, op, bound, holds in found
    ]
    return table(["bar", "value", "bound", ""], rows)


def render(found: Found) -> str:
    """The chapter."""
    ratios = [("to scikit-image", SKIMAGE), ("to EbayesThresh", EBAYES)]
    filtered, smoothed = (" ± ".join(number(v) for v in found.exact.mean(name)) for name in EXACT)
    return _PAGE.format(
        date=found.date, seeds=found.seeds, block=found.block, case_seed=found.case_seed, cases=len(next(iter(found.random.values()))),
        textbook=errors({case: found.hindsight[case] for case in TEXTBOOK}, ratios),
        financial=errors({case: found.hindsight[case] for case in FINANCIAL}, ratios),
        further=errors(found.further), causal_from=CAUSAL_FROM, filtered=filtered, smoothed=smoothed, causal=errors(found.causal),
        coverage=coverage(found.causal), worse=1.0 + TOLERANCE, random=random_cases(found.random), leaks=leaks(found.leaks),
        bars=bars(found.bars),
    )  # fmt: skip
