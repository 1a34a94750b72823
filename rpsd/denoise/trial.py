"""One attempt of a method under the guardrails, and the back-off that follows a failure."""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rpsd.core.catalogue import Method
from rpsd.core.market import Times, Vector
from rpsd.core.parameters import GuardrailParameters
from rpsd.core.result import Guardrail, Warned
from rpsd.denoise import classic, guardrail, revision, sample, spectrum
from rpsd.denoise.noise import Noise
from rpsd.kernels import residual

PROBES: Final = 3
_EPS: Final = 0.1  # size of a probe in sigmas
_ONE_IS_ENOUGH: Final = 1 << 15  # samples
_HALVINGS: Final = 6


@dataclass(frozen=True, slots=True)
class Setting:
    """What every attempt shares: the working series, its noise and spectrum, the probes' random signs and room (n,), the rules.

    `heavy`: the noise itself has heavy tails.
    """

    y: Vector
    starts: Times
    noise: Noise
    frames: spectrum.Frames
    signs: npt.NDArray[np.uint64]
    room: Vector
    rules: GuardrailParameters
    heavy: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """x̂ (n,) of a method that nothing has judged yet, sum sigma_t^2 dx̂_t/dy_t, and its estimated risk."""

    method: Method
    params: Any
    x: Vector
    divergence: float
    risk: float


@dataclass(frozen=True, slots=True)
class Trial:
    """x̂ (n,) of one attempt with its guardrails, the names of the deciding ones that failed, its risk and quality in 0..100."""

    x: Vector
    method: Method
    params: Any
    guardrails: dict[str, Guardrail]
    failed: tuple[str, ...]
    risk: float
    quality: float
    warnings: tuple[Warned, ...]

    def summary(self) -> dict[str, Any]:
        """One line of the trace."""
        return {"strength": self.params.strength, "risk": self.risk, "failed": list(self.failed)}


def setting(y: Vector, starts: Times, noise: Noise, rules: GuardrailParameters, seed: int) -> Setting:
    """The setting of y (n,) with its noise; equal seeds give equal probes."""
    frames = spectrum.frames(y, noise.at, starts, varies=noise.varies)
    return Setting(y, starts, noise, frames, random_signs(y.size, seed), np.empty(y.size), rules)


def part(given: Setting, most: int, width: int) -> Setting:
    """The same setting on evenly spread pieces of its series, or itself when it has at most `most` samples."""
    pieces = sample.spread(given.starts, most, width)
    if given.y.size <= most:
        return given
    y, starts = sample.taken(given.y, pieces)
    at, _ = sample.taken(given.noise.at, pieces)
    noise = replace(given.noise, at=at, square=float(np.dot(at, at)) / at.size)
    frames = spectrum.frames(y, at, starts, varies=noise.varies)
    return Setting(y, starts, noise, frames, given.signs[:, : (y.size + 63) // 64].copy(), np.empty(y.size), given.rules)


def random_signs(n: int, seed: int) -> npt.NDArray[np.uint64]:
    """Random bits (probes, n/64 words) for the probes of n samples; equal for equal seeds."""
    probes = PROBES if n < _ONE_IS_ENOUGH else 1
    return np.random.default_rng(seed).integers(0, 1 << 64, size=(probes, (n + 63) // 64), dtype=np.uint64)


def apply(method: Method, y: Vector, starts: Times, params: Any) -> Vector:
    """x̂ (n,): the method on each session by itself."""
    if starts.size == 2:
        return method.run(y, params)
    return np.concatenate([method.run(y[a:b], params) for a, b in pairwise(starts)])


def _probed(setting: Setting, method: Method, params: Any, x: Vector) -> float:
    """sum sigma_t^2 dx̂_t/dy_t, the mean over the random probes of eps = 0.1 sigma: three below 2^15 samples, one from there on.

    A probe's own error falls with sqrt(n): the standard deviation of the risk over probes is .02 at 1,024 samples and below .01 at 2^15
    with a single one, where the error of sigma moves the risk as much.
    """
    draws, probe = [], setting.room
    for bits in setting.signs:
        residual.perturb(setting.y, setting.noise.at, bits, _EPS, probe)
        draws.append(residual.response(apply(method, probe, setting.starts, params), x, setting.noise.at, bits, _EPS))
    return float(np.mean(draws))


def _answered(setting: Setting, method: Method, params: Any) -> tuple[Vector, float]:
    """x̂ (n,) and sum sigma_t^2 dx̂_t/dy_t: in closed form where the method has one, else by probes."""
    if method.response is None:
        x = apply(method, setting.y, setting.starts, params)
        return x, _probed(setting, method, params, x)
    found = [method.response(setting.y[a:b], params) for a, b in pairwise(setting.starts)]
    x, moved = found[0] if len(found) == 1 else (np.concatenate([one[i] for one in found]) for i in (0, 1))
    at = setting.noise.at
    return x, float(np.einsum("i,i,i", at, at, moved))  # no array in between: a long series has several already


def answer(setting: Setting, method: Method, params: Any) -> Answer:
    """Run the method once and estimate its risk. O(n) of the method."""
    x, divergence = _answered(setting, method, params)
    rest = setting.y - x
    risk = guardrail.risk(float(np.dot(rest, rest)) / rest.size, divergence, setting.noise)
    return Answer(method, params, x, divergence, risk)


def attempt(setting: Setting, method: Method, params: Any) -> Trial:
    """Run the method once and judge the result."""
    return judge(setting, answer(setting, method, params))


def judge(setting: Setting, given: Answer) -> Trial:
    """The answer under its guardrails; both families are computed, the policy says which decides. O(n)."""
    method, params, x = given.method, given.params, given.x
    powers = spectrum.powers(setting.frames, x)
    verdict = guardrail.judge(
        setting.y, x, setting.noise, setting.starts, divergence=given.divergence, powers=powers, heavy=setting.heavy
    )  # fmt: skip
    rules = verdict.guardrails
    if setting.rules.revision:
        rules = rules | {"revision": _revision(setting, method, params, x)}
    shown = classic.judge(setting.y, x, setting.starts, powers, setting.rules)
    deciding = shown if setting.rules.policy == "classic" else rules
    removed = min(max(1.0 - verdict.risk, 0.0), 1.0)
    quality = 100.0 * removed * guardrail.share_passed(deciding)
    return Trial(x, method, params, rules | shown, guardrail.failed(deciding), verdict.risk, quality, verdict.warnings)


def _revision(setting: Setting, method: Method, params: Any, x: Vector) -> Guardrail:
    """The revision of the newest value in sigmas; it does not apply to a method whose values are final."""
    most = setting.rules.revision_threshold
    if method.causal:
        return Guardrail(None, most, None)
    value = revision.endpoint_revision(method, setting.y, setting.starts, params, setting.noise.at, x=x)
    return Guardrail(value, most, None if value is None else value <= most)


def back_off(setting: Setting, method: Method, first: Trial) -> tuple[Trial | None, tuple[dict[str, Any], ...]]:
    """The first attempt that passes when the strength is halved up to six times, or None; and the trace of all attempts."""
    trial, trace = first, [first.summary()]
    for _ in range(_HALVINGS):
        if not trial.failed:
            break
        trial = attempt(setting, method, replace(trial.params, strength=trial.params.strength / 2.0))
        trace.append(trial.summary())
    return (None if trial.failed else trial), tuple(trace)
