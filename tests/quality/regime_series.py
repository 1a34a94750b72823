"""Real daily series: whether labels survive a refit, and whether every state gets a name of its own."""

import csv
from contextlib import suppress
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any, Final

import numpy as np

from rpsd import samples
from rpsd.core.errors import DegenerateFit
from rpsd.core.market import Vector
from rpsd.core.model import Packet
from rpsd.core.result import Labels
from rpsd.regime.hmm import filtered, viterbi
from rpsd.regime.labels import NAMES, aliases, confidence, matched, named
from rpsd.regime.soundness import sound
from rpsd.regime.state import WORTH_NATS
from tests.quality.regime_contestants import Engine, engines

WINDOW: Final = 1250
EVERY: Final = 42
"""Windows of five years every two months: 91 fits of the S&P's 5,030 returns."""

CADENCES: Final = {
    "5 years, every 42 bars": (WINDOW, EVERY),
    "5 years, every 21 bars, as walk-forward refits": (WINDOW, 21),
    "2 years, every bar, as production retrains": (504, 1),
}
"""Bars of a window, and bars from one to the next."""

MONTH: Final = 21
"""Bars after which production tries fresh starts as well."""

STOCKS: Final = Path(__file__).with_name("data") / "us_stocks_1d.csv"
K: Final = 3
SESSIONS: Final = 252


def sp500() -> Vector:
    """Log returns in percent of the S&P 500's daily closes, 1999 to 2018, (5030,)."""
    with samples.path("sp500_1d").open(encoding="utf-8") as file:
        return _returns([row["close"] for row in csv.DictReader(file)])


def real_series() -> dict[str, Vector]:
    """Three real daily series over the same twenty years, log returns in percent."""
    with STOCKS.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {"S&P 500": sp500(), **{name: _returns([row[name] for row in rows]) for name in ("JPM", "WMT")}}


def _returns(closes: list[str]) -> Vector:
    return np.asarray(100.0 * np.diff(np.log(np.array(closes, np.float64))))


@dataclass(frozen=True, slots=True)
class Refit:
    """One way to keep labels: `paths` of its successive fits, the most likely and the filtered one, each over its own window."""

    label: str
    paths: list[dict[str, Labels]]

    def relabelled(self, path: str, every: int) -> float:
        """Mean share of the days that two successive windows share which the later fit labels otherwise than the earlier one."""
        shares = [(a[path][every:] != b[path][:-every]).mean() for a, b in zip(self.paths, self.paths[1:], strict=False)]
        return float(np.mean(shares))


def windows(x: Vector, size: int, every: int) -> list[Vector]:
    """Successive windows of x, each `every` bars after the one before."""
    return [x[start : start + size].copy() for start in range(0, x.size - size + 1, every)]


def _both(state: Packet, x: Vector) -> dict[str, Labels]:
    return {"most likely": viterbi(state, x), "filtered": filtered(state, x).argmax(axis=1)}


def our_refits(parts: list[Vector], k: int = K) -> list[Refit]:
    """The default engine: labels given anew at every fit, matched to the fit before, after a warm start, and as production retrains."""
    engine = engines()[0]
    anew, assigned = [], []
    before: Packet | None = None
    for x in parts:
        cold = sound(_fitted(engine, x, k))
        anew.append(_both(named(cold), x))
        before = matched(cold, before)[0] if before else named(cold)
        assigned.append(_both(before, x))
    label = engine.label
    ways = [Refit(f"{label} cold, named anew", anew), Refit(f"{label} cold, matched", assigned)]
    return [*ways, Refit(f"{label} warm, matched", _paths(parts, k)), Refit(PRODUCTION, _paths(parts, k, EVERY))]


PRODUCTION: Final = f"{engines()[0].label} warm or, by {WORTH_NATS:g} nats, cold, matched"


def _paths(parts: list[Vector], k: int = K, every: int = 0) -> list[dict[str, Labels]]:
    """Paths of warm fits, each matched to the model before, which stays when the new one is degenerate.

    `every` bars lie between two fits: then fresh starts are tried each MONTH and win as in production; 0 tries none.
    """
    engine, paths, since = engines()[0], [], 0
    state = named(sound(_fitted(engine, parts[0], k)))
    for x in parts:
        since += every
        with suppress(DegenerateFit):
            new = _fitted(engine, x, k, state)
            if since >= MONTH:
                fresh, since = _fitted(engine, x, k), 0
                new = fresh if fresh.head["penalised"] > new.head["penalised"] + WORTH_NATS else new
            state = matched(sound(new), state)[0]
        paths.append(_both(state, x))
    return paths


def cadences() -> dict[str, tuple[int, float, float]]:
    """The S&P refitted as production does at each of CADENCES: fits, days relabelled on the filtered and the most likely path."""
    found = {}
    for label, (size, every) in CADENCES.items():
        refit = Refit(label, _paths(windows(sp500(), size, every), every=every))
        found[label] = (len(refit.paths), refit.relabelled("filtered", every), refit.relabelled("most likely", every))
    return found


def _fitted(engine: Engine, x: Vector, k: int, warm: Packet | None = None) -> Packet:
    return engine.model.fit(x, engine.params(k), seed=0, warm=warm)


def their_refits(parts: list[Vector], k: int = K) -> list[Refit]:
    """hmmlearn from a fresh random start at every fit, its states by raw number, by mean, by volatility, and matched to the fit before."""
    from hmmlearn.hmm import GaussianHMM

    kept: dict[str, list[dict[str, Labels]]] = {"raw numbers": [], "sorted by mean": [], "sorted by volatility": [], "matched": []}
    before = None
    for number, x in enumerate(parts):
        model = GaussianHMM(k, n_iter=500, random_state=number, implementation="scaling").fit(x[:, None])
        path = model.predict(x[:, None])
        means, variances = model.means_[:, 0], model.covars_.reshape(k, -1)[:, 0]
        orders = {"raw numbers": np.arange(k), "sorted by mean": np.argsort(means), "sorted by volatility": np.argsort(variances)}
        moments = np.column_stack([means, 0.5 * np.log(variances)])
        orders["matched"] = orders["sorted by volatility"] if before is None else _nearest(moments, before)
        before = moments[orders["matched"]]
        for way, order in orders.items():
            kept[way].append({"most likely": np.argsort(order)[path]})
    return [Refit(f"hmmlearn, {way}", paths) for way, paths in kept.items()]


def _nearest(moments: np.ndarray[Any, Any], before: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The order of the states that lies nearest to those before, in means and log deviations."""
    orders = permutations(range(len(before)))
    return np.array(min(orders, key=lambda order: float(np.abs(moments[list(order)] - before).sum())))


@dataclass(frozen=True, slots=True)
class NamedState:
    """What a state of a real series is called. mean and volatility are fractions a year."""

    series: str
    k: int
    name: str
    alias: str
    confidence: float
    mean: float
    volatility: float
    share: float


def names() -> list[NamedState]:
    """The states of the default engine on three real series, K = 3, 4 and 5."""
    found = []
    for series, x in real_series().items():
        for k in (3, 4, 5):
            state = named(sound(_fitted(engines()[0], x.copy(), k)))
            means, deviations = state.arrays["means"] / 100.0 * SESSIONS, np.sqrt(state.arrays["variances"] * SESSIONS) / 100.0
            shares = state.arrays["weights"] / state.arrays["weights"].sum()
            columns = (NAMES[k], aliases(state.arrays["variances"]), confidence(state), means, deviations, shares)
            found += [NamedState(series, k, *row) for row in zip(*columns, strict=True)]
    return found


def distinct(found: list[NamedState]) -> int:
    """Fits whose states all have canonical names, each its own, and a confidence that is a probability."""
    fits: dict[tuple[str, int], list[NamedState]] = {}
    for state in found:
        fits.setdefault((state.series, state.k), []).append(state)
    return sum(
        {s.name for s in states} == set(NAMES[k]) and len(states) == k and all(0.0 <= s.confidence <= 1.0 for s in states)
        for (_, k), states in fits.items()
    )
