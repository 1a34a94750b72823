"""Forecasts of order books: from the snapshots of a request, or from a live book that is in a state to speak."""

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rpsd.config import Settings
from rpsd.core import instant, market
from rpsd.core.book import BookForecast, Phase, Tape
from rpsd.core.errors import BookNotValid, Fault, InvalidRequest
from rpsd.core.market import SECOND_NS
from rpsd.services.book.answer import WAITS
from rpsd.services.book.posted import judged
from rpsd.services.book.served import ServedBook, ServedBooks
from rpsd.services.model.name import LABELS, BookName, default_label
from rpsd.services.model.service import ModelService
from rpsd.telemetry import Metrics

if TYPE_CHECKING:
    from rpsd.core.market import Vector
    from rpsd.services.book.live import LiveBook
    from rpsd.services.book.service import BookService

_REMEMBERED: Final = 8192
"""Answers at hand, of half a kilobyte each, or two with features."""
_encoded: Final = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode
_MEMORY_SECONDS: Final = 10
"""The slowest decay of the features of flow."""
Rests = tuple[int, int]
"""What an answer rests on beside its question: the registry's count of changes, and the version of the live book."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of which model. `exact`: the model was named, and no other may stand in for it."""

    symbol: str
    name: BookName
    exact: bool
    include_features: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """A forecast as JSON, and what the request's log line tells of it."""

    text: bytes
    symbol: str
    confidence: float
    latency_ms: float


@dataclass(frozen=True, slots=True)
class _Told:
    """An answer as JSON but for its end, and what it rests on."""

    text: bytes
    rests: Rests
    symbol: str
    label: str
    confidence: float


class ForecastService:
    """Forecasts by the model in production; an answer is repeated only while question, book and model are the same."""

    def __init__(self, settings: Settings, metrics: Metrics, *, model: ModelService, book: "BookService", clock: Callable[[], int]) -> None:
        self._settings, self._book, self._clock = settings, book, clock
        self._hits, self._misses = (counter.labels("book") for counter in (metrics.cache_hits_total, metrics.cache_misses_total))
        self._seconds = metrics.prediction_seconds.labels("book")
        self._symbols = metrics.symbols
        self._predictions = {label: metrics.model_predictions_total.labels("book", label) for label in LABELS}
        self._models = ServedBooks(model)
        self._answers: OrderedDict[Any, _Told] = OrderedDict()
        self._lock = threading.Lock()

    def question(self, symbol: str | None, model_name: str | None, include_features: bool = False) -> Question:
        """The question about a symbol, a model, or both; without a model that of the label in the settings.

        Raises BadSymbol, UnknownModel, and InvalidRequest when neither tells the symbol or they contradict each other.
        """
        name = None if model_name is None else BookName.parse(model_name)
        if symbol is None:
            if name is None or name.is_pooled:
                raise InvalidRequest("/symbol: missing", errors=[Fault("/symbol", "missing: whose book is it?")])
            return Question(name.symbol, name, True, include_features)
        known = market.symbol(symbol)
        if name is None:
            return Question(known, BookName(known, default_label(self._settings.books)), False, include_features)
        if not name.is_pooled and name.symbol != known:
            reason = f"{name} foretells {name.symbol}, not {known}"
            raise InvalidRequest(f"/model_name: {reason}", errors=[Fault("/model_name", reason)])
        return Question(known, name, True, include_features)

    def again(self, key: bytes, started: float) -> Answer | None:
        """The answer that a request of that digest had before, while it still holds; else None."""
        told = self._answers.get(key)
        if told is None or told.rests != (self._models.changes, 0):
            return None
        return self._ended(told, started, hit=True)

    def is_prompt(self, asked: Question) -> bool:
        """Whether the model lies in memory, so that of() takes microseconds."""
        return self._models.are_known(asked.name, exact=asked.exact)

    def of(
        self, tape: Tape, asked: Question, *, tick: float | None = None, key: bytes | None = None, started: float | None = None
    ) -> Answer:
        """The forecast after the last book of the tape, as JSON; `key` is the digest of all input, under which the answer is kept.

        Flow begins with the first book. The tick is that of the model, else the one given, else told by the prices. Raises BadBook with
        the place of every book that cannot be true, BookNotValid when a side is missing at the end, NoModel, InvalidRequest.
        """
        from rpsd.book.features import BookMemory, run  # numerics wait for the warm-up

        started = time.perf_counter() if started is None else started
        changes = self._models.changes
        model = self._models.find(asked.name, exact=asked.exact)
        step = _tick(tape, model, tick)
        tape = judged(tape, step)
        features, tops, _ = run(tape, step, BookMemory.fresh())
        if not (tops[-1, 1] > 0.0 and tops[-1, 3] > 0.0):
            raise _not_valid(asked.symbol, Phase.SYNCING, "one side of the last book is empty")
        warnings = []
        if (spanned := (int(tape.t[-1]) - int(tape.t[0])) / SECOND_NS) < _MEMORY_SECONDS:
            detail = (
                f"the snapshots span {spanned:g} s; features of flow reach back {_MEMORY_SECONDS} s and take what came before as nothing"
            )
            warnings.append({"code": "short_history", "detail": detail})
        told = self._told(asked, model, features[-1], instant.text(int(tape.t.max())), (changes, 0), warnings)
        if key is not None:
            self._keep(key, told)
        return self._ended(told, started, hit=False)

    def live_at_hand(self, asked: Question, started: float) -> Answer | None:
        """live() if all of it lies in memory, in some microseconds; else None. Raises BookNotValid, NoModel."""
        book = self._book.at_hand(asked.symbol)
        if book is None or not self.is_prompt(asked):
            return None
        return self._live(book, asked, started)

    def live(self, asked: Question, started: float | None = None) -> Answer:
        """The forecast of a live book as JSON. Raises UnknownBook, BookNotValid with its state, NoModel."""
        started = time.perf_counter() if started is None else started
        return self._live(self._book.live(asked.symbol), asked, started)

    def _live(self, book: "LiveBook", asked: Question, started: float) -> Answer:
        age_seconds = self._age(book)
        rests = (self._models.changes, book.version)
        told = self._answers.get(asked)
        if told is not None and told.rests == rests:
            return self._ended(told, started, hit=True, age_seconds=age_seconds)
        model = self._models.find(asked.name, exact=asked.exact)
        warnings = []
        if model.tick is not None and model.tick != book.tick:
            detail = f"the model was trained on a tick of {model.tick:g}, the book's is {book.tick:g}"
            warnings.append({"code": "tick_changed", "detail": detail})
        told = self._told(asked, model, book.features, instant.text(book.last_ns or 0), rests, warnings)
        self._keep(asked, told)
        return self._ended(told, started, hit=False, age_seconds=age_seconds)

    def _age(self, book: "LiveBook") -> float:
        """Seconds since the book was last told. Raises BookNotValid unless it is in a state to speak."""
        phase = Phase.SYNCING if book.phase is Phase.VALID and book.tick is None else book.phase
        age_seconds = (self._clock() - (book.told_ns or 0)) / SECOND_NS
        if phase is Phase.STALE:
            aged = f"it was last told {age_seconds:.3f} s ago, and books.staleness is {self._settings.books.staleness:g} s"
            raise _not_valid(book.symbol, phase, aged)
        if phase is not Phase.VALID:
            raise _not_valid(book.symbol, phase, f"it waits for {WAITS[phase]}")
        return age_seconds

    def _told(self, asked: Question, model: ServedBook, row: "Vector", timestamp: str, rests: Rests, warnings: Sequence[Any]) -> _Told:
        """The answer on one row of features (27,)."""
        from rpsd.book.features import FEATURES  # numerics wait for the warm-up
        from rpsd.book.forecast import probabilities

        down, flat, up = probabilities(row.reshape(1, -1), model.packed)[0].tolist()
        forecast = BookForecast(down, flat, up)
        answer: dict[str, Any] = {
            "symbol": asked.symbol,
            "prediction": forecast.prediction,
            "probabilities": {"down": down, "flat": flat, "up": up},
            "confidence": forecast.confidence,
            "calibrated": model.is_calibrated,
            "horizon": model.label,
            "model_name": model.text,
            "model_version": model.version,
            "timestamp": timestamp,
        }
        if asked.include_features:
            answer["features"] = {feature.name: value for feature, value in zip(FEATURES, row.tolist(), strict=True)}
        if warnings:
            answer["warnings"] = warnings
        text = _encoded(answer)[:-1].encode()
        return _Told(text, rests, asked.symbol, model.name.label.label, forecast.confidence)

    def _keep(self, key: Any, told: _Told) -> None:
        with self._lock:
            self._answers[key] = told
            self._answers.move_to_end(key)
            while len(self._answers) > _REMEMBERED:
                self._answers.popitem(last=False)

    def _ended(self, told: _Told, started: float, *, hit: bool, age_seconds: float | None = None) -> Answer:
        """The answer with what belongs to this request alone; it is counted."""
        seconds = time.perf_counter() - started
        (self._hits if hit else self._misses).inc()
        self._predictions[told.label].inc()
        self._symbols.answer("book", told.symbol)
        self._seconds.observe(seconds)
        age = b"" if age_seconds is None else b',"age_seconds":%.6f' % age_seconds
        text = told.text + age + b',"latency_ms":%.3f,"cache_hit":%s}' % (seconds * 1e3, b"true" if hit else b"false")
        return Answer(text, told.symbol, told.confidence, round(seconds * 1e3, 3))


def _tick(tape: Tape, model: ServedBook, given: float | None) -> float:
    """The price step in which the features are told. Raises InvalidRequest when nothing tells it."""
    if model.tick is not None:
        return model.tick
    from rpsd.book.features import tick_of  # numerics wait for the warm-up

    found = tick_of(tape.bids, tape.asks, tape.counts) if given is None else given
    if found is None:
        reason = f"missing: {model.text} belongs to no symbol, and the prices are too few to tell the tick"
        raise InvalidRequest(f"/tick: {reason}", errors=[Fault("/tick", reason)])
    return found


def _not_valid(symbol: str, phase: Phase, reason: str) -> BookNotValid:
    return BookNotValid(f"the book of {symbol} is {phase.value}: {reason}", errors=[Fault("/state", phase.value)])
