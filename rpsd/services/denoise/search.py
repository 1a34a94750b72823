"""The search over settings of denoising: refused or queued at once, judged by the worker, kept as a table in the job's result."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import product
from typing import Any, Final

import numpy as np

from rpsd import __version__
from rpsd.core import instant
from rpsd.core.errors import BodyTooLarge, CorruptData, Fault, InvalidRequest, RpsdError, UnknownMethod
from rpsd.core.market import Times, Vector
from rpsd.core.model import Packet, fingerprint
from rpsd.services.compute import Compute, Progress
from rpsd.services.denoise.service import DenoiseService, placed
from rpsd.services.experiment.fit_run import SEARCH, WorkRuns
from rpsd.services.job import JobService
from rpsd.store.idempotency import Once

JOB: Final = "search"
"""The job that judges; what it judges comes with the run."""
MOST: Final = 200
"""Settings of one search."""
MOST_POINTS: Final = 1_000_000
FOLDS: Final = (2, 20)
_DEADLINE_SECONDS: Final = 1800.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What to judge: a method with a grid {parameter: values} over fixed params, or settings [{method, params}]; and how."""

    method: str = ""
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    configurations: Sequence[Mapping[str, Any]] = ()
    causality: str = "hindsight"
    scale: str = "auto"
    fill: str = "none"
    folds: int = 5
    seed: int = 0


class DenoiseSearch:
    """Queues searches, and does the work of the job."""

    def __init__(self, denoise: DenoiseService, job: JobService, compute: Compute, runs: WorkRuns) -> None:
        self._denoise, self._job, self._compute, self._runs = denoise, job, compute, runs

    def submit(
        self, asked: Asked, values: Vector, t: Times | None, *, data: str = "values", by: str = "", once: Once | None = None
    ) -> dict[str, Any]:
        """Check everything, queue the search on values (n,) at times t (n,), and answer with the job; `data` names them in its arguments.

        Raises before anything is queued: InvalidRequest (the grid), UnknownMethod, BadParameter, each naming its place; BodyTooLarge
        (MOST_POINTS), NotFinite, NotPositive, BadRows, TooShort.
        """
        from rpsd.denoise import search  # numerics wait for the warm-up

        if values.size > MOST_POINTS:
            raise BodyTooLarge(f"{values.size} values; a search takes at most {MOST_POINTS}", hint="Choose a shorter range.")
        settings = self.settings(asked)
        values = np.ascontiguousarray(values, np.float64)
        how: dict[str, Any] = {
            "causal": asked.causality == "causal",
            "scale": asked.scale,
            "fill": asked.fill,
            "folds": asked.folds,
            "seed": asked.seed,
        }
        search.prepare(values, t, **how)
        arrays = {"values": values} if t is None else {"values": values, "t": t}
        packet = Packet({**how, "settings": settings, "data": data}, arrays)
        methods = ", ".join(dict.fromkeys(one["method"] for one in settings))
        args = {"method": methods[:200], "data": data[:200], "settings": str(len(settings))}
        return self._job.enqueue(JOB, args, by=by, once=once, data=packet.pack())

    def settings(self, asked: Asked) -> list[dict[str, Any]]:
        """Every setting of the request with all its parameters. Raises InvalidRequest, UnknownMethod, BadParameter."""
        if asked.causality not in ("hindsight", "causal"):
            raise _invalid("/causality", f"expected hindsight or causal, got {asked.causality[:40]!r}")
        if not FOLDS[0] <= asked.folds <= FOLDS[1]:
            raise _invalid("/folds", f"expected {FOLDS[0]} to {FOLDS[1]}")
        if bool(asked.method) == bool(asked.configurations):
            raise _invalid("/method", "expected either method with grid, or configurations")
        if asked.method:
            return self._grid(asked)
        if asked.grid or asked.params:
            raise _invalid("/grid" if asked.grid else "/params", "goes with method, not with configurations")
        if len(asked.configurations) > MOST:
            raise _invalid("/configurations", f"{len(asked.configurations)} settings; at most {MOST}")
        found = []
        for place, one in enumerate(asked.configurations):
            try:
                found.append(self._setting(str(one["method"]), asked.causality, one.get("params") or {}))
            except RpsdError as error:
                raise placed(error, f"/configurations/{place}") from error
        return found

    def _grid(self, asked: Asked) -> list[dict[str, Any]]:
        """All combinations of the grid, the last parameter fastest; each value is looked at by itself first."""
        count = math.prod(len(values) for values in asked.grid.values())
        empty = [name for name, values in asked.grid.items() if not values]
        if not asked.grid or empty:
            raise _invalid(f"/grid/{empty[0][:40]}" if empty else "/grid", "expected at least one value")
        both = [name for name in asked.grid if name in asked.params]
        if both:
            raise _invalid(f"/params/{both[0][:40]}", "is a parameter of the grid, too")
        if count > MOST:
            raise _invalid("/grid", f"{count} combinations; at most {MOST}")
        self._setting(asked.method, asked.causality, asked.params)
        faults = []
        for name, values in asked.grid.items():
            for place, value in enumerate(values):
                try:
                    self._setting(asked.method, asked.causality, {**asked.params, name: value})
                except UnknownMethod:
                    raise
                except RpsdError as error:
                    faults += [Fault(f"/grid/{name[:40]}/{place}", fault.reason) for fault in error.errors]
                    last = error
        if faults:
            raise type(last)(f"{faults[0].pointer}: {faults[0].reason}", errors=faults, hint=last.advice)
        rows = [dict(zip(asked.grid, values, strict=True)) for values in product(*asked.grid.values())]
        return [self._setting(asked.method, asked.causality, {**asked.params, **row}) for row in rows]

    def _setting(self, method: str, causality: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """A method of the catalogue with all its parameters. Raises UnknownMethod, BadParameter."""
        from rpsd.denoise import door, wavelet

        found = door.find(method, causality)
        built = door.method_parameters(found, params, self._denoise.settled()["defaults"])
        if found is wavelet.METHOD:
            wavelet.filters(built.wavelet)
        return {"method": found.name, "params": asdict(built)}

    def work(self, job_id: int, *, progress: Progress | None = None, cancelled: Callable[[], bool] | None = None) -> dict[str, Any]:
        """Judge the settings of the run, in the worker. The table of the manual's chapter many, with the id of its run: see fit_run.

        Raises InvalidRequest for a run that nothing came with, TooShort, Cancelled, DeadlineExceeded, WorkerFailed.
        """
        data = self._job.given(job_id)
        if data is None:
            raise InvalidRequest("nothing to search", hint="Ask by POST /api/v1/denoise/search.")
        packet = Packet.unpack(data)

        def judge() -> dict[str, Any]:
            done = self._compute.run(
                "denoise_search", packet, deadline_seconds=_DEADLINE_SECONDS, cancelled=cancelled, on_progress=progress
            )
            return _table(packet, done)

        asked = {name: value for name, value in packet.head.items() if name != "settings"}
        settings = packet.head["settings"]
        params = asked | {"methods": sorted({one["method"] for one in settings}), "settings": len(settings)}
        return self._runs.followed(SEARCH, packet.head["data"], params, judge, _found, file="table.json", job=job_id)


def _invalid(pointer: str, reason: str) -> InvalidRequest:
    return InvalidRequest(f"{pointer}: {reason}", errors=[Fault(pointer, reason)])


def _table(asked: Packet, done: Packet) -> dict[str, Any]:
    """The result as JSON: one flat row a setting, in the order of the request."""
    head, arrays, t = done.head, done.arrays, asked.arrays.get("t")
    settings = asked.head["settings"]
    if len(settings) != arrays["means"].size:
        raise CorruptData("the worker judged other settings than it was given")
    failed = arrays.get("failed")
    rows = [
        {
            **setting,
            "scores": _plain(arrays["scores"][place]),
            "mean": float(arrays["means"][place]),
            "standard_error": _plain(arrays["errors"])[place],
            "rank": int(arrays["ranks"][place]),
            "close_to_best": head["close"][place],
            "failed_guardrails": None if failed is None else _plain(failed[place]),
            "seconds": round(float(arrays["seconds"][place]), 6),
        }
        for place, setting in enumerate(settings)
    ]
    folds = [{"from": a, "to": b} for a, b in zip(head["bounds"], head["bounds"][1:], strict=False)]
    if t is not None:
        folds = [{**one, "first": instant.text(int(t[one["from"]])), "last": instant.text(int(t[one["to"] - 1]))} for one in folds]
    causal = asked.head["causal"]
    return {
        "criterion": "log_loss" if causal else "risk",
        "baseline": 0.0 if causal else 1.0,
        "causality": "causal" if causal else "hindsight",
        "scale": head["scale"],
        "seed": asked.head["seed"],
        "n": int(asked.arrays["values"].size),
        "data": asked.head["data"],
        "data_fingerprint": fingerprint(*([t] if t is not None else []), asked.arrays["values"]),
        "rpsd": __version__,
        "folds": folds,
        "rows": rows,
        "best": settings[head["best"]] | {"mean": rows[head["best"]]["mean"], "row": head["best"]},
        "walk_forward": head["walk_forward"],
        "agreement": head["agreement"],
    }


def _found(table: dict[str, Any]) -> dict[str, Any]:
    """What a search has come to in numbers."""
    return {"best_mean": table["best"]["mean"], "baseline": table["baseline"], "settings": len(table["rows"]), "n": table["n"]}


def _plain(values: Any) -> list[float | None]:
    """Numbers as JSON: NaN is null."""
    return [None if math.isnan(value) else value for value in values.tolist()]
