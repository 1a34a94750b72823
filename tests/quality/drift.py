"""How often a scan cries where nothing drifts, and how much it sees where something does: `make quality-drift`."""

import argparse
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from rpsd.core.drift import Tolerance
from rpsd.core.market import Vector
from rpsd.core.result import Matrix
from rpsd.drift.scan import Case, scan
from tests.quality.drift_cases import CASES, CHANGES, EFFECTS, FEATURES, REFERENCE, TESTED, WINDOWS
from tests.quality.drift_chapter import Alarms, Found, render
from tests.quality.drift_sp500 import section

CHAPTER = Path(__file__).parents[2] / "rpsd" / "manual" / "drift_quality.md"
TOLERANCE = Tolerance()


def case_of(x: Matrix) -> Case:
    """The first REFERENCE rows against the others."""
    names = tuple(f"f{i}" for i in range(x.shape[1]))
    return Case("model", x[:REFERENCE], x[REFERENCE:], names, ("feature",) * len(names))


def textbook(n: int, m: int) -> float:
    """The Kolmogorov-Smirnov distance that independent values pass once in a hundred. Source: Smirnov (1948)."""
    return float(1.628 * np.sqrt((n + m) / (n * m)))


def alarms(name: str, m: int, scans: int) -> Alarms:
    """Of so many scans without drift."""
    cried = index = distance = features = 0
    for i in range(scans):
        rows = scan([case_of(CASES[name](np.random.default_rng([i, m]), REFERENCE + m))], TOLERANCE)[0]
        cried += any(row.significant for row in rows)
        features += len(rows)
        index += sum(row.psi > TOLERANCE.psi[0] for row in rows)
        distance += sum(row.ks > textbook(row.n_reference, row.n_current) for row in rows)
    return Alarms(cried / scans, index / features, distance / features)


def planted(change: str, effect: float, m: int, i: int) -> Matrix:
    """Draw number i: independent normal values, the change in all of the last m rows."""
    rng = np.random.default_rng([i, m, 1])
    x = rng.normal(size=(REFERENCE + m, FEATURES))
    x[REFERENCE:] = CHANGES[change](x[REFERENCE:], effect, rng)
    return x


def power(change: str, effect: float, m: int, draws: int) -> float:
    """Share of draws in which a change planted into one feature of twenty is significant by itself."""
    seen = 0
    for i in range(draws // FEATURES):
        x = planted(change, effect, m, i)
        seen += sum(row.p_value <= TOLERANCE.false_alarm_rate / FEATURES for row in scan([case_of(x)], TOLERANCE)[0])
    return seen / (draws // FEATURES * FEATURES)


def known(change: str, x: Matrix) -> Vector:
    """Two-sided p values (F,) of the best test of independent normal values: Student's of means, Fisher's of variances."""
    from scipy.special import fdtr, stdtr

    before, after = x[:REFERENCE], x[REFERENCE:]
    n, m = len(before), len(after)
    variances = before.var(axis=0, ddof=1), after.var(axis=0, ddof=1)
    if change == "mean + e":
        pooled = ((n - 1) * variances[0] + (m - 1) * variances[1]) / (n + m - 2)
        t = (after.mean(axis=0) - before.mean(axis=0)) / np.sqrt(pooled * (1.0 / n + 1.0 / m))
        return np.asarray(2.0 * stdtr(n + m - 2, -np.abs(t)))
    below = fdtr(m - 1, n - 1, variances[1] / variances[0])
    return np.asarray(2.0 * np.minimum(below, 1.0 - below))


def oracle(change: str, effect: float, m: int, draws: int) -> float:
    """As power(), of the test that is told what the change is and that values are independent and normal."""
    seen = 0
    for i in range(draws // FEATURES):
        x = planted(change, effect, m, i)
        seen += int((known(change, x) <= TOLERANCE.false_alarm_rate / FEATURES).sum())
    return seen / (draws // FEATURES * FEATURES)


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scans", type=int, default=1000, help="scans without drift of each case and window")
    parser.add_argument("--draws", type=int, default=400, help="draws of each planted change")
    parser.add_argument("--out", type=Path, default=CHAPTER, help="where the chapter is written")
    options = parser.parse_args()
    begin = time.monotonic()
    quiet: dict[str, dict[int, Alarms]] = {}
    for name in CASES:
        quiet[name] = {m: alarms(name, m, options.scans) for m in WINDOWS}
        print(f"{time.monotonic() - begin:6.0f} s  {name}: {quiet[name]}", file=sys.stderr, flush=True)
    seen = {change: {(e, m): power(change, e, m, options.draws) for e in EFFECTS for m in WINDOWS} for change in CHANGES}
    best = {change: {(e, m): oracle(change, e, m, options.draws) for e in EFFECTS for m in WINDOWS} for change in TESTED}
    chapter = (
        render(Found(f"{datetime.now(UTC):%Y-%m-%d}", options.scans, options.draws, TOLERANCE.false_alarm_rate, quiet, seen, best))
        + section()
    )
    print(chapter)
    options.out.write_text(chapter, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
