"""Who takes part: every method of the catalogue with its defaults, the variants worth a line of their own, and the peers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rpsd.core.catalogue import Method
from rpsd.core.market import Vector
from rpsd.core.parameters import GuardrailParameters, build
from rpsd.core.result import DenoiseResult
from rpsd.denoise import METHODS
from rpsd.denoise.run import denoise
from tests.quality import peers
from tests.quality.further import Sample

UNJUDGED = GuardrailParameters(policy="none")
SKIMAGE = "scikit-image BayesShrink sym8"
EBAYES = "EbayesThresh-style TI sym8"
CLASSIC = "`wavelet`"
AUTO = "`auto`"
MIX = "`ti_bayes`"

VARIANTS: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "wavelet": ({"use_fir_filter": False}, {"use_fir_filter": False, "threshold_mode": "block"}),
    "ti_bayes": ({"wavelet": "sym8"}, {"wavelet": "haar"}, {"noise": "constant"}),
    "kalman": ({"model": "trend"},),
    "fixed_lag": tuple({"lag": lag} for lag in (1, 2, 5, 10)),
}
"""Settings besides the defaults; of a method, or a setting, that the catalogue does not know nothing is shown."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """A line of the table: `estimate` gives x̂ (n,) of a sample and the standard deviation of its error (n,) where it is claimed."""

    label: str
    estimate: Callable[[Sample], tuple[Vector, Vector | None]]


def label(method: Method, params: Mapping[str, Any]) -> str:
    """How the table names a method with these settings."""
    return " ".join([f"`{method.name}`", *(f"{name}={str(value).lower()}" for name, value in params.items())])


def ask(sample: Sample, **request: Any) -> DenoiseResult:
    """The product's answer, through its front door."""
    missing = bool(np.isnan(sample.y).any())
    return denoise(sample.y, t=sample.t, fill="bridge" if missing else "none", **request)


def claimed_deviation(y: Vector, answer: DenoiseResult) -> Vector | None:
    """What the method behind the answer says of its error, asked of its stream."""
    method = next(m for m in METHODS if m.name == answer.method)
    if method.stream is None:
        return None
    params = build(method.params, answer.params)
    state = method.stream.start(params)
    deviation = method.stream.advance(state, y, params)[1]
    if method.delay is not None and method.stream.flush is not None:
        return np.concatenate([deviation[method.delay(params) :], method.stream.flush(state, params)[1]])
    return deviation


def ours(name: str, params: Mapping[str, Any], **request: Any) -> Callable[[Sample], tuple[Vector, Vector | None]]:
    """A method of the catalogue, or auto, as an estimate."""

    def estimate(sample: Sample) -> tuple[Vector, Vector | None]:
        answer = ask(sample, method=name, params=params, **request)
        plain = sample.t is None and not np.isnan(sample.y).any()
        return answer.values, claimed_deviation(sample.y, answer) if plain else None

    return estimate


def theirs(peer: Callable[[Vector], Vector]) -> Callable[[Sample], tuple[Vector, Vector | None]]:
    """A peer as an estimate; it is handed the series bridged and without times."""
    return lambda sample: (peer(sample.bridged), None)


def _knows(method: Method, params: Mapping[str, Any]) -> bool:
    """Whether the method has these parameters with these words."""
    known = {f.name: f for f in method.params.__dataclass_fields__.values()}
    return all(n in known and (not known[n].metadata["choices"] or v in known[n].metadata["choices"]) for n, v in params.items())


def of_the_catalogue(methods: tuple[Method, ...]) -> list[Contestant]:
    """Each method with its defaults, then its variants, all without guardrails: what the method itself can do."""
    lines = []
    for method in methods:
        defaults = {f.name: f.default for f in method.params.__dataclass_fields__.values()}
        for params in ({}, *VARIANTS.get(method.name, ())):
            is_default = bool(params) and all(defaults.get(name) == value for name, value in params.items())
            if _knows(method, params) and not is_default:
                lines.append(Contestant(label(method, params), ours(method.name, params, guardrails=UNJUDGED)))
    return lines


def in_hindsight() -> list[Contestant]:
    """Lines of the hindsight tables: auto as a user gets it, the methods that look ahead, the peers."""
    return [
        Contestant(AUTO, ours("auto", {})),
        *of_the_catalogue(tuple(m for m in METHODS if not m.causal and m.delay is None)),
        Contestant(SKIMAGE, theirs(peers.skimage_bayes)),
        Contestant("the same, 16 cycle spins", theirs(peers.skimage_cycle_spun)),
        Contestant(EBAYES, theirs(peers.ebayes_thresh)),
        Contestant("statsmodels local level RTS", theirs(peers.kalman_rts)),
    ]


def online() -> list[Contestant]:
    """Lines of the causal table: auto, the causal methods, those that wait, and the classic default in a rolling window."""
    return [
        Contestant(f"{AUTO} causal", ours("auto", {}, causality="causal", guardrails=UNJUDGED)),
        *of_the_catalogue(tuple(m for m in METHODS if m.causal or m.delay is not None)),
        Contestant("`wavelet` in a rolling window of 256", theirs(rolling_classic)),
    ]


def rolling_classic(y: Vector) -> Vector:
    """The classic default made causal by force: at each sample the last value of the transform of the 256 before it."""
    wavelet = next(m for m in METHODS if m.name == "wavelet")
    params, x = wavelet.params(), y.copy()
    for t in range(255, y.size):
        x[t] = wavelet.run(y[t - 255 : t + 1].copy(), params)[-1]
    return x
