"""`auto`: which method answers a request that names none, and why."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, Final

import numpy as np

from rpsd.core.catalogue import Method
from rpsd.denoise import METHODS, door, doubt, trial, wavelet

_COMPETITORS: Final = ("ti_bayes", "kalman_smoother")  # beside the wavelet
_LINEAR: Final = "kalman_smoother"  # its risk holds for noise of any distribution
_OPTIMISM: Final = 1.05  # what a risk gains by thresholds chosen on the series itself
_HEAVY: Final = 3.4  # kurtosis of the linear residual from which Stein's identity, made for normal noise, misleads
_EQUAL: Final = 1.002  # errors of foretelling that differ by less are the same
_MOST: Final = 1 << 16  # samples that the comparison looks at
_PIECE: Final = 4096
_SHORTEST: Final = 16  # samples of a session of every other sample


@dataclass(frozen=True, slots=True)
class Candidate:
    """A method with its parameters."""

    method: Method
    params: Any

    def named(self) -> dict[str, Any]:
        """Name and parameters for the evidence."""
        return {"method": self.method.name, "params": asdict(self.params)}


@dataclass(frozen=True, slots=True)
class Choice:
    """The best candidate, its trial if the whole series was looked at, the setting that knows of heavy tails, and the evidence."""

    best: Candidate
    tried: trial.Trial | None
    setting: trial.Setting
    evidence: dict[str, Any]


def candidates(
    causality: str, given: Mapping[str, Any], defaults: Mapping[str, Any], lag: int | None
) -> tuple[tuple[Candidate, ...], str]:  # fmt: skip
    """Who may answer, the one that answers unjudged first, and the reason in words; raises BadParameter for the parameters given.

    Hindsight: the wavelet without its low pass and every competitor; parameters in the request are those of `wavelet`, and then only it
    competes, without and with the low pass unless they say which. Causal and lag: one method, chosen before the data are seen, because a
    choice by what came later would reach back into values already served.
    """
    known = {method.name: method for method in METHODS}
    if causality == "hindsight":
        built = door.method_parameters(wavelet.METHOD, given, defaults)
        wavelet.filters(built.wavelet)  # refuses an unknown name before any work
        plain = (built if "use_fir_filter" in given else wavelet.without_fir(built),)
        options = (*plain, built) if given and plain[0] != built else plain
        others = () if given else tuple(Candidate(known[name], known[name].params()) for name in _COMPETITORS)
        reason = "hindsight request: any method may look at the whole series"
        return tuple(Candidate(wavelet.METHOD, option) for option in options) + others, reason
    if causality == "lag":
        chosen, why = known["fixed_lag"], "the smoother that waits for a stated number of samples"
    else:
        chosen, why = known["model_average"], "several filters, weighted at every sample by how well they foretold the ones before"
    return (Candidate(chosen, door.method_parameters(chosen, given, {}, lag)),), f"{causality} request: {why}"


def compare(setting: trial.Setting, options: tuple[Candidate, ...]) -> Choice:
    """The best of the candidates.

    The first that passes its guardrails, in the order of estimated risk; those behind it are not judged. When none passes, the first. All
    share noise, probes and rules. A series of more than 65,536 samples is compared on evenly spread pieces. Where the linear method leaves
    heavier tails than normal noise, one that adapts to the series must also foretell every other sample as well as it; when one does not,
    the noise has those tails, and the guardrails allow for them. In a short series that cannot be told. O(n) of the slowest candidate.
    """
    part = trial.part(setting, _MOST, _PIECE)
    whole = part is setting
    answers = [trial.answer(part, one.method, one.params) for one in options]
    doubted = _doubted(part, answers)
    part = replace(part, heavy=bool(doubted))
    order = sorted(range(len(options)), key=lambda i: (i in doubted, _ranked(answers[i])))
    judged: dict[int, trial.Trial] = {}
    for i in order:
        judged[i] = trial.judge(part, answers[i])
        if not judged[i].failed:
            break
    best = i if not judged[i].failed else order[0]
    rows = [
        one.named() | {"risk": answers[i].risk, "failed": list(judged[i].failed) if i in judged else None}
        | {"risk_holds": i not in doubted, "chosen": i == best}
        for i, one in enumerate(options)
    ]  # fmt: skip
    evidence: dict[str, Any] = {"candidates": rows, "choice": _reason(options, answers, order, best, bool(judged[best].failed))}
    if not whole:
        evidence["compared_on"] = {"samples": part.y.size, "pieces": part.starts.size - 1}
    return Choice(options[best], judged[best] if whole else None, replace(setting, heavy=bool(doubted)), evidence)


def _ranked(one: trial.Answer) -> float:
    """The risk by which a candidate is ranked: a little more for one that adapts."""
    return one.risk if one.method.name == _LINEAR or one.risk < 0.0 else _OPTIMISM * one.risk


def _doubted(setting: trial.Setting, answers: list[trial.Answer]) -> frozenset[int]:
    """Places of the answers whose risk looks lower than that of the linear method but does not hold; none in a short series."""
    linear = next((one for one in answers if one.method.name == _LINEAR), None)
    if linear is None or setting.y.size <= doubt.SHORT:
        return frozenset()
    rivals = [i for i, one in enumerate(answers) if one is not linear and _ranked(one) < linear.risk]
    z = (setting.y - linear.x) / setting.noise.at
    z *= z
    if not rivals or float(np.dot(z, z)) * z.size < _HEAVY * float(z.sum()) ** 2:
        return frozenset()
    most = _EQUAL * _foretold(setting, linear)
    return frozenset(i for i in rivals if _foretold(setting, answers[i]) > most)


def _foretold(setting: trial.Setting, one: trial.Answer) -> float:
    """Mean squared error, in units of the noise, of the odd samples as the mean of x̂ on both sides, found from the even ones alone.

    Needs neither sigma nor a distribution: noise of odd samples is independent of what the even ones say. NaN when the sessions are too
    short. Source: Stone (1974), JRSS B 36, 111-147; Nason (1996), JRSS B 58, 463-479, for odd and even.
    """
    total, count = 0.0, 0
    for a, b in pairwise(setting.starts.tolist()):
        if b - a < 2 * _SHORTEST:
            continue
        x = one.method.run(setting.y[a:b:2].copy(), one.params)
        odd, sigma = setting.y[a + 1 : b : 2], setting.noise.at[a + 1 : b : 2]
        size = min(odd.size, x.size - 1)
        wrong = (odd[:size] - 0.5 * (x[:size] + x[1 : size + 1])) / sigma[:size]
        total, count = total + float(np.dot(wrong, wrong)), count + size
    return total / count if count else float("nan")


def _reason(options: tuple[Candidate, ...], answers: list[trial.Answer], order: list[int], best: int, failed: bool) -> str:
    """Why the best is the best."""
    name, risk = _words(options[best]), answers[best].risk
    if len(order) == 1:
        return f"{name}: the only candidate"
    if failed:
        return f"{name}: none passes its guardrails; of all it has the lowest estimated risk, {risk:.3f}"
    after = order[order.index(best) + 1 :]
    following = f"; the next has {answers[after[0]].risk:.3f}" if after else ""
    better = sum(one.risk < risk for one in answers)
    reasons = "failed a guardrail, has a risk that does not hold for this noise, or is within 5 %"
    beaten = f"; {better} of lower risk {reasons}" if better else ""
    return f"{name}: lowest estimated risk of those that pass, {risk:.3f} of the noise{following}{beaten}"


def _words(one: Candidate) -> str:
    """The candidate in words."""
    if one.method.name != "wavelet":
        return one.method.name
    return "wavelet with the low pass" if one.params.use_fir_filter else "wavelet without the low pass"
