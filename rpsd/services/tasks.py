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


def warm(_packet: Packet, _report: Report) -> Packet:
    """Import the numerics of the tasks above and compile or load their kernels, so that the first real task does not pay for it."""
    from rpsd.kernels import hmm, hmm_em
    from rpsd.regime import run  # noqa: F401 - imported for what its import costs

    hmm.warm()
    hmm_em.warm()
    return Packet({}, {})


TASKS: Final[tuple[tuple[str, Task], ...]] = (("regime_detect", regime_detect), ("regime_train", regime_train), ("warm", warm))
"""Every task by the name that travels."""
