"""Measure the denoisers against peers, theory and doing nothing, print the bars and write the manual's chapter: `make quality-denoise`.

The exit is 0 whenever everything ran: a bar that falls short is a finding to read. Needs the environment of `make peers`.
"""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from rpsd.denoise import METHODS
from tests.bench.harness import bar
from tests.quality import leak, measure, peers
from tests.quality.chapter import FINANCIAL, TEXTBOOK, Found, render
from tests.quality.contestants import AUTO, EBAYES, MIX, SKIMAGE
from tests.quality.further import FURTHER
from tests.quality.random_cases import MODEL, POPULATIONS, run, worse
from tests.quality.signals import CASES

CHAPTER = Path(__file__).resolve().parents[2] / "rpsd" / "manual" / "denoising_quality.md"
BLOCK = 52_000  # fresh: no method was tuned on its draws
CASE_SEED = 47_000  # fresh as well; to look at cases one by one, random_cases takes another
BOUND, SMOOTHED = 0.390388, 0.242536  # of a walk under noise of twice its step: K of q = 1/4, and q / sqrt(q^2 + 4 q)
ONLINE = {"GBM": 0.41, "jump": 0.12, "stochastic volatility": 0.48, "Roll + tick": 0.31}


def earned(walks: int) -> dict[str, tuple[str, leak.Earned]]:
    """What every method earns on the same random walks, by its claim."""
    series = leak.walks(walks, 1000, seed=7)
    found = {f"{AUTO} causal": ("causal", leak.earned(leak.through_the_door(None), series))}
    for method in METHODS:
        delay = leak.delay_of(method)
        claim = "causal" if method.causal else f"waits {delay}" if delay else "looks ahead"
        found[f"`{method.name}`"] = (claim, leak.earned(leak.through_the_door(method), series, delay))
    found[SKIMAGE] = ("looks ahead", leak.earned(peers.skimage_bayes, series))
    found[EBAYES] = ("looks ahead", leak.earned(peers.ebayes_thresh, series))
    for method in filter(leak.delay_of, METHODS):  # the control: as if nobody had waited
        found[f"`{method.name}`, used too early"] = ("looks ahead", leak.earned(leak.through_the_door(method), series))
    return found


def compare(found: Found) -> None:
    """The bars of hindsight."""
    textbook, financial = ({case: found.hindsight[case] for case in cases} for cases in (TEXTBOOK, FINANCIAL))
    for name, scores, label, peer, most in (
        ("textbook_ti_bayes_vs_skimage", textbook, MIX, SKIMAGE, 0.37),
        ("textbook_ti_bayes_vs_ebayes", textbook, MIX, EBAYES, 0.78),
        ("financial_auto_vs_skimage", financial, AUTO, SKIMAGE, 0.64),
    ):
        known = label in next(iter(scores.values())).labels
        note(found, name, measure.ratio(scores, label, peer)[0] if known else float("nan"), "<=", most)
    outcomes = found.random[MODEL]
    note(found, "random_auto_worse_than_nothing", worse([o.default for o in outcomes]), "<=", 0)
    note(found, "random_classic_worse_than_nothing", worse([o.classic for o in outcomes]), ">", 0)


def compare_causal(found: Found) -> None:
    """The bars of causal answers, and those of theory, which only a broken harness misses."""
    label = f"{AUTO} causal"
    for case, most in ONLINE.items():
        note(found, f"causal_auto_{case.split()[0].lower()}", found.causal[case].mean(label)[0], "<=", most)
    for case, scores in found.causal.items():
        share = scores.covered(label)[0]
        note(found, f"causal_band_{case.split()[0].lower()}_least", share, ">=", 0.92)
        note(found, f"causal_band_{case.split()[0].lower()}_most", share, "<=", 0.98)
    for name, theory in zip(measure.EXACT, (BOUND, SMOOTHED), strict=True):
        mean, error = found.exact.mean(name)
        note(found, f"theory_{name.split()[1]}_standard_errors", abs(mean - theory) / error, "<=", 3.0)
    waiting = tuple(f"`{m.name}`" for m in METHODS if m.delay is not None)
    lowest = min(found.causal["GBM"].mean(name)[0] for name in found.causal["GBM"].labels if not name.startswith(waiting))
    note(found, "theory_no_causal_below_the_exact_filter", lowest / found.exact.mean(measure.EXACT[0])[0], ">=", 0.995)
    honest = [e for claim, e in found.leaks.values() if claim != "looks ahead"]
    note(found, "leak_most_standard_errors", max(abs(e.sharpe) / e.error for e in honest), "<=", leak.SURE)
    for name in ("`wavelet`", SKIMAGE):
        note(found, f"leak_control_{name.strip('`').split()[0]}", found.leaks[name][1].sharpe, ">=", 4.0)


def note(found: Found, name: str, value: float, op: str, bound: float) -> None:
    """Print a bar and keep it for the chapter."""
    found.bars.append((name, value, op, bound, bar(name, value, op, bound)))


def measured(options: argparse.Namespace) -> Found:
    """Everything, one table after another."""
    shared = (options.block, options.seeds, options.workers)
    counts = {name: options.cases if name == MODEL else options.cases // 5 for name in POPULATIONS}
    found = Found(
        date=f"{datetime.now(UTC):%Y-%m-%d}", seeds=options.seeds, block=options.block, case_seed=options.case_seed,
        hindsight=measure.run("hindsight", tuple(CASES), *shared), further=measure.run("hindsight", tuple(FURTHER), *shared),
        causal=measure.run("causal", measure.CAUSAL_CASES, *shared), exact=measure.bounds(*shared),
        random={name: run(count, options.case_seed, options.workers, name) for name, count in counts.items()},
        leaks=earned(options.walks),
    )  # fmt: skip
    compare(found)
    compare_causal(found)
    return found


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=50, help="draws of each case")
    parser.add_argument("--block", type=int, default=BLOCK, help="seed block of the draws")
    parser.add_argument("--cases", type=int, default=1000, help="random cases under the bar; a fifth of it without")
    parser.add_argument("--case-seed", type=int, default=CASE_SEED, help="seed of the random cases")
    parser.add_argument("--walks", type=int, default=400, help="random walks of the leak test")
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
