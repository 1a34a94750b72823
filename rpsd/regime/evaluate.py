"""How well a model foretells bars that it has not seen, and how steady its filtered states are."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from rpsd.core.market import Times, Vector
from rpsd.core.model import Packet
from rpsd.core.result import Labels, Matrix
from rpsd.regime.hmm import ahead, filter_from, filtered, stationary

_HELD_OUT: Final = 5
"""One bar in so many, the last ones, is held out."""


LEAST_NEW: Final = 40
"""From so many bars since a predecessor that has drifted, the newer half of them judges."""


def seen_by_trial(n: int, new: int = 0) -> int:
    """How many of n bars the trial fit may see; the bars after them are held out.

    `new` bars came after the fit of a predecessor that has drifted: of a world that was not there before. The trial fit must see some of
    them, or it could only fail, so that at most the newer half of them is held out.

    >>> seen_by_trial(500), seen_by_trial(500, 60), seen_by_trial(500, 400)
    (400, 470, 400)
    """
    held = n // _HELD_OUT
    return n - (min(held, new // 2) if new >= LEAST_NEW else held)


@dataclass(frozen=True, slots=True)
class Trial:
    """The fits that the held-out bars judge: the model's own and that of one state, both on the bars before them alone."""

    state: Packet
    one_state: Packet


@dataclass(frozen=True, slots=True)
class Rival:
    """The predecessor: its own trial fit, which saw no bar after until_ns, beside the times t (n,) in ns UTC of the bars to judge by.

    Trial against trial is the fair match: the model in production itself has seen nearly all of the bars that are held out now.
    """

    state: Packet
    until_ns: int
    t: Times


def held_out(z: Vector | Matrix, trial: Trial, rival: Rival | None, split: int) -> dict[str, Any]:
    """Predictive log-likelihood in nats per bar of z (n, d), or returns (n,), from `split` on, by the trial, one state, the predecessor.

    `gain` is that over one state of the same emission: at or below zero the regimes foretell nothing. None stands for
    a predecessor that is not there. Causal: each bar is judged by the density that stood before it. Cost O(n k^2).
    """
    mine, alone = (_per_bar(state, z, split) for state in (trial.state, trial.one_state))
    theirs = None if rival is None else _fair(rival, z, split)
    return {
        "held_out_bars": int(z.shape[0] - split),
        "log_likelihood_per_bar": mine,
        "one_state_per_bar": alone,
        "gain": mine - alone,
        "predecessor_per_bar": theirs,
    }


def _per_bar(state: Packet, z: Vector | Matrix, split: int) -> float:
    _, evidence = filter_from(state, ahead(state, filtered(state, z[:split])[-1]), z[split:])
    return float(evidence.mean())


def _fair(rival: Rival, z: Vector | Matrix, split: int) -> float:
    """The rival's figure without what it owes to held-out bars that it has seen after all, as when the window has grown.

    That advantage is of its free parameters over its bars in nats a bar, for the share that it saw.
    Source: Akaike (1974), IEEE Trans. Autom. Control 19(6), 716-723.
    """
    head = rival.state.head
    saw = float(np.mean(rival.t[split:] <= rival.until_ns))
    free = float(head["aic"]) / 2 + float(head["log_likelihood"])  # as its own family counts them
    optimism = free / int(head["n"])
    return _per_bar(rival.state, z, split) - saw * optimism


def steadiness(state: Packet, probabilities: Matrix, before: Labels | None) -> dict[str, Any]:
    """How often the filtered path (n, k) switches, and the switches in n bars that the model itself expects.

    `relabelled` is the share of bars whose state differs from the path `before` (n,) by the predecessor, None without one.
    """
    path = probabilities.argmax(axis=1)
    leaving = 1 - np.diag(state.arrays["transmat"])
    return {
        "switches": int((np.diff(path) != 0).sum()),
        "expected_switches": float(stationary(state) @ leaving * (path.size - 1)),
        "relabelled": None if before is None else float(np.mean(path != before)),
    }
