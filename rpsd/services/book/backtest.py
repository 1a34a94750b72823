"""Backtests of order-book models: checked and queued at once, replayed by the worker, kept as a report in the job's result."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from rpsd import __version__
from rpsd.config import Settings
from rpsd.core import instant, market
from rpsd.core.book import Tape
from rpsd.core.errors import BadRange, Fault, InvalidRequest, NoModel, RandomSplitRefused, TooShort
from rpsd.core.model import Array, Packet
from rpsd.core.parameters import BacktestParameters, BookParameters, LabelParameters, build
from rpsd.services.compute import Compute, Progress
from rpsd.services.experiment.fit_run import BACKTEST, WorkRuns
from rpsd.services.model.name import BookName, default_label
from rpsd.services.model.served import require_servable
from rpsd.store.idempotency import Once

if TYPE_CHECKING:
    from rpsd.services.book.service import BookService
    from rpsd.services.job import JobService
    from rpsd.services.model.service import ModelService

JOB: Final = "book_backtest"
"""The job that replays; what it replays comes with the run."""
FEE_BPS: Final = (-100.0, 1000.0)
"""What a fee per side may be; below zero it is a rebate."""
POINTS: Final = 500
"""Points of the curve of an answer; trips beyond ROUNDS are left out of it, with their number told."""
ROUNDS: Final = 1000
COLUMNS: Final = ("kind", "t", "received", "sequence", "row", "bids", "asks", "counts", "quotes", "trades")
MOST_EVENTS: Final = 1_000_000
"""Events of one backtest: the newest of the range."""
_DEADLINE_SECONDS: Final = 1800.0
_LEAST_EVENTS: Final = 100
_TRIP: Final = ("side", "size", "entry", "exit", "gross", "spread", "impact", "fees", "net")


@dataclass(frozen=True, slots=True)
class Asked:
    """What to put to the test: fees in bps per side, which have no default, and a model by its name, or none for new fits.

    Without a model, models of `label` with `book` (parameters) are fitted walk-forward to the tape and tested on its latest part. `start`,
    `end` bound the tape, both inclusive, ns UTC; with a model and without a start the test begins where the model's training ended.
    """

    taker_fee_bps: float | None
    maker_fee_bps: float | None
    params: Mapping[str, Any] = field(default_factory=dict)
    model_name: str | None = None
    label: Mapping[str, Any] | None = None
    book: Mapping[str, Any] = field(default_factory=dict)
    start_ns: int | None = None
    end_ns: int | None = None
    seed: int = 0


class BacktestService:
    """Queues backtests, and does the work of the job."""

    def __init__(
        self, settings: Settings, compute: Compute, *, book: "BookService", model: "ModelService", job: "JobService", runs: WorkRuns
    ) -> None:
        self._settings, self._compute, self._runs = settings, compute, runs
        self._book, self._model, self._job = book, model, job

    def submit(self, symbol: str, asked: Asked, *, by: str, once: Once | None = None) -> dict[str, Any]:
        """Check what can be checked and queue the backtest; the job.

        Raises BadSymbol, UnknownBook, InvalidRequest (a fee is missing or out of bounds), BadParameter, RandomSplitRefused, BadRange,
        UnknownModel, NoModel.
        """
        symbol = market.symbol(symbol)
        head = checked(asked, default_label(self._settings.books))
        if asked.start_ns is not None and asked.end_ns is not None and asked.end_ns <= asked.start_ns:
            raise BadRange("the end is not after the start", errors=[Fault("/end", "not after start")])
        self._book.info(symbol)
        if asked.model_name is not None:
            self._packed(asked.model_name)
        head |= {"symbol": symbol, "model_name": asked.model_name, "start_ns": asked.start_ns, "end_ns": asked.end_ns}
        fees = f"{asked.taker_fee_bps:g} taker, {asked.maker_fee_bps:g} maker"
        args = {"symbol": symbol, "model": asked.model_name or "walk-forward", "strategy": head["params"]["strategy"], "fees": fees}
        return self._job.enqueue(JOB, args, by=by, once=once, data=Packet(head, {}).pack())

    def work(self, job_id: int, *, progress: Progress | None = None, cancelled: Callable[[], bool] | None = None) -> dict[str, Any]:
        """Replay what the run asks for, in the worker; the report of the manual's chapter books, with the id of its run: see fit_run.

        Raises InvalidRequest for a run that nothing came with, UnknownBook, NoModel, TooShort, DegenerateFit, Cancelled,
        DeadlineExceeded, WorkerFailed.
        """
        data = self._job.given(job_id)
        if data is None:
            raise InvalidRequest("nothing to replay", hint="Ask by POST /api/v1/books/{symbol}/backtest.")
        head = dict(Packet.unpack(data).head)
        named = f"{head['symbol']} {head['model_name'] or 'walk-forward'}"
        return self._runs.followed(
            BACKTEST, named, head, lambda: self._replayed(head, progress, cancelled), _earned, file="report.json", job=job_id
        )

    def _replayed(self, asked: Mapping[str, Any], progress: Progress | None, cancelled: Callable[[], bool] | None) -> dict[str, Any]:
        head = dict(asked)
        told: dict[str, Any] = {"name": None, "version": None, "trained_until": None}
        model, start_ns = None, head["start_ns"]
        if head["model_name"] is not None:
            version, model = self._packed(head["model_name"])
            told = {"name": version.name, "version": version.version, "trained_until": instant.text(version.trained_until_ns)}
            start_ns = version.trained_until_ns + 1 if start_ns is None else start_ns
            head["in_sample"] = start_ns <= version.trained_until_ns
        tapes = self._book.stretches(head["symbol"], start_ns, head["end_ns"], MOST_EVENTS)
        if (events := sum(tape.n for tape, _ in tapes)) < _LEAST_EVENTS:
            hint = "Leave out model_name for a walk-forward on the tape, or give a start; an earlier start is told to be in sample."
            detail = f"{head['symbol']} has {events} events in the range; at least {_LEAST_EVENTS} are needed"
            raise TooShort(detail, hint=hint if model is not None else None)
        packet = task(head, tapes, model)
        done = self._compute.run("book_backtest", packet, deadline_seconds=_DEADLINE_SECONDS, cancelled=cancelled, on_progress=progress)
        return report(head["symbol"], done, told, in_sample=bool(head.get("in_sample")))

    def _packed(self, name: str) -> Any:
        """The version in production and its packet. Raises UnknownModel, NoModel, CorruptData, FeatureGraphChanged."""
        BookName.parse(name)
        if (found := self._model.production(name)) is None:
            raise NoModel(f"{name} has no version in production")
        require_servable(name, found[0].version, found[1])
        return found


def checked(asked: Asked, label: LabelParameters) -> dict[str, Any]:
    """The head of a task; `label` is for fits whose label is not told. Raises InvalidRequest, BadParameter, RandomSplitRefused."""
    faults = []
    for name, fee in (("taker_fee_bps", asked.taker_fee_bps), ("maker_fee_bps", asked.maker_fee_bps)):
        if fee is None:
            faults.append(Fault(f"/{name}", "required: a backtest without fees would promise what nobody can earn"))
        elif not FEE_BPS[0] <= fee <= FEE_BPS[1]:
            faults.append(Fault(f"/{name}", f"expected {FEE_BPS[0]:g} to {FEE_BPS[1]:g} basis points"))
    if faults:
        raise InvalidRequest(f"{faults[0].pointer}: {faults[0].reason}", errors=faults)
    if asked.model_name is not None and (asked.label is not None or asked.book):
        raise InvalidRequest("/label: goes with new fits, not with model_name", errors=[Fault("/label", "goes without model_name")])
    book = build(BookParameters, asked.book, "/book")
    if book.split == "random":
        raise RandomSplitRefused("a backtest on shuffled events would trade on what its model has seen")
    return {
        "params": asdict(build(BacktestParameters, asked.params)),
        "fees": {"taker_bps": asked.taker_fee_bps, "maker_bps": asked.maker_fee_bps},
        "label": asdict(label if asked.label is None else build(LabelParameters, asked.label, "/label")),
        "book": asdict(book),
        "seed": asked.seed,
    }


def task(head: Mapping[str, Any], tapes: list[tuple[Tape, float]], model: Packet | None) -> Packet:
    """What the worker is sent: tasks.book_backtest."""
    arrays: dict[str, Array] = {f"tape/{i}/{name}": getattr(tape, name) for i, (tape, _) in enumerate(tapes) for name in COLUMNS}
    if model is not None:
        arrays["model"] = np.frombuffer(model.pack(), np.uint8)
    kept = {name: head[name] for name in ("params", "fees", "label", "book", "seed")}
    return Packet({**kept, "ticks": [tick for _, tick in tapes]}, arrays)


def _earned(report: dict[str, Any]) -> dict[str, Any]:
    """What a backtest has come to in numbers."""
    beside = ("symbol", "model", "fits", "parameters", "fee_bps", "words", "baselines", "curve", "trips", "warnings", "seed", "rpsd")
    return {name: value for name, value in report.items() if name not in beside}


def report(symbol: str, done: Packet, model: Mapping[str, Any], *, in_sample: bool) -> dict[str, Any]:
    """The worker's answer as JSON: the head, the curve of POINTS points, the first ROUNDS round trips, and what to doubt."""
    head, arrays = dict(done.head), done.arrays
    m = arrays["trip_t"].shape[0]
    shown = np.unique(np.linspace(0, m - 1, min(m, POINTS)).round().astype(np.int64)) if m else np.empty(0, np.int64)
    times = [instant.text(t) for t in arrays["curve_t"][shown].tolist()]
    curve = {"t": times, **{name: arrays["curve"][shown, j].tolist() for j, name in enumerate(("gross", "net"))}}
    trips = {name: [instant.text(t) for t in arrays["trip_t"][:ROUNDS, j].tolist()] for j, name in enumerate(("entered", "left"))}
    trips |= {name: arrays["trips"][:ROUNDS, j].tolist() for j, name in enumerate(_TRIP)}
    warnings = []
    if in_sample:
        detail = f"The model was fitted up to {model['trained_until']}: what it earns before that is hindsight."
        warnings.append({"code": "in_sample", "detail": detail})
    if m > ROUNDS:
        warnings.append({"code": "trips_cut", "detail": f"{m - ROUNDS:,} of {m:,} round trips are not listed; all are counted."})
    told = {"symbol": symbol, "model": dict(model), "fits": head.pop("fits", []), "in_sample": in_sample}
    return {**told, **head, "curve": curve, "trips": trips, "warnings": warnings, "rpsd": __version__}
