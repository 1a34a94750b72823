"""Measure the regime models against truth, peers and baselines, print the bars and write the manual's chapter: `make quality-regimes`.

The exit is 0 whenever everything ran: a bar that falls short is a finding to read. Needs the environment of `make peers`.
"""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from tests.bench.harness import bar
from tests.quality import regime_auto as auto
from tests.quality import regime_leak as leak
from tests.quality import regime_measure as measure
from tests.quality import regime_series as series
from tests.quality.regime_contestants import BASELINE, DEFAULT, ORACLE, STATSMODELS, known, ours
from tests.quality.regime_kept import peers_of
from tests.quality.regime_measure import Task
from tests.quality.regime_peers import Decoded
from tests.quality.regimes_chapter import Found, render
from tests.quality.scenarios import HEAVY, IDENTIFIABLE, SCENARIOS

CHAPTER = Path(__file__).resolve().parents[2] / "rpsd" / "manual" / "regimes_quality.md"
BLOCK = 64_000  # fresh: nothing was tuned on its draws
PEERS = {
    "hmmlearn_raw": "hmmlearn, n_iter=500, raw returns",
    "hmmlearn_percent": "hmmlearn, n_iter=500, percent",
    "hmmlearn_best_of_10": "hmmlearn, the best of 10, percent",
    "statsmodels": STATSMODELS,
    "jumpmodels": "jumpmodels, mean and volatility",
    "baseline": BASELINE,
}


def note(found: Found, name: str, value: float, op: str, bound: float) -> None:
    """Print a bar and keep it for the chapter."""
    found.bars.append((name, value, op, bound, bar(name, value, op, bound)))


def compare(found: Found) -> None:
    """The bars of accuracy, those of the harness itself, and flicker."""
    mean = measure.over_all(found.scores, DEFAULT, "filtered")[0]
    note(found, "filtered_accuracy", mean, ">=", 0.755)
    oracle = measure.over_all(found.scores, ORACLE, "filtered")[0]
    note(found, "harness_oracle_known_figure", abs(oracle - 0.794), "<=", 0.015)
    note(found, "harness_nobody_above_the_oracle", mean - oracle, "<=", 0.0)
    for name, peer in PEERS.items():
        note(found, f"filtered_above_{name}", mean - measure.over_all(found.scores, peer, "filtered")[0], ">", 0.0)
    for case in HEAVY:
        note(found, f"flicker_in_hindsight_{case}", measure.flicker(found.scores[case], DEFAULT, "changes_smoothed")[0], "<=", 1.3)
        filtered = measure.flicker(found.scores[case], DEFAULT)[0] / measure.flicker(found.scores[case], ORACLE)[0]
        note(found, f"flicker_filtered_to_oracle_{case}", filtered, "<=", 1.3)


def compare_auto(found: Found, answers: dict[str, auto.Answered]) -> None:
    """The bars of auto."""
    for control in ("iid gaussian", "iid t4"):
        note(found, f"auto_one_{control.replace(' ', '_')}", answers[control].hits, ">=", 0.95)
    note(found, "auto_true_number", float(np.mean([answers[case].hits for case in IDENTIFIABLE])), ">=", 0.75)
    note(found, "auto_garch_doubtful", answers["garch"].doubts, ">=", 0.70)


def compare_series(found: Found) -> None:
    """The bars of real series and of leaks."""
    production = next(shares for label, shares in found.refits if label == series.PRODUCTION)
    note(found, "relabelled_refits", found.fits, ">=", 90)
    note(found, "relabelled_filtered", production["filtered"], "<=", 0.04)
    note(found, "relabelled_most_likely", production["most likely"], "<=", 0.04)
    for label, (_, filtered, likely) in list(found.cadences.items())[1:]:
        note(found, f"relabelled_{'daily' if 'every bar' in label else 'monthly'}", max(filtered, likely), "<=", 0.04)
    note(found, "names_fits_all_distinct", series.distinct(found.names), ">=", 9)
    honest = [found.leaks[way] for way, claim in leak.CLAIMS.items() if claim == "causal"]
    note(found, "leak_most_standard_errors", max(abs(e.sharpe) / e.error for e in honest), "<=", leak.SURE)
    note(found, "leak_control_smoothed", found.leaks["`smoothed`"].sharpe, ">=", 1.0)


def score(task: Task) -> dict[str, list[float]]:
    """The figures of everybody on one draw, the truth itself among them, in the order of the tables."""
    drawn, scenario = task.drawn(), SCENARIOS[task.case]
    answers = {measure.TRUTH: Decoded(drawn.s, drawn.s), **known(drawn, scenario), **ours(drawn, scenario)}
    return {label: measure.judged(drawn, decoded, scenario.k) for label, decoded in answers.items()} | peers_of(task)


def measured(options: argparse.Namespace) -> Found:
    """Everything, one table after another."""
    scores = measure.gathered(score, tuple(SCENARIOS), options.block, options.seeds, options.workers)
    answers = auto.run(options.block, options.replications, options.workers)
    x = series.sp500()
    parts = series.windows(x, series.WINDOW, series.EVERY)
    refits = [*series.our_refits(parts), *series.their_refits(parts)]
    ways = [(r.label, {path: r.relabelled(path, series.EVERY) for path in r.paths[0]}) for r in refits]
    found = Found(
        date=f"{datetime.now(UTC):%Y-%m-%d}", seeds=options.seeds, block=options.block, scores=scores, auto=auto.rendered(answers),
        refits=ways, fits=len(parts), cadences=series.cadences(), names=series.names(),
        leaks=leak.earned(options.block, options.series, options.workers), series=options.series,
    )  # fmt: skip
    compare(found)
    compare_auto(found, answers)
    compare_series(found)
    return found


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="draws of each scenario")
    parser.add_argument("--block", type=int, default=BLOCK, help="seed block of the draws")
    parser.add_argument("--replications", type=int, default=40, help="draws of each case for auto")
    parser.add_argument("--series", type=int, default=200, help="series of the leak test")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--out", type=Path, default=CHAPTER, help="where the chapter is written")
    options = parser.parse_args()
    found = measured(options)
    chapter = render(found)
    print(chapter)
    options.out.write_text(chapter, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
