"""`auto`: which method answers a request that names none, and why."""

from collections.abc import Mapping
from typing import Any

from rpsd.core.catalogue import Method
from rpsd.core.parameters import WaveletParameters
from rpsd.denoise import kalman, trial, wavelet


def choose(causality: str) -> tuple[Method, str]:
    """The method for hindsight or causal requests and the reason in words."""
    if causality != "hindsight":
        return kalman.METHOD, f"{causality} request: the local-level filter, refitted on a trailing window, uses the past only"
    return wavelet.METHOD, "hindsight request: wavelet shrinkage may look at the whole series"


def candidates(given: Mapping[str, Any], params: WaveletParameters) -> tuple[WaveletParameters, ...]:
    """The settings that auto compares: without the low pass and with it, unless the request itself says which."""
    if "use_fir_filter" in given or not params.use_fir_filter:
        return (params,)
    return (wavelet.without_fir(params), params)


def compare(setting: trial.Setting, method: Method, options: tuple[WaveletParameters, ...]) -> tuple[trial.Trial, dict[str, Any]]:
    """The best attempt of the options, and the evidence: one that passes before one that fails, then the lower estimated risk."""
    trials = [trial.attempt(setting, method, option) for option in options]
    best = min(trials, key=lambda t: (bool(t.failed), t.risk))
    rows = [{"use_fir_filter": t.params.use_fir_filter, "risk": t.risk, "failed": list(t.failed)} for t in trials]
    word = "with" if best.params.use_fir_filter else "without"
    return best, {"candidates": rows, "choice": f"{word} the low pass: guardrails first, then the lower estimated risk"}
