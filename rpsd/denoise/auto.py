"""`auto`: which method answers a request that names none, and why."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from rpsd.core.catalogue import Method
from rpsd.denoise import METHODS, door, trial, wavelet

_COMPETITORS: Final = ("ti_bayes", "tv", "kalman_smoother")  # beside the wavelet, with and without its low pass
_CORNERED: Final = ("tv",)  # x̂ has corners in y: its estimated risk holds for normal noise only
_FLAT: Final = 2.2  # kurtosis of the residual below which the noise takes few values
_MOST: Final = 1 << 16  # samples that the comparison looks at
_PIECE: Final = 4096


@dataclass(frozen=True, slots=True)
class Candidate:
    """A method with its parameters."""

    method: Method
    params: Any

    def named(self) -> dict[str, Any]:
        """Name and parameters for the evidence."""
        return {"method": self.method.name, "params": asdict(self.params)}


def candidates(
    causality: str, given: Mapping[str, Any], defaults: Mapping[str, Any], lag: int | None
) -> tuple[tuple[Candidate, ...], str]:  # fmt: skip
    """Who may answer, the one that answers unjudged first, and the reason in words; raises BadParameter for the parameters given.

    Hindsight: the wavelet without and with its low pass and, unless the request itself sets parameters, which are those of `wavelet`,
    every other competitor. Causal and lag: one method, chosen before the data are seen, because a choice by what came later would
    reach back into values already served.
    """
    known = {method.name: method for method in METHODS}
    if causality == "hindsight":
        built = door.method_parameters(wavelet.METHOD, given, defaults)
        wavelet.filters(built.wavelet)  # refuses an unknown name before any work
        options = (built,) if "use_fir_filter" in given or not built.use_fir_filter else (wavelet.without_fir(built), built)
        names = () if given else tuple(name for name in _COMPETITORS if name in known)
        others = tuple(Candidate(known[name], known[name].params()) for name in names)
        reason = "hindsight request: any method may look at the whole series"
        return tuple(Candidate(wavelet.METHOD, option) for option in options) + others, reason
    if causality == "lag":
        chosen, why = known["fixed_lag"], "the smoother that waits for a stated number of samples"
    elif "model_average" in known:
        chosen, why = known["model_average"], "several filters, weighted at every sample by how well they foretold the ones before"
    else:
        chosen, why = known["kalman"], "the local-level filter, refitted on a trailing window"
    return (Candidate(chosen, door.method_parameters(chosen, given, {}, lag)),), f"{causality} request: {why}"


def compare(setting: trial.Setting, options: tuple[Candidate, ...]) -> tuple[Candidate, trial.Trial | None, dict[str, Any]]:
    """The best of the candidates, its trial if the whole series was looked at, and the evidence.

    One that passes the guardrails before one that fails, then the lower estimated risk. All share noise, probes and rules. A series of
    more than 65,536 samples is compared on evenly spread pieces. Total variation does not compete where the noise takes few values, as that
    of a coarse price grid: Stein's identity needs normal noise, and its estimate is then far too low. O(n) of the slowest candidate.
    """
    part = trial.part(setting, _MOST, _PIECE)
    trials = [trial.attempt(part, one.method, one.params) for one in options]
    unsure = [one.method.name in _CORNERED and t.kurtosis < _FLAT for one, t in zip(options, trials, strict=True)]
    order = sorted(range(len(options)), key=lambda i: (unsure[i], bool(trials[i].failed), trials[i].risk))
    best = order[0]
    rows = [
        one.named() | {"risk": t.risk, "failed": list(t.failed), "risk_holds": not doubt, "chosen": i == best}
        for i, (one, t, doubt) in enumerate(zip(options, trials, unsure, strict=True))
    ]
    evidence: dict[str, Any] = {"candidates": rows, "choice": _reason(options, trials, order)}
    if part is not setting:
        evidence["compared_on"] = {"samples": part.y.size, "pieces": part.starts.size - 1}
    return options[best], trials[best] if part is setting else None, evidence


def _reason(options: tuple[Candidate, ...], trials: list[trial.Trial], order: list[int]) -> str:
    """Why the first of the order is the best."""
    first = trials[order[0]]
    name = _words(options[order[0]])
    if len(order) == 1:
        return f"{name}: the only candidate"
    second = trials[order[1]]
    if first.failed:
        return f"{name}: none passes its guardrails; of all it has the lowest estimated risk, {first.risk:.3f}"
    better = sum(t.risk < first.risk for t in trials)
    beaten = f"; {better} of lower risk failed a guardrail or has a risk that does not hold for this noise" if better else ""
    return f"{name}: lowest estimated risk of those that pass, {first.risk:.3f} of the noise; the next has {second.risk:.3f}{beaten}"


def _words(one: Candidate) -> str:
    """The candidate in words."""
    if one.method.name != "wavelet":
        return one.method.name
    return "wavelet with the low pass" if one.params.use_fir_filter else "wavelet without the low pass"
