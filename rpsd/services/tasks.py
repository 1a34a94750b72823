"""What a worker can be asked to do: plain packets in, plain packets out, nothing of the database."""

from collections.abc import Callable
from typing import Final

from rpsd.core.model import Packet
from rpsd.core.parameters import HmmParameters, build

Report = Callable[[float, str], None]
"""Called with the progress in [0, 1] and a few words."""
Task = Callable[[Packet, Report], Packet]


def regime_detect(packet: Packet, report: Report) -> Packet:
    """Regimes of prices (n,) at t (n,) int64 ns.

    Head: regime_type, mode, params (mapping), interval, seed, refit_every (21 when absent). Answer and errors: regime.run.detect.
    """
    from rpsd.regime import run  # numerics wait for the first task

    report(0.0, "fitting")
    head = packet.head
    return run.detect(
        packet.arrays["prices"],
        packet.arrays["t"],
        regime_type=head["regime_type"],
        mode=head["mode"],
        params=build(HmmParameters, head["params"]),
        interval=head["interval"],
        seed=head["seed"],
        refit_every=head.get("refit_every", 21),
    )


def regime_train(packet: Packet, report: Report) -> Packet:
    """A model of prices (n,) at t (n,) int64 ns.

    Head: regime_type, interval, params (mapping), seed, cold (false when absent). The array `previous` (uint8), if there is one, holds the
    packed predecessor. Answer and errors: regime.run.train.
    """
    from rpsd.regime import run  # numerics wait for the first task

    report(0.0, "fitting")
    head, previous = packet.head, packet.arrays.get("previous")
    return run.train(
        packet.arrays["prices"],
        packet.arrays["t"],
        regime_type=head["regime_type"],
        interval=head["interval"],
        params=build(HmmParameters, head["params"]),
        seed=head["seed"],
        previous=None if previous is None else Packet.unpack(previous.tobytes()),
        cold=head.get("cold", False),
    )


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


def warm(_packet: Packet, _report: Report) -> Packet:
    """Import the numerics of the tasks above and compile or load their kernels, so that the first real task does not pay for it."""
    from rpsd.kernels import garch, hmm, hmm_em, jit
    from rpsd.regime import run  # noqa: F401 - imported for what its import costs

    hmm.warm()
    hmm_em.warm()
    garch.warm()
    jit.return_compiler()
    return Packet({}, {})


TASKS: Final[tuple[tuple[str, Task], ...]] = (
    ("denoise_search", denoise_search),
    ("regime_detect", regime_detect),
    ("regime_train", regime_train),
    ("warm", warm),
)
"""Every task by the name that travels."""
