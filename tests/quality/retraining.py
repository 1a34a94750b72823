"""A simulated year of nights with planted trouble; prints the bars and writes the manual's chapter: `make quality-retraining`.

Everything is the product's own but the clock and the prices: scheduler, drift scans, fits, gate, watch, alerts. The exit is 0 whenever
everything ran: a bar that falls short is a finding to read.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from rpsd.config import read
from rpsd.core import instant
from rpsd.core.market import DAY_NS, SECOND_NS, Samples
from rpsd.core.model import Packet
from rpsd.jobs import JOBS
from rpsd.jobs.runner import Scheduler
from rpsd.regime.score import live_scores
from rpsd.services.model.service import Candidate, Verdict
from rpsd.services.wiring import Services, open_services
from rpsd.store import model as models
from tests.bench.harness import bar
from tests.quality.rollbacks import section

CHAPTER = Path(__file__).resolve().parents[2] / "rpsd" / "manual" / "retraining_quality.md"
BLOCK = 71_000  # fresh: nothing was tuned on its draws
BEFORE, YEAR = 600, 365
BEGIN_NS = instant.parse("2025-01-01")
SHIFT, FORCED, SPLIT = 160, 60, 200
"""Days of the year on which trouble is planted."""
STEADY = tuple(f"CALM{i}" for i in range(1, 7))
SYMBOLS = (*STEADY, "SHIFTS", "FORCED", "SPLITS", "STORMS")
WILDER = {"SHIFTS": 2.5, "STORMS": 5.0}
"""The factors by which series become wilder: the model's own wild mood explains a good part of the smaller one."""
HOURS = (1.1, 2.1, 3.1, 12.1)
SETTINGS = {
    "regimes.default_regime_type": "2_state",
    "regimes.retrain_interval": "120d",
    "regimes.max_model_age": "150d",
    "models.retraining.min_new_bars": 200,
}


@dataclass
class Year:
    """What happened: decisions in order, which version served when each bar closed, alerts."""

    decisions: list[dict[str, Any]] = field(default_factory=list)
    served: dict[str, list[int]] = field(default_factory=dict)
    alerts: list[dict[str, Any]] = field(default_factory=list)
    scores: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    bars: list[tuple[str, float, str, float, bool]] = field(default_factory=list)


@dataclass
class Clock:
    now_ns: int

    def __call__(self) -> int:
        return self.now_ns


def name_of(symbol: str) -> str:
    return f"regime:{symbol}:1d:2_state"


def prices(symbol: str) -> np.ndarray:
    """Prices (BEFORE + YEAR,) of two moods that change at random; after SHIFT days those of WILDER are wilder and half as steady."""
    rng = np.random.default_rng([BLOCK, SYMBOLS.index(symbol)])
    n, x, state = BEFORE + YEAR, [], 0
    for day in range(n):
        is_new = symbol in WILDER and day >= BEFORE + SHIFT
        stay = (0.96, 0.93) if is_new else (0.985, 0.97)
        state = state if rng.random() < stay[state] else 1 - state
        mean, spread = ((0.08, 0.7), (-0.12, 2.0))[state]
        x.append(rng.normal(mean, spread * (WILDER[symbol] if is_new else 1.0)))
    found = 100 * np.exp(np.cumsum(x) / 100)
    if symbol == "SPLITS":
        found[BEFORE + SPLIT :] /= 2
    return np.asarray(found)


def force(services: Services, name: str) -> None:
    """An operator puts a version into production that the gate has kept back: it expects returns 1.5 percent too high."""
    version, packet = services.model.production(name)
    arrays = dict(packet.arrays) | {"location": packet.arrays["location"] + 1.5}
    card = dict(version.card) | {"predecessor": version.version, "started": "warm"}
    kept = services.model.register(Candidate(name, Packet(packet.head, arrays), card, Verdict(False, "worse on held-out bars")), "operator")
    services.model.promote(name, kept.version, "it looked better in the meeting", "operator", force=True)


def lived(directory: Path, report: bool) -> Year:
    """The year on a database of its own."""
    year, clock = Year(served={symbol: [] for symbol in SYMBOLS}), Clock(BEGIN_NS)
    all_prices = {symbol: prices(symbol) for symbol in SYMBOLS}
    settings = read(None, {}, {"storage.data_dir": str(directory / "data"), "storage.min_free_bytes": "1MiB", **SETTINGS})
    with open_services(settings, clock=clock, worker=False) as services:
        t = BEGIN_NS + np.arange(-BEFORE, YEAR, dtype=np.int64) * DAY_NS
        for symbol, values in all_prices.items():
            services.series.append(symbol, "1d", Samples(t[:BEFORE], {"close": values[:BEFORE]}))
        scheduler = Scheduler(services, tuple(job for job in JOBS if job.name in ("retrain", "watch", "drift_scan")))
        for day in range(YEAR):
            nightly(scheduler, clock, BEGIN_NS + day * DAY_NS)
            if day == FORCED:
                force(services, name_of("FORCED"))
            for symbol, values in all_prices.items():
                year.served[symbol].append(services.model.production(name_of(symbol))[0].version)
                part = slice(BEFORE + day, BEFORE + day + 1)
                services.series.append(symbol, "1d", Samples(t[part], {"close": values[part]}))
            if report and day % 30 == 0:
                print(f"day {day}", file=sys.stderr, flush=True)
        scheduler.stop()
        told(services, year, all_prices, t)
    return year


def nightly(scheduler: Scheduler, clock: Clock, midnight_ns: int) -> None:
    """The beats of a day; each job ends before the next beat."""
    for hour in HOURS:
        clock.now_ns = midnight_ns + int(hour * 3600) * SECOND_NS
        while scheduler.tick(clock.now_ns):
            for running in scheduler._present():
                running.thread.join()


def told(services: Services, year: Year, all_prices: dict[str, np.ndarray], t: np.ndarray) -> None:
    """Collect decisions and alerts, and score each bar of the year by what served, and by the first version of all."""
    after = None
    while True:
        found, after = services.retraining.page(after, 1000)
        year.decisions += found
        if after is None:
            break
    year.decisions.reverse()
    year.alerts = services.alert.page(None, 1000)[0]
    for symbol, values in all_prices.items():
        name, by = name_of(symbol), np.array(year.served[symbol])
        rows = {version: np.full(YEAR, np.nan) for version in {1, *by.tolist()}}
        for version, row in rows.items():
            packet = services.database.read(lambda c, n=name, v=version: models.packet(c, n, v))
            times, scores = live_scores(packet, t, values, {})
            row[np.searchsorted(t[BEFORE:], times)] = scores
        year.scores[symbol] = {"served": np.array([rows[v][i] for i, v in enumerate(by.tolist())]), "first": rows[1]}


def of(year: Year, symbol: str, *choices: str) -> list[dict[str, Any]]:
    return [one for one in year.decisions if one["model"] == name_of(symbol) and one["decision"] in choices]


def day_of(decision: dict[str, Any]) -> int:
    return int((instant.parse(decision["at"]) - BEGIN_NS) // DAY_NS)


def gain(year: Year, symbol: str, since: int = 0) -> float:
    """Nats a bar of what served over the first version, which was never fitted again."""
    scores = year.scores[symbol]
    return float((scores["served"] - scores["first"])[since:].mean())


def note(year: Year, name: str, value: float, op: str, bound: float) -> None:
    year.bars.append((name, value, op, bound, bar(name, value, op, bound)))


def judge(year: Year) -> None:
    """The bars."""
    for symbol, factor in WILDER.items():
        drifted = [day_of(one) for one in of(year, symbol, "promote") if one["cause"] == "drift" and day_of(one) > SHIFT]
        note(year, f"days_to_a_model_of_the_change_by_{factor:g}", float(min(drifted, default=YEAR) - SHIFT), "<=", 90.0)
        note(year, f"gain_after_the_change_by_{factor:g}_over_never_fitting_again", gain(year, symbol, SHIFT), ">", 0.0)
    back = [day_of(one) for one in of(year, "FORCED", "rollback")]
    note(year, "days_from_the_forced_version_to_its_rollback", float(min(back, default=YEAR) - FORCED), "<=", 40.0)
    note(year, "rollback_alerts_of_the_forced_version", float(sum(a["name"] == "model_rollback" for a in year.alerts)), ">=", 1.0)
    note(year, "rollbacks_of_models_that_nothing_is_wrong_with", float(sum(len(of(year, s, "rollback")) for s in STEADY)), "<=", 0.0)
    drifts = sum(one["cause"] == "drift" for s in STEADY for one in of(year, s, "retrain"))
    note(year, "fits_for_drift_where_there_is_none", float(drifts), "<=", float(len(STEADY)))
    tried = [day_of(one) for one in of(year, "SPLITS", "keep") if day_of(one) > SPLIT]
    waits = np.diff(tried)[:3].tolist()
    note(year, "a_split_is_kept_back", float(len(tried)), ">=", 3.0)
    note(year, "each_wait_after_it_is_longer", float(all(b > a for a, b in pairwise(waits)) and bool(waits)), ">=", 1.0)
    calm = float(np.mean([gain(year, symbol) for symbol in STEADY]))
    note(year, "gain_where_nothing_changes", calm, ">", -0.01)


_PAGE = """\
# A year of retraining

`make quality-retraining` lived this year and wrote this page; whoever runs it again on the same seeds gets the same decisions.
How it decides is told in [retraining](retraining.md).

- Date {date}, prices from seed block {block}: {n} daily series with {before} bars before the year, models of two states.
- Scheduler, drift scans, fits, gate, watch and alerts are the product's own; only clock and prices are made up. Settings, so that drift has
  a say beside the calendar: {settings}; all others are the defaults.
- Planted: on day {shift} SHIFTS becomes wilder by a factor of 2.5, STORMS by one of 5, and both change their mood more often; on day
  {forced} an operator forces a version of FORCED into production that expects returns 1.5 percent too high; on day {split} the price of
  SPLITS halves, unadjusted. Nothing ever happens to CALM1 to CALM{calm}.
- The factor of 2.5 is one that the model's own wild mood explains in good part: see what a scan can and cannot see in [drift](drift.md).

## What was decided

Fits, and what came of them; of the decisions to wait or that there is nothing to do the next table has the number.

| day | model | decision | cause | version | reason |
| --- | --- | --- | --- | --- | --- |
{decisions}
The routine fits of the calm series are left out: {routine} of them.

## How often

| series | retrain | promote | keep | rollback | wait | skip | served, nats a bar | never fitted again |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
{counts}
Score: mean log predictive density of each day's return in percent by the version that served when the bar closed, beside that of the first
version had it served all year.

## Bars

Days count until a fit that drift called for, or a rollback; one that reaches the end of the year stands for never. The calendar and the
model's age fit a new model all the same.

| bar | value | bound | |
| --- | --- | --- | --- |
{bars}
"""


def render(year: Year, date: str) -> str:
    """The chapter."""
    telling = [one for one in year.decisions if one["decision"] not in ("wait", "skip")]
    calm = {name_of(symbol) for symbol in STEADY}
    shown = [one for one in telling if one["model"] not in calm or one["cause"] in ("drift", "live_score")]
    lines = []
    for one in shown:
        cells = (day_of(one), one["model"].split(":")[1], one["decision"], one["cause"], one["version"] or "–", one["reason"])
        lines.append("| " + " | ".join(str(cell).replace("|", "/") for cell in cells) + " |\n")
    counts = []
    for symbol in SYMBOLS:
        number = Counter(one["decision"] for one in year.decisions if one["model"] == name_of(symbol))
        means = [f"{np.nanmean(year.scores[symbol][kind]):.3f}" for kind in ("served", "first")]
        cells = [symbol, *(number[word] for word in ("retrain", "promote", "keep", "rollback", "wait", "skip")), *means]
        counts.append("| " + " | ".join(map(str, cells)) + " |\n")
    bars = [f"| {name} | {value:.4g} | {op} {bound:g} | {'ok' if ok else 'short'} |\n" for name, value, op, bound, ok in year.bars]
    facts = {"date": date, "block": BLOCK, "n": len(SYMBOLS), "before": BEFORE, "calm": len(STEADY)}
    facts |= {"shift": SHIFT, "forced": FORCED, "split": SPLIT, "routine": len(telling) - len(shown)}
    settings = ", ".join(f"`{name}: {value}`" for name, value in SETTINGS.items())
    return _PAGE.format(**facts, settings=settings, decisions="".join(lines), counts="".join(counts), bars="".join(bars))


def main() -> int:
    """Live the year and write the chapter."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--print", action="store_true", help="Print the chapter and leave the manual as it is.")
    parser.add_argument("--series", type=int, default=100, help="series of each world of the section on rollbacks")
    asked = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        year = lived(Path(directory), report=True)
    judge(year)
    page = render(year, datetime.now(UTC).date().isoformat()) + section(asked.series)
    print(page) if asked.print else CHAPTER.write_text(page, encoding="utf-8")
    print(f"a year in {time.monotonic() - began:.0f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
