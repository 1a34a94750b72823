"""Training a regime model: read the window, fit in the worker, judge, register."""

import platform
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version as release
from typing import Any, Final

import numpy as np

from rpsd import __version__
from rpsd.config import Settings
from rpsd.core import instant
from rpsd.core.errors import TooShort
from rpsd.core.market import INTERVALS, SECOND_NS
from rpsd.core.model import ModelVersion, Packet, fingerprint
from rpsd.core.parameters import HmmParameters, build
from rpsd.services import gate
from rpsd.services.compute import Compute, Progress
from rpsd.services.model import ModelService, RegimeName, Verdict
from rpsd.services.price import Prices, stored_prices
from rpsd.store import series as rows
from rpsd.store.db import Connection, Database

_DEADLINE_SECONDS: Final = 900.0
_SEED: Final = 0
"""The random starts are the same each night, so that equal data give the equal model."""
_LIBRARIES: Final = ("numpy", "numba", "scipy")


class RegimeTraining:
    """Fits the models of the registry."""

    def __init__(self, settings: Settings, database: Database, compute: Compute, model: ModelService, clock: Callable[[], int]) -> None:
        self._settings, self._database, self._compute, self._model, self._clock = settings, database, compute, model, clock

    def train(
        self, name: str, *, progress: Progress | None = None, cancelled: Callable[[], bool] | None = None, by: str = "scheduler"
    ) -> dict[str, Any]:
        """Fit the model on regimes.train_window up to the last closed bar, register it, and promote it if the gate lets it through.

        Answer: model, name, version, stage, promoted, reason, evaluation, trained_until. When nothing has changed since the version in
        production, nothing is fitted and the answer tells of that version. Raises UnknownModel, UnknownSeries, TooShort,
        ConstantSeries, NotPositive, DegenerateFit (nothing is registered then), Cancelled, DeadlineExceeded, WorkerFailed.
        """
        wanted = RegimeName.parse(name)
        name = str(wanted)
        prices = self._database.read(lambda c: self._window(c, wanted))
        before = self._model.production(name)
        if before is not None and self._is_same(before[0], prices):
            reason = f"nothing has changed since version {before[0].version}: same bars, same parameters, same rpsd"
            return _told(before[0], promoted=False, reason=reason)
        cold = before is None or self._is_old(before[0])
        fitted = self._fit(wanted, prices, before, cold=cold, progress=progress, cancelled=cancelled)
        theirs = None if before is None or self._is_old(before[0]) else _predecessor_per_bar(before[1], fitted, prices, wanted.interval)
        verdict = gate.judged(fitted, theirs, self._settings.models.promotion)
        card = self._card(wanted, prices, fitted, verdict, theirs) | {"cold_ns": self._clock() if cold else _cold_ns(before)}
        done = self._model.register(name, fitted, card, verdict, by)
        return _told(done, promoted=verdict.promoted, reason=verdict.reason)

    def _window(self, c: Connection, wanted: RegimeName) -> Prices:
        """Prices of the training window; a bar that has not closed yet may still change and is left out."""
        info = rows.require(c, wanted.symbol, wanted.interval)
        closed_ns = self._clock() - INTERVALS[wanted.interval]
        last_ns = min(info.last_ns if info.last_ns is not None else closed_ns, closed_ns)
        prices = stored_prices(c, info, last_ns - int(self._settings.regimes.train_window * SECOND_NS), last_ns)
        if prices.t.size < 2:
            raise TooShort(f"{wanted.symbol} {wanted.interval} has {prices.t.size} closed bars in the training window")
        return prices

    def _fit(
        self,
        wanted: RegimeName,
        prices: Prices,
        before: tuple[ModelVersion, Packet] | None,
        *,
        cold: bool,
        progress: Progress | None,
        cancelled: Callable[[], bool] | None,
    ) -> Packet:
        head = {
            "regime_type": wanted.regime_type,
            "interval": wanted.interval,
            "params": {"engine": self._settings.regimes.engine},
            "seed": _SEED,
            "cold": cold,
        }
        arrays = {"prices": prices.values, "t": prices.t}
        if before is not None:
            arrays["previous"] = np.frombuffer(before[1].pack(), np.uint8)
        task = Packet(head, arrays)
        return self._compute.run("regime_train", task, deadline_seconds=_DEADLINE_SECONDS, cancelled=cancelled, on_progress=progress)

    def _is_same(self, version: ModelVersion, prices: Prices) -> bool:
        """Whether a fit would see just what the version saw, by the same code, and is not due from cold starts."""
        same = version.data_fingerprint == fingerprint(prices.t, prices.values) and version.card.get("rpsd") == __version__
        return same and version.card["params"]["engine"] == self._settings.regimes.engine and not self._is_old(version)

    def _is_old(self, version: ModelVersion) -> bool:
        """Whether the last cold fit behind the version is past max_model_age."""
        return self._clock() - int(version.card.get("cold_ns", version.created_ns)) > self._settings.regimes.max_model_age * SECOND_NS

    def _card(self, wanted: RegimeName, prices: Prices, fitted: Packet, verdict: Verdict, theirs: float | None) -> dict[str, Any]:
        """The model card: window, fingerprint, parameters, evaluation, lineage."""
        params = asdict(build(HmmParameters, {"engine": self._settings.regimes.engine}))
        told = ("n_states", "labels", "labels_kept", "states", "evaluation", "log_likelihood", "aic", "bic", "converged", "iterations")
        return {
            "kind": "regime",
            "symbol": wanted.symbol,
            "interval": wanted.interval,
            "regime_type": wanted.regime_type,
            "model": fitted.head["model"],
            "window": _window_facts(prices),
            "data_fingerprint": fingerprint(prices.t, prices.values),
            "params": {**params, "k": fitted.head["n_states"]},
            "seed": _SEED,
            **{name: fitted.head[name] for name in (*told, "started", "selection", "annualisation", "warnings")},
            "gate": gate.as_facts(verdict, theirs),
            "rpsd": __version__,
            "libraries": {"python": platform.python_version(), **{name: release(name) for name in _LIBRARIES}},
        }


def _window_facts(prices: Prices) -> dict[str, Any]:
    first, last = int(prices.t[0]), int(prices.t[-1])
    return {"from": instant.text(first), "until": instant.text(last), "from_ns": first, "until_ns": last, "bars": int(prices.t.size)}


def _told(version: ModelVersion, *, promoted: bool, reason: str) -> dict[str, Any]:
    """How a training went, for the job's row."""
    return {
        "model": version.name,
        "name": version.name,
        "version": version.version,
        "stage": version.stage.value,
        "promoted": promoted,
        "reason": reason,
        "evaluation": version.card["evaluation"],
        "trained_until": instant.text(version.trained_until_ns),
    }


def _cold_ns(before: tuple[ModelVersion, Packet] | None) -> int | None:
    """When the model's line was last fitted from cold starts."""
    return None if before is None else int(before[0].card.get("cold_ns", before[0].created_ns))


def _predecessor_per_bar(predecessor: Packet, fitted: Packet, prices: Prices, interval: str) -> float | None:
    """The predecessor's figure on the held-out bars, or None when nothing was held out."""
    from rpsd.regime.observe import observations  # numerics wait for the warm-up

    if fitted.head["evaluation"] is None:
        return None
    seen = observations(prices.values, prices.t, interval, int(fitted.head["n_states"]))
    return gate.per_bar(predecessor, seen.x, seen.t, int(fitted.head["evaluation"]["held_out_bars"]))
