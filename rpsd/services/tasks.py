"""What a worker can be asked to do: plain packets in, plain packets out, nothing of the database."""

import os
from collections.abc import Callable
from dataclasses import fields
from typing import Any, Final

import numpy as np

from rpsd.core.drift import Tolerance
from rpsd.core.model import Packet
from rpsd.core.observed import RETURN
from rpsd.core.parameters import BookParameters, GuardrailParameters, HmmParameters, LabelParameters, build
from rpsd.core.result import packed

Report = Callable[[float, str], None]
"""Called with the progress in [0, 1] and a few words."""
Task = Callable[[Packet, Report], Packet]
_CELLS: Final = "cells/"


def regime_detect(packet: Packet, report: Report) -> Packet:
    """Regimes of prices (n,) at t (n,) int64 ns.

    Head: regime_type, mode, params (mapping), interval, seed, refit_every, columns and include. The array cells/NAME (n,) is a stored
    column that these columns need. Answer and errors: regime.run.detect.
    """
    from rpsd.regime import run  # numerics wait for the first task

    report(0.0, "fitting")
    head, arrays = packet.head, packet.arrays
    return run.detect(
        arrays["prices"],
        arrays["t"],
        regime_type=head["regime_type"],
        mode=head["mode"],
        params=build(HmmParameters, head["params"]),
        interval=head["interval"],
        seed=head["seed"],
        refit_every=head.get("refit_every", 21),
        include=head.get("include", ()),
        columns=head.get("columns", RETURN),
        cells={name.removeprefix(_CELLS): cells for name, cells in arrays.items() if name.startswith(_CELLS)},
    )


def regime_train(packet: Packet, report: Report) -> Packet:
    """Models of many series.

    Head: cases [{regime_type, interval, cold, cells, drifted}], params (mapping), columns, seed, drift {psi, false_alarm_rate}. Case i has
    arrays prices/i (n,), t/i (n,) int64 ns, cells/i/NAME (n,) of its cells, and previous/i (uint8), the packed predecessor, if any.
    Answer: array i (uint8) the packed model of case i, or in the head's `refused` under i what refuses it: {code, detail}. Errors of a
    case: regime.train.train_many.
    """
    from rpsd.core.errors import RpsdError
    from rpsd.regime import train  # numerics wait for the first task

    head, arrays = packet.head, packet.arrays
    cases = []
    for i, case in enumerate(head["cases"]):
        held = arrays.get(f"previous/{i}")
        previous = None if held is None else Packet.unpack(held.tobytes())
        cells = {name: arrays[f"{_CELLS}{i}/{name}"] for name in case["cells"]}
        prices, t, columns = arrays[f"prices/{i}"], arrays[f"t/{i}"], tuple(head["columns"])
        kind = case["regime_type"], case["interval"]
        cases.append(train.Case(prices, t, *kind, previous, case["cold"], columns, cells, case.get("drifted", False)))
    tolerance = Tolerance(tuple(head["drift"]["psi"]), head["drift"]["false_alarm_rate"])
    done = train.train_many(cases, build(HmmParameters, head["params"]), seed=head["seed"], tolerance=tolerance, report=report)
    refused = {str(i): {"code": one.code, "detail": one.detail} for i, one in enumerate(done) if isinstance(one, RpsdError)}
    models = {str(i): np.frombuffer(one.pack(), np.uint8) for i, one in enumerate(done) if isinstance(one, Packet)}
    return Packet({"refused": refused}, models)


def book_train(packet: Packet, report: Report) -> Packet:
    """A model of the tapes of a book, or of several books.

    Head: ticks (one for each tape), label and params (mappings, whole), seed. Arrays: tape/i/COLUMN for each column of tape i, and previous
    (uint8), the packed model in production, if any. Answer and errors: book.train.train.
    """
    from rpsd.book import train  # numerics wait for the first task
    from rpsd.core.book import Tape

    head, arrays = packet.head, packet.arrays
    held = arrays.get("previous")
    tapes = [
        (Tape(**{field.name: arrays[f"tape/{i}/{field.name}"] for field in fields(Tape)}), tick) for i, tick in enumerate(head["ticks"])
    ]
    return train.train(
        tapes,
        build(LabelParameters, head["label"]),
        build(BookParameters, head["params"]),
        seed=head["seed"],
        report=report,
        rival=None if held is None else Packet.unpack(held.tobytes()),
    )


def denoise_ready(packet: Packet, _report: Report) -> Packet:
    """Load the numerics of a denoised series. Head: `kernels`, where compiled ones are kept, for a worker that is older than the settings.

    Head of the answer: `ready`, false where kernels would have to be compiled first.
    """
    if packet.head["kernels"]:
        os.environ.setdefault("NUMBA_CACHE_DIR", packet.head["kernels"])
    from rpsd.kernels import jit

    if not jit.is_cached():
        return Packet({"ready": False}, {})
    from rpsd.denoise import run  # noqa: F401 - imported for what its import costs
    from rpsd.kernels import wavelet

    wavelet.warm()
    return Packet({"ready": True}, {})


def denoise(packet: Packet, _report: Report) -> Packet:
    """One series: arrays values (n,) and, if it has times, t (n,) int64 ns; the head as DenoiseService.settled, guardrails as a mapping.

    Answer: the fields of DenoiseResult. Errors: denoise.run.denoise.
    """
    from rpsd.denoise import run

    how = {**packet.head, "guardrails": build(GuardrailParameters, packet.head["guardrails"])}
    return packed(run.denoise(packet.arrays["values"].copy(), t=packet.arrays.get("t"), **how))


def denoise_search(packet: Packet, report: Report) -> Packet:
    """Scores of settings on values (n,), with times t (n,) int64 ns if they have any.

    Head: causal, scale, fill, folds, seed, settings [{method, params}] (params whole). Answer: head of denoise.search.summary and the
    folds; arrays scores and failed (settings, folds), seconds (settings,). Errors: denoise.search.prepare, run, summary.
    """
    from rpsd.denoise import door, search  # numerics wait for the first task

    head = packet.head
    task = search.prepare(
        packet.arrays["values"],
        packet.arrays.get("t"),
        causal=head["causal"],
        scale=head["scale"],
        fill=head["fill"],
        folds=head["folds"],
        seed=head["seed"],
    )
    causality = "causal" if head["causal"] else "hindsight"
    found = [door.find(one["method"], causality) for one in head["settings"]]
    settings = [search.Setting(m, build(m.params, one["params"])) for m, one in zip(found, head["settings"], strict=True)]
    table = search.run(task, settings, report)
    told = search.summary(table.scores)
    arrays = {name: told.pop(name) for name in ("means", "errors", "ranks")}
    close = [bool(one) for one in told.pop("close")]
    failed = {} if table.failed is None else {"failed": table.failed}
    head = {**told, "close": close, "scale": task.scale, "bounds": list(task.bounds)}
    return Packet(head, {"scores": table.scores, "seconds": table.seconds, **failed, **arrays})


def book_backtest(packet: Packet, report: Report) -> Packet:
    """Trades on what a model says of the tapes of a book, with costs.

    Head: ticks of the tapes, params, fees, label, book (mappings) and seed. Arrays: tape/i/COLUMN of each tape, and model (uint8), a packed
    model; without it models of `label` with the parameters `book` are fitted walk-forward. Answer: backtest.run_all, with `fits` in its
    head, one entry for each fit. Errors: backtest.run_all, forward.
    """
    from rpsd.book import backtest, forward  # numerics wait for the first task
    from rpsd.core.book import Fees, Tape
    from rpsd.core.parameters import BacktestParameters, BookParameters, LabelParameters

    head, arrays = packet.head, packet.arrays
    columns = ("kind", "t", "received", "sequence", "row", "bids", "asks", "counts", "quotes", "trades")
    tapes = [(Tape(*(arrays[f"tape/{i}/{name}"] for name in columns)), tick) for i, tick in enumerate(head["ticks"])]
    fits: list[dict[str, Any]] = []
    if "model" in arrays:
        report(0.1, "replaying")
        stretches = forward.by_model(tapes, Packet.unpack(arrays["model"].tobytes()))
    else:
        label, book = build(LabelParameters, head["label"]), build(BookParameters, head["book"])
        stretches, fits = forward.walk_forward(
            tapes, label, book, seed=head["seed"], report=lambda share, words: report(0.9 * share, words)
        )
    report(0.9, "trading")
    done = backtest.run_all(stretches, build(BacktestParameters, head["params"]), Fees(**head["fees"]), seed=head["seed"])
    return Packet({**done.head, "fits": fits}, done.arrays)


def drift_scan(packet: Packet, report: Report) -> Packet:
    """The drift of models in production against their training windows. Packet and answer: drift_cases.scanned."""
    from rpsd.services.drift import cases as drift_cases

    report(0.0, "comparing")
    return drift_cases.scanned(packet)


def model_score(packet: Packet, _report: Report) -> Packet:
    """Live scores of several versions of each of many models.

    Head: cases [{kind: regime, versions, cells} or {kind: book, versions, ticks}]. Arrays of case i: model/i/j (uint8) the packed version
    j; of a regime model prices/i (n,), t/i (n,) int64 ns and cells/i/NAME (n,); of a book tape/i/j/COLUMN of each tape j. Answer: arrays
    t/i/j and values/i/j (m,), as regime.score.live_scores and book.live_score.live_scores tell.
    """
    from rpsd.book import live_score  # numerics wait for the first task
    from rpsd.core.book import Tape
    from rpsd.regime import score

    arrays, found = packet.arrays, dict[str, Any]()
    for i, case in enumerate(packet.head["cases"]):
        models = [Packet.unpack(arrays[f"model/{i}/{j}"].tobytes()) for j in range(case["versions"])]
        if case["kind"] == "book":
            columns = [field.name for field in fields(Tape)]
            tapes = [(Tape(*(arrays[f"tape/{i}/{j}/{name}"] for name in columns)), tick) for j, tick in enumerate(case["ticks"])]
            t, values = live_score.live_scores(tapes, models)
            scored = [(t, values[:, j]) for j in range(len(models))]
        else:
            cells = {name: arrays[f"{_CELLS}{i}/{name}"] for name in case["cells"]}
            scored = [score.live_scores(model, arrays[f"t/{i}"], arrays[f"prices/{i}"], cells) for model in models]
        for j, (t, values) in enumerate(scored):
            found |= {f"t/{i}/{j}": t, f"values/{i}/{j}": values}
    return Packet({}, found)


def warm(_packet: Packet, _report: Report) -> Packet:
    """Import the numerics of the tasks above and compile or load their kernels, so that the first real task does not pay for it."""
    from rpsd.kernels import climb, drift, garch, groups, hmm, jit, movement
    from rpsd.regime import train  # noqa: F401 - imported for what its import costs

    hmm.warm()
    climb.warm()
    garch.warm()
    groups.warm()
    drift.warm()
    movement.warm()
    jit.return_compiler()
    return Packet({}, {})


TASKS: Final[tuple[tuple[str, Task], ...]] = (
    ("book_backtest", book_backtest),
    ("book_train", book_train),
    ("denoise", denoise),
    ("denoise_ready", denoise_ready),
    ("denoise_search", denoise_search),
    ("drift_scan", drift_scan),
    ("model_score", model_score),
    ("regime_detect", regime_detect),
    ("regime_train", regime_train),
    ("warm", warm),
)
"""Every task by the name that travels."""
