"""What the drift monitor says of a real market: models of the S&P 500, fitted all along its past, and the year after each."""

import csv
import tempfile
from collections import Counter
from typing import Any, Final

import numpy as np

from rpsd import samples
from rpsd.config import read
from rpsd.core import instant
from rpsd.core.errors import RpsdError
from rpsd.core.market import DAY_NS, Samples
from rpsd.services.wiring import Services, open_services
from tests.quality.chapter import table

FITTED, EVERY = 750, 60
"""Bars that each model is fitted to, and from one model to the next."""
SINCE: Final = (60, 100, 250)
"""Bars since the fit at which the monitor looks."""


def bars() -> Samples:
    """Daily bars of the sample."""
    with samples.path("sp500_1d").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    t = np.array([instant.parse(line.pop("t")) for line in lines], np.int64)
    return Samples(t, {name: np.array([float(line[name]) for line in lines]) for name in lines[0]})


def part(whole: Samples, start: int, stop: int) -> Samples:
    return Samples(whole.t[start:stop].copy(), {name: cells[start:stop].copy() for name, cells in whole.columns.items()})


def begun(services: Services, whole: Samples) -> dict[str, int]:
    """Models in production, by name where their training began; the gate keeps some back."""
    made = {}
    for start in range(0, whole.t.size - FITTED - SINCE[-1], EVERY):
        name = f"regime:W{start}:1d:3_state"
        services.series.append(f"W{start}", "1d", part(whole, start, start + FITTED))
        try:
            services.regime.train(name)
        except RpsdError:
            continue
        made[name] = start
    serving = set(services.model.serving())
    return {name: start for name, start in made.items() if name in serving}


def looked(services: Services, now_ns: int) -> list[dict[str, Any]]:
    """The reports of a scan at this moment."""
    services.drift.scan(None, progress=lambda _share, _words: None, cancelled=lambda: False)
    found = [services.drift.find(one["id"]) for one in services.drift.page(None, 1000)[0]]
    return [one for one in found if instant.parse(one["at"]) == now_ns]


def section() -> str:
    """The section of the drift chapter."""
    whole, now, rows = bars(), [0], []
    now[0] = int(whole.t[-1]) + 10 * DAY_NS
    with tempfile.TemporaryDirectory() as directory:
        settings = read(None, {}, {"storage.data_dir": f"{directory}/data", "storage.min_free_bytes": "1MiB"})
        with open_services(settings, clock=lambda: now[0], worker=False) as services:
            made, at = begun(services, whole), FITTED
            for since in SINCE:
                for start in made.values():
                    services.series.append(f"W{start}", "1d", part(whole, start + at, start + FITTED + since))
                at, now[0] = FITTED + since, now[0] + DAY_NS
                reports = looked(services, now[0])
                cried = {one["model"]: [row["feature"] for row in one["rows"] if row["significant"]] for one in reports}
                cried = {model: names for model, names in cried.items() if names}
                since_when = sorted(str(whole.t[made[model] + FITTED].astype("datetime64[ns]"))[:7] for model in cried)
                names = ", ".join(f"`{name}`" for name in sorted(Counter(name for one in cried.values() for name in one)))
                rows.append([f"{since}", f"{len(reports)}", f"{len(cried)}", ", ".join(since_when) or "–", names or "–"])
    head = table(["bars since the fit", "models", "significant", "fitted up to", "what"], rows)
    return _PAGE.format(fitted=FITTED, every=EVERY, table=head)


_PAGE: Final = """
## The S&P 500

Models of three states fitted to {fitted} days of the index in rpsd's samples, a new one every {every} days of its past, and scanned as the
service does: features, forecasts and quality. Nobody planted anything here, and whether a market has drifted is a matter of opinion; the
reader may hold the months against what they remember.

{table}"""
