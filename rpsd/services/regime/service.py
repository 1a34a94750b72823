"""Market regimes in the user's words: fitted to a range on demand, trained for serving, told live."""

import json
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from rpsd.config import Settings
from rpsd.core import market
from rpsd.core.errors import BadRange, Cancelled, Fault, RpsdError
from rpsd.core.model import ModelVersion
from rpsd.core.regime import states_of
from rpsd.services.compute import Compute, Progress
from rpsd.services.model.name import RegimeName
from rpsd.services.model.service import ModelService
from rpsd.services.regime.detection import RegimeDetection, Wish
from rpsd.services.regime.live import LiveRegimes
from rpsd.services.regime.training import RegimeTraining
from rpsd.store import series as rows
from rpsd.store.db import Connection, Database
from rpsd.telemetry import Metrics

_LEAST_BARS: Final = 250
"""A trading year: a shorter daily series is not retrained by itself."""


class RegimeService:
    """Detection, training and live regimes; a regime type that is not named comes from the settings."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        compute: Compute,
        metrics: Metrics,
        *,
        model: ModelService,
        live: LiveRegimes,
        clock: Callable[[], int],
    ) -> None:
        self._settings, self._database, self._compute, self._metrics, self._clock = settings, database, compute, metrics, clock
        self._detection = RegimeDetection(settings, database, compute, metrics, clock)
        self._live = live
        self._training = RegimeTraining(settings, database, compute, model, clock)

    def cached(self) -> int:
        """How many fits the cache holds."""
        return self._detection.cached()

    def detect(
        self,
        ticker: str,
        start_ns: int,
        end_ns: int,
        *,
        observations: Any = None,
        admit: Callable[[], None] = lambda: None,
        **options: Any,
    ) -> dict[str, Any]:
        """Regimes of exactly [start_ns, end_ns] of the stored series, or of `observations`; cached by data and settings, never registered.

        The options are the fields of Wish; `admit` is asked before a fresh fit. Raises as RegimeDetection.detect.
        """
        started = time.perf_counter()
        answer = self._detection.detect(ticker, start_ns, end_ns, Wish(**options), observations, admit)
        self._count(answer["regime_type"], seconds := time.perf_counter() - started, (answer["ticker"],))
        return answer | {"processing_time": round(seconds, 6)}

    def current(self, symbol: str, interval: str = "1d", regime_type: str | None = None) -> dict[str, Any]:
        """The regime of the last closed bar by the production model, causal. Raises UnknownSeries, NoModel."""
        told: dict[str, Any] = json.loads(self.current_text(symbol, interval, regime_type))
        return told

    def current_text(self, symbol: str, interval: str = "1d", regime_type: str | None = None) -> bytes:
        """current() as JSON. Raises UnknownSeries, NoModel."""
        started, name = time.perf_counter(), self._name(symbol, interval, regime_type)
        text = self._live.current(name)
        self._count(name.regime_type, time.perf_counter() - started, (name.symbol,))
        return text

    def current_at_hand(self, symbol: str, interval: str = "1d", regime_type: str | None = None) -> bytes | None:
        """current_text() if it lies in memory and still holds, in some microseconds; else None. Raises BadSymbol, InvalidRequest."""
        started, name = time.perf_counter(), self._name(symbol, interval, regime_type)
        text = self._live.at_hand(name)
        if text is not None:
            self._count(name.regime_type, time.perf_counter() - started, (name.symbol,))
        return text

    def current_many(self, symbols: Sequence[str], interval: str = "1d", regime_type: str | None = None) -> dict[str, Any]:
        """Current regimes in the order of the symbols; one that has none carries its `error` and does not fail the rest."""
        told: dict[str, Any] = json.loads(self.current_many_text(symbols, interval, regime_type))
        return told

    def current_many_text(self, symbols: Sequence[str], interval: str = "1d", regime_type: str | None = None) -> bytes:
        """current_many() as JSON."""
        started, regime_type = time.perf_counter(), self._type(regime_type)
        texts = self._live.current_many(symbols, interval, regime_type)
        self._count(regime_type, time.perf_counter() - started, [symbol.upper() for symbol in symbols])
        return b'{"results":[' + b",".join(texts) + b"]}"

    def history(
        self,
        symbol: str,
        interval: str = "1d",
        regime_type: str | None = None,
        *,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int = 10_000,
    ) -> dict[str, Any]:
        """The path by the production model; rows with model_version and in_sample. Raises UnknownSeries, NoModel, BadRange."""
        if start_ns is not None and end_ns is not None and end_ns < start_ns:
            raise BadRange("the end lies before the start", errors=[Fault("/end", "before the start")])
        told = self._live.history(self._name(symbol, interval, regime_type), start_ns=start_ns, end_ns=end_ns, limit=limit)
        (self._metrics.cache_hits_total if told["cache"] == "hit" else self._metrics.cache_misses_total).labels("regime").inc()
        return told

    def statistics(self, symbol: str, interval: str = "1d", regime_type: str | None = None) -> dict[str, Any]:
        """Tables of the states by the production model. Raises UnknownSeries, NoModel."""
        return self._live.statistics(self._name(symbol, interval, regime_type))

    def transitions(self, symbol: str, interval: str = "1d", regime_type: str | None = None, *, steps: int = 1) -> dict[str, Any]:
        """Transition matrix and the forecast of 1 to `steps` bars ahead. Raises UnknownSeries, NoModel."""
        return self._live.transitions(self._name(symbol, interval, regime_type), steps)

    def train(
        self, name: str, *, progress: Progress | None = None, cancelled: Callable[[], bool] | None = None, by: str = "scheduler"
    ) -> dict[str, Any]:
        """Fit, judge and register the model of that name; see RegimeTraining.train."""
        try:
            trained = self._training.train(name, progress=progress, cancelled=cancelled, by=by)
        except RpsdError as error:
            self._count_training(error)
            raise
        self._count_training(trained)
        return trained

    def train_many(
        self, names: Sequence[str], *, progress: Progress, cancelled: Callable[[], bool], by: str = "scheduler"
    ) -> dict[str, dict[str, Any] | RpsdError]:
        """Each model as by train(), in batches; its outcome or the error that refused it by name. Raises Cancelled, UnknownModel."""
        outcomes = self._training.train_many(names, progress=progress, cancelled=cancelled, by=by)
        for outcome in outcomes.values():
            self._count_training(outcome)
        return outcomes

    def models_to_train(self) -> list[str]:
        """Names for the retrain job: every daily series of at least 250 rows, in the default regime type, and all models in production."""
        return self._training.known(self._series_to_train())

    def is_asked(self, version: ModelVersion) -> bool:
        """Whether the version was fitted as the settings ask for."""
        return self._training.is_asked(version)

    def _series_to_train(self) -> list[str]:

        def run(c: Connection) -> list[str]:
            names: list[str] = []
            after: tuple[str, str] | None = None
            while page := rows.page(c, after, 500):
                names += [f"regime:{i.symbol}:1d:{self._type(None)}" for i in page if i.interval == "1d" and i.rows >= _LEAST_BARS]
                after = (page[-1].symbol, page[-1].interval)
            return names

        return self._database.read(run)

    def _type(self, regime_type: str | None) -> str:
        chosen = regime_type or self._settings.regimes.default_regime_type
        states_of(chosen)
        return chosen

    def _name(self, symbol: str, interval: str, regime_type: str | None) -> RegimeName:
        return RegimeName(market.symbol(symbol), market.interval(interval), self._type(regime_type))

    def _count_training(self, outcome: dict[str, Any] | RpsdError) -> None:
        if isinstance(outcome, RpsdError):
            label = "cancelled" if isinstance(outcome, Cancelled) else "refused"
        else:
            label = "promoted" if outcome["promoted"] else "unchanged" if outcome["stage"] == "production" else "kept_back"
        self._metrics.model_trainings_total.labels(label).inc()

    def _count(self, regime_type: str, seconds: float, symbols: Sequence[str]) -> None:
        self._metrics.model_predictions_total.labels("regime", regime_type).inc(len(symbols))
        for symbol in symbols:
            self._metrics.symbols.answer("regime", symbol)
        self._metrics.prediction_seconds.labels("regime").observe(seconds)
