"""Training models of order books: read the tape, fit in the worker, judge, register."""

import json
import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version as release
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from rpsd import __version__
from rpsd.config import Settings
from rpsd.core import instant, market
from rpsd.core.book import Tape
from rpsd.core.errors import Cancelled, CorruptData, RandomSplitRefused, RpsdError, TooShort
from rpsd.core.model import Array, ModelVersion, Packet, fingerprint
from rpsd.core.parameters import BookParameters, LabelParameters, build
from rpsd.services.compute import Compute, Progress
from rpsd.services.model import gate
from rpsd.services.model.name import BookName, default_label
from rpsd.services.model.served import is_whole
from rpsd.services.model.service import BOOK_JOB, Candidate, ModelService, outcome
from rpsd.telemetry import Metrics

if TYPE_CHECKING:
    from rpsd.services.book.service import BookService
    from rpsd.services.job import JobService
    from rpsd.store.idempotency import Once

_DEADLINE_SECONDS: Final = 1800.0
_SEED: Final = 0
_LIBRARIES: Final = ("numpy", "numba", "scipy", "scikit-learn")
_COLUMNS: Final = ("kind", "t", "received", "sequence", "row", "bids", "asks", "counts", "quotes", "trades")
_LEAST_EVENTS: Final = 5000
"""A shorter tape is not trained on by itself."""
_POOLED_MOST: Final = 8
"""Books that a pooled model is fitted to: those with the most events."""

_PAGE: Final = 500

Before = tuple[ModelVersion, Packet]


@dataclass(frozen=True, slots=True)
class _Read:
    """A stretch of a tape without a gap, in the tick that its prices are multiples of."""

    symbol: str
    tape: Tape
    tick: float


class BookTraining:
    """Fits the models of order books."""

    def __init__(
        self,
        settings: Settings,
        compute: Compute,
        metrics: Metrics,
        *,
        model: ModelService,
        book: "BookService",
        job: "JobService",
        clock: Callable[[], int],
    ) -> None:
        self._settings, self._compute, self._metrics = settings, compute, metrics
        self._model, self._book, self._job, self._clock = model, book, job, clock

    def submit(
        self, symbol: str, label: LabelParameters | None, params: Mapping[str, Any], *, by: str, once: "Once | None" = None
    ) -> dict[str, Any]:
        """Queue a training; the job. Without a label that of the settings.

        Raises BadSymbol, UnknownBook, BadParameter, RandomSplitRefused.
        """
        checked(params)
        name = BookName(market.symbol(symbol), label or default_label(self._settings.books))
        if not name.is_pooled:
            self._book.info(name.symbol)
        args = {"model": str(name)} | ({"params": json.dumps(dict(params))} if params else {})
        return self._job.enqueue(BOOK_JOB, args, by=by, once=once)

    def names(self) -> list[str]:
        """What the job trains: the default label of every book of at least 5,000 events, and all models in production."""
        label, served = default_label(self._settings.books), self._model.serving()
        books = [str(BookName(row["symbol"], label)) for row in self._books() if row["events"] >= _LEAST_EVENTS]
        return [*books, *sorted({name for name in served if name.startswith("book:")} - set(books))]

    def train(
        self,
        name: str,
        params: Mapping[str, Any],
        *,
        progress: Progress | None = None,
        cancelled: Callable[[], bool] | None = None,
        by: str = "scheduler",
    ) -> dict[str, Any]:
        """Fit the model on the latest books.train_events of its book, register it, and promote it if the gate lets it through.

        Answer: model, name, version, stage, promoted, reason, evaluation, trained_until. When nothing has changed since the version in
        production, nothing is fitted and the answer tells of that version. Raises UnknownModel, UnknownBook, TooShort, BadParameter,
        RandomSplitRefused, DegenerateFit (nothing is registered then), Cancelled, DeadlineExceeded, WorkerFailed.
        """
        wanted, chosen = BookName.parse(name), checked(params)
        began_ns = self._clock()
        try:
            told = self._trained(wanted, chosen, progress or (lambda _share, _words: None), cancelled or (lambda: False), by)
        except RpsdError as error:
            self._model.tell_refused({str(wanted): error}, by, began_ns)
            self._metrics.model_trainings_total.labels("cancelled" if isinstance(error, Cancelled) else "refused").inc()
            raise
        outcome = "promoted" if told["promoted"] else "unchanged" if told["stage"] == "production" else "kept_back"
        self._metrics.model_trainings_total.labels(outcome).inc()
        return told

    def _trained(
        self, wanted: BookName, params: BookParameters, progress: Progress, cancelled: Callable[[], bool], by: str
    ) -> dict[str, Any]:
        began_ns = self._clock()
        serving = self._model.serving_version(str(wanted))
        stretches, before = self._read(wanted), self._production(str(wanted))
        seen = _fingerprint(stretches)
        if before is not None and self._is_same(before[0], seen, params):
            reason = f"nothing has changed since version {before[0].version}: same tape, same parameters, same rpsd"
            return outcome(before[0], unchanged=reason)
        task = _task(stretches, wanted.label, params, before)
        fitted = self._compute.run("book_train", task, deadline_seconds=_DEADLINE_SECONDS, cancelled=cancelled, on_progress=progress)
        verdict = gate.judged_book(fitted, self._settings.models.promotion)
        card = {
            "kind": "book",
            "symbol": wanted.symbol,
            "label": asdict(wanted.label),
            "predictor": fitted.head["predictor"],
            "calibration": fitted.head["calibration"],
            "directions": fitted.head["directions"],
            "l2": fitted.head["l2"],
            "alpha": fitted.head["alpha"],
            "tick": fitted.head["tick"],
            "schema": fitted.head["schema"],
            "graph": fitted.head["graph"],
            "window": _window_facts(stretches),
            "data_fingerprint": seen,
            "params": asdict(params),
            "seed": _SEED,
            "evaluation": fitted.head["evaluation"],
            "predecessor": None if before is None else before[0].version,
            "gate": gate.as_facts(verdict),
            "rpsd": __version__,
            "libraries": {"python": platform.python_version()} | {library: release(library) for library in _LIBRARIES},
        }
        [version] = self._model.register_many([Candidate(str(wanted), fitted, card, verdict, began_ns, serving)], by)
        return outcome(version)

    def _production(self, name: str) -> Before | None:
        """The version in production; a damaged one, or one of other features, is as good as none: the fit that follows replaces it."""
        try:
            found = self._model.production(name)
        except CorruptData:
            return None
        return found if found is not None and is_whole(found[1]) else None

    def _read(self, wanted: BookName) -> list[_Read]:
        """The tape of the book, or those of the books with the most events. Raises UnknownBook, TooShort."""
        most = self._settings.books.train_events
        if wanted.is_pooled:
            largest = sorted(self._books(), key=lambda row: (-row["events"], row["symbol"]))[:_POOLED_MOST]
            stretches = [one for row in largest for one in self._stretches(row["symbol"], most // len(largest))]
        else:
            stretches = self._stretches(wanted.symbol, most)
        if (events := sum(one.tape.n for one in stretches)) < _LEAST_EVENTS:
            raise TooShort(f"{wanted} has {events} events with a tick to train on; at least {_LEAST_EVENTS} are needed")
        return stretches

    def _stretches(self, symbol: str, most: int) -> list[_Read]:
        return [_Read(symbol, tape, tick) for tape, tick in self._book.stretches(symbol, most=most)]

    def _books(self) -> Iterator[dict[str, Any]]:
        """Every book, as the list of books tells it."""
        after: str | None = None
        while True:
            rows, after = self._book.page(after, _PAGE)
            yield from rows
            if after is None:
                return

    def _is_same(self, version: ModelVersion, seen: str, params: BookParameters) -> bool:
        """Whether a fit would see just what the version saw, by the same code."""
        same = version.data_fingerprint == seen and version.card.get("rpsd") == __version__
        return same and version.card["params"] == asdict(params)


def checked(params: Mapping[str, Any]) -> BookParameters:
    """The parameters of the predictor. Raises BadParameter, RandomSplitRefused."""
    built = build(BookParameters, params)
    if built.split == "random":
        raise RandomSplitRefused("neighbouring events share the move that settles their label: shuffled, the test would know the answers")
    return built


def _task(stretches: list[_Read], label: LabelParameters, params: BookParameters, before: Before | None) -> Packet:
    arrays: dict[str, Array] = {f"tape/{i}/{column}": getattr(one.tape, column) for i, one in enumerate(stretches) for column in _COLUMNS}
    if before is not None:
        arrays["previous"] = np.frombuffer(before[1].pack(), np.uint8)
    head = {"ticks": [one.tick for one in stretches], "label": asdict(label), "params": asdict(params), "seed": _SEED}
    return Packet(head, arrays)


def _fingerprint(stretches: list[_Read]) -> str:
    ticks = np.array([one.tick for one in stretches])
    return fingerprint(ticks, *(getattr(one.tape, column) for one in stretches for column in _COLUMNS))


def _window_facts(stretches: list[_Read]) -> dict[str, Any]:
    first, last = min(int(one.tape.t.min()) for one in stretches), max(int(one.tape.t.max()) for one in stretches)
    symbols = sorted({one.symbol for one in stretches})
    events = sum(one.tape.n for one in stretches)
    told = {"from": instant.text(first), "until": instant.text(last), "from_ns": first, "until_ns": last}
    return told | {"events": events, "stretches": len(stretches), "symbols": symbols}
