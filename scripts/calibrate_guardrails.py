"""How often the calibrated guardrails refuse the exact truth: python -m scripts.calibrate_guardrails [--draws 80] [--seed 20000].

x̂ = truth is handed to the guardrails as if a method had found it; its divergence is 0. The bar is at most 1 % of the draws.
"""

import argparse
import sys
from collections import Counter

import numpy as np

from rpsd.denoise import guardrail, noise, spectrum
from tests.bench.harness import bar
from tests.quality.signals import CASES


def refusals(draws: int, seed: int) -> tuple[dict[str, Counter[str]], int]:
    """For each test signal how often each guardrail refused the truth, and the number of draws with any refusal."""
    counts: dict[str, Counter[str]] = {}
    refused = 0
    for case, (name, draw) in enumerate(CASES.items()):
        counts[name] = Counter()
        for number in range(draws):
            truth, observed = draw(np.random.default_rng((seed, case, number)))
            starts = np.array([0, observed.size])
            found = noise.estimate(observed, starts)
            powers = spectrum.powers(spectrum.frames(observed, found.at, starts, varies=found.varies), truth)
            failed = guardrail.judge(observed, truth, found, starts, divergence=0.0, powers=powers).failed
            counts[name].update(failed)
            refused += bool(failed)
    return counts, refused


def main() -> int:
    """Print the table and the bar; 1 when the bar falls short."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=80)
    parser.add_argument("--seed", type=int, default=20000)
    options = parser.parse_args()
    counts, refused = refusals(options.draws, options.seed)
    for name, failed in counts.items():
        print(f"{name:24s} {dict(failed) or 'none refused'}")
    total = options.draws * len(CASES)
    print(f"{refused} of {total} truths refused")
    return 0 if bar("guardrails_refuse_truth", refused / total, "<=", 0.01) else 1


if __name__ == "__main__":
    sys.exit(main())
