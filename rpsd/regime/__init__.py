"""The catalogue of regime models: each fits returns in percent and gives the same kind of model state."""

from dataclasses import dataclass
from typing import Final, Protocol

from rpsd.core.market import Vector
from rpsd.core.model import Packet
from rpsd.core.parameters import HmmParameters
from rpsd.core.result import Matrix
from rpsd.regime import hmm, hmmlearn_hmm, jump


class Fit(Protocol):
    """Fit x (n,), log returns in percent; deterministic under a seed; `warm` is a model state of as many states to go on from.

    z (n, d), with x as its first column, is what the model sees; None: x alone.
    """

    def __call__(self, x: Vector, params: HmmParameters, *, seed: int, warm: Packet | None = None, z: Matrix | None = None) -> Packet:
        """The model state. Raises TooShort, NotFinite, ConstantSeries."""


@dataclass(frozen=True, slots=True)
class RegimeModel:
    """A member of the catalogue: `name` is the setting regimes.engine, `summary` one sentence."""

    name: str
    fit: Fit
    summary: str
    source: str


MODELS: Final[tuple[RegimeModel, ...]] = (
    RegimeModel(
        "numba",
        hmm.fit,
        "Gaussian hidden Markov model on the appliance's own kernels: several starts, sticky prior, variance floor.",
        "Rabiner (1989), Proc. IEEE 77(2), 257-286; Hamilton (1989), Econometrica 57(2), 357-384",
    ),
    RegimeModel(
        "hmmlearn",
        hmmlearn_hmm.fit,
        "The Gaussian model fitted by hmmlearn, of one column or of several: an independent peer, some twenty times slower.",
        "hmmlearn 0.3, GaussianHMM",
    ),
    RegimeModel(
        "jump",
        jump.fit,
        "Statistical jump model: bars cluster around centres, each change of state costs a fixed price; few and long regimes.",
        "Nystrup, Lindström, Madsen (2020), Expert Systems with Applications 150, 113307; "
        "Shu, Yu, Mulvey (2024), Journal of Asset Management 25, 493-507",
    ),
)
