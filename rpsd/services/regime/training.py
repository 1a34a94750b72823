"""Training regime models: read the windows, fit in the worker, judge, register; one batch is read or written while another is fitted."""

import platform
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version as release
from typing import Any, Final

import numpy as np

from rpsd import __version__
from rpsd.config import Settings
from rpsd.core import instant
from rpsd.core.errors import ERRORS, Cancelled, CorruptData, DeadlineExceeded, InternalError, RpsdError, TooShort, WorkerFailed
from rpsd.core.market import INTERVALS, SECOND_NS
from rpsd.core.model import Array, ModelVersion, Packet, fingerprint
from rpsd.core.observed import observed, sight_of, sources
from rpsd.core.parameters import HmmParameters, build
from rpsd.services.compute import Compute, Progress
from rpsd.services.model import gate
from rpsd.services.model.name import RegimeName
from rpsd.services.model.served import is_whole
from rpsd.services.model.service import Candidate, ModelService, outcome
from rpsd.services.price import Prices, stored_prices
from rpsd.store import drift
from rpsd.store import series as rows
from rpsd.store.db import Connection, Database

_DEADLINE_SECONDS: Final = 900.0
_SEED: Final = 0
"""The random starts are the same each night, so that equal data give the equal model."""
_LIBRARIES: Final = ("numpy", "numba", "scipy")
_BATCH: Final = 32
"""Models of one task of the worker: enough to fill its lanes, few enough that progress moves and that a crash costs little."""
_CODES: Final = {error.code: error for error in ERRORS}
_TOLD: Final = (
    *("n_states", "labels", "labels_kept", "states", "evaluation", "log_likelihood", "aic", "bic", "converged", "iterations"),
    *("started", "cold_tried", "cold_gain", "drift", "data_drift", "emission", "columns", "graph"),
    *("selection", "annualisation", "warnings"),
)
"""What the card takes from the head of a model."""

Before = tuple[ModelVersion, Packet]
Outcome = dict[str, Any] | RpsdError
"""How one training went, or the error that refused it."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A model to fit: its window, the version in production if there is one to begin with, and the number of what serves, 0 for none.

    `drifted`: the newest scan found that version drifted HIGH.
    """

    name: str
    wanted: RegimeName
    prices: Prices
    before: Before | None
    is_old: bool
    serving: int
    drifted: bool


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
        wanted = str(RegimeName.parse(name))
        try:
            done = self._batch([wanted], progress or (lambda _share, _words: None), cancelled or (lambda: False), by)
        except (WorkerFailed, DeadlineExceeded, InternalError) as error:
            self._model.tell_refused({wanted: error}, by)
            raise
        outcome = next(iter(done.values()))
        if isinstance(outcome, RpsdError):
            raise outcome
        return outcome

    def train_many(
        self, names: Sequence[str], *, progress: Progress, cancelled: Callable[[], bool], by: str = "scheduler"
    ) -> dict[str, Outcome]:
        """Each model as by train(), in batches; a model that is refused does not stop the rest. Raises Cancelled, UnknownModel."""
        wanted = [str(RegimeName.parse(name)) for name in names]
        batches = [wanted[i : i + _BATCH] for i in range(0, len(wanted), _BATCH)]
        done: dict[str, Outcome] = {}
        slots = self._compute.status()["slots"]
        with ThreadPoolExecutor(slots + 1 if slots else 1, thread_name_prefix="rpsd-training") as threads:
            stopped = [False]
            running = {threads.submit(self._unless, stopped, batch, cancelled, by) for batch in batches}
            try:
                while running:
                    ended, running = wait(running, return_when=FIRST_COMPLETED)
                    done |= _gathered(ended)
                    progress(len(done) / len(wanted), f"{len(done)} of {len(wanted)}")
            finally:
                stopped[0] = True  # whatever went wrong, batches that have not begun do not begin
        return {name: done[name] for name in wanted}

    def known(self, names: Sequence[str]) -> list[str]:
        """The names, and those of all further regime models in production."""
        return [*names, *sorted({name for name in self._model.serving() if name.startswith("regime:")} - set(names))]

    def _unless(self, stopped: list[bool], names: list[str], cancelled: Callable[[], bool], by: str) -> dict[str, Outcome]:
        if stopped[0] or cancelled():
            raise Cancelled("the training was stopped")
        try:
            return self._batch(names, lambda _share, _words: None, cancelled, by)
        except (WorkerFailed, DeadlineExceeded, InternalError) as error:
            if len(names) == 1:
                self._model.tell_refused({names[0]: error}, by)
                return {names[0]: error}
        done: dict[str, Outcome] = {}  # one of them brings the worker down: the others must not go without
        for name in names:
            done |= self._unless(stopped, [name], cancelled, by)
        return done

    def _batch(self, names: list[str], progress: Progress, cancelled: Callable[[], bool], by: str) -> dict[str, Outcome]:
        """The outcomes of one task of the worker."""
        began_ns = self._clock()
        asked, done = self._read(names)
        if asked:
            task = self._task(asked)
            try:
                answer = self._compute.run(
                    "regime_train", task, deadline_seconds=_DEADLINE_SECONDS, cancelled=cancelled, on_progress=progress
                )
            except Cancelled as error:
                self._model.tell_refused({one.name: error for one in asked}, by, began_ns)
                raise
            fits = {i: answer.arrays.get(str(i)) for i in range(len(asked))}
            refused = {asked[i].name: _rebuilt(answer.head["refused"][str(i)]) for i, packed in fits.items() if packed is None}
            fitted = [
                self._candidate(asked[i], Packet.unpack(packed.tobytes()), began_ns) for i, packed in fits.items() if packed is not None
            ]
            versions = self._model.register_many(fitted, by)
            done |= {version.name: outcome(version) for version in versions}
            done |= refused
        self._model.tell_refused({name: one for name, one in done.items() if isinstance(one, RpsdError)}, by, began_ns)
        return done

    def _read(self, names: list[str]) -> tuple[list[_Asked], dict[str, Outcome]]:
        """What is to be fitted, and the outcomes of what cannot be or need not be."""
        asked: list[_Asked] = []
        done: dict[str, Outcome] = {}
        drifted = self._database.read(drift.high)
        for name in names:
            wanted = RegimeName.parse(name)
            try:
                prices = self._database.read(lambda c, wanted=wanted: self._window(c, wanted))  # type: ignore[misc]
                serving = self._model.serving_version(name)
                before = self._production(name)
            except RpsdError as error:
                done[name] = error
                continue
            if before is not None and self._is_same(before[0], prices):
                reason = f"nothing has changed since version {before[0].version}: same bars, same parameters, same rpsd"
                done[name] = outcome(before[0], unchanged=reason)
            else:
                asked.append(_Asked(name, wanted, prices, before, before is not None and self._is_old(before[0]), serving, name in drifted))
        return asked, done

    def _production(self, name: str) -> Before | None:
        """The version in production; a damaged one, or one of an older release, is as good as none: the fit that follows replaces it."""
        try:
            found = self._model.production(name)
        except CorruptData:
            return None
        return found if found is not None and is_whole(found[1]) else None

    def _window(self, c: Connection, wanted: RegimeName) -> Prices:
        """Prices of the training window, back from the last closed bar; one that has not closed yet may still change and is left out."""
        info = rows.require(c, wanted.symbol, wanted.interval)
        closed_ns, length_ns = self._clock() - INTERVALS[wanted.interval], int(self._settings.regimes.train_window * SECOND_NS)
        last_ns = closed_ns if info.last_ns is None else info.last_ns
        if last_ns > closed_ns:  # behind an open bar the last closed one may lie far back
            recent = stored_prices(c, info, closed_ns - length_ns, closed_ns)
            before = recent if recent.t.size else stored_prices(c, info, None, closed_ns)
            last_ns = int(before.t[-1]) if before.t.size else closed_ns
        prices = stored_prices(c, info, last_ns - length_ns, last_ns, sources(observed(self._columns())))
        if prices.t.size < 2:
            raise TooShort(f"{wanted.symbol} {wanted.interval} has {prices.t.size} closed bars in the training window")
        return prices

    def _task(self, asked: list[_Asked]) -> Packet:
        cases = [
            {
                "regime_type": one.wanted.regime_type,
                "interval": one.wanted.interval,
                "cold": one.before is None or one.is_old or one.drifted,
                "drifted": one.drifted,
                "cells": list(one.prices.cells),
            }
            for one in asked
        ]
        tolerance = {"psi": list(self._settings.drift.psi), "false_alarm_rate": self._settings.drift.false_alarm_rate}
        arrays: dict[str, Array] = {f"prices/{i}": one.prices.values for i, one in enumerate(asked)}
        arrays |= {f"t/{i}": one.prices.t for i, one in enumerate(asked)}
        arrays |= {f"cells/{i}/{name}": cells for i, one in enumerate(asked) for name, cells in one.prices.cells.items()}
        packed = {i: one.before[1].pack() for i, one in enumerate(asked) if one.before is not None}
        arrays |= {f"previous/{i}": np.frombuffer(data, np.uint8) for i, data in packed.items()}
        return Packet({"cases": cases, "params": self._params(), "columns": self._columns(), "seed": _SEED, "drift": tolerance}, arrays)

    def _params(self) -> dict[str, Any]:
        return {"engine": self._settings.regimes.engine, "emission": self._settings.regimes.emission}

    def _columns(self) -> list[str]:
        """What a model sees of each bar by the settings. Raises InvalidRequest for columns that are none."""
        return [one.name for one in observed(sight_of(self._settings.regimes.engine, self._settings.regimes.columns))]

    def _is_same(self, version: ModelVersion, prices: Prices) -> bool:
        """Whether a fit would see just what the version saw, by the same code, and is not due from cold starts."""
        same = version.data_fingerprint == _fingerprint(prices) and version.card.get("rpsd") == __version__
        return same and self.is_asked(version) and not self._is_old(version)

    def is_asked(self, version: ModelVersion) -> bool:
        """Whether the version was fitted as the settings ask for."""
        return bool(self._params().items() <= version.card["params"].items() and version.card["columns"] == self._columns())

    def _is_old(self, version: ModelVersion) -> bool:
        """Whether fresh starts were last tried for the version longer than max_model_age ago."""
        return self._clock() - int(version.card.get("cold_ns", version.created_ns)) > self._settings.regimes.max_model_age * SECOND_NS

    def _candidate(self, one: _Asked, fitted: Packet, began_ns: int) -> Candidate:
        """The fit with its card and the gate's verdict; a predecessor past its age must not hold up its successor."""
        verdict = gate.judged(fitted, self._settings.models.promotion, rival=one.before is not None and not one.is_old)
        now_ns, prices = self._clock(), one.prices
        before_ns = None if one.before is None else int(one.before[0].card.get("cold_ns", one.before[0].created_ns))
        card = {
            "kind": "regime",
            "symbol": one.wanted.symbol,
            "interval": one.wanted.interval,
            "regime_type": one.wanted.regime_type,
            "model": fitted.head["model"],
            "window": _window_facts(prices),
            "data_fingerprint": _fingerprint(prices),
            "params": {**asdict(build(HmmParameters, self._params())), "k": fitted.head["n_states"]},
            "seed": _SEED,
            **{name: fitted.head[name] for name in _TOLD},
            "predecessor": None if one.before is None else one.before[0].version,
            "cold_ns": now_ns if fitted.head["cold_tried"] else before_ns,
            "gate": gate.as_facts(verdict),
            "rpsd": __version__,
            "libraries": {"python": platform.python_version(), **_releases()},
        }
        return Candidate(one.name, fitted, card, verdict, began_ns, one.serving)


@cache
def _releases() -> dict[str, str]:
    """The numeric libraries by release; reading what a package says of itself takes milliseconds."""
    return {name: release(name) for name in _LIBRARIES}


def _gathered(ended: "set[Future[dict[str, Outcome]]]") -> dict[str, Outcome]:
    return {name: outcome for future in ended for name, outcome in future.result().items()}


def _fingerprint(prices: Prices) -> str:
    return fingerprint(prices.t, prices.values, *prices.cells.values())


def _rebuilt(told: dict[str, str]) -> RpsdError:
    """The error that the worker told of."""
    return _CODES.get(told["code"], InternalError)(told["detail"])


def _window_facts(prices: Prices) -> dict[str, Any]:
    first, last = int(prices.t[0]), int(prices.t[-1])
    return {"from": instant.text(first), "until": instant.text(last), "from_ns": first, "until_ns": last, "bars": int(prices.t.size)}
