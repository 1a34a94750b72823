"""From a request to an answer: scale, sessions, method, guardrails, and the account of what was done."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from rpsd.core.catalogue import Method
from rpsd.core.errors import Fault, GuardrailFailed
from rpsd.core.market import Times, Vector
from rpsd.core.parameters import GuardrailParameters
from rpsd.core.result import DenoiseResult, Warned
from rpsd.denoise import auto, door, noise, trial, wavelet
from rpsd.denoise import scale as scales

_CALIBRATED: Final = GuardrailParameters()


@dataclass(frozen=True, slots=True)
class _Case:
    """A checked request: filled values (n,), the method and its parameters, and what is already known for the evidence."""

    values: Vector
    method: Method
    params: Any
    options: tuple[Any, ...]
    scale: str
    evidence: dict[str, Any]


def _answer(case: _Case, values: Vector, *, action: str, reason: str, **more: Any) -> DenoiseResult:
    """The result with the fields that every outcome shares; more overrides those of an untouched series."""
    values.flags.writeable = False
    untouched: dict[str, Any] = {
        "params": asdict(case.params), "guardrails": {}, "passed": False, "noise_sigma": 0.0, "snr_gain_db": None,
        "variance_reduction": 0.0, "quality_score": 0.0, "evidence": case.evidence,
    }  # fmt: skip
    filled = untouched | more
    return DenoiseResult(values, case.method.name, causal=case.method.causal, action=action, reason=reason, scale=case.scale, **filled)


def _status(case: _Case, work: scales.Working) -> str | None:
    """Why there is nothing to denoise, or None."""
    if np.isnan(case.values).any():
        return "all values are missing"
    if case.values.size < scales.SHORTEST:
        return f"{case.values.size} values are too few: at least {scales.SHORTEST} are needed"
    if case.values.min() == case.values.max():
        return "the series is constant"
    if work.y.size == 0:
        return f"every session is shorter than {scales.SHORTEST} samples; leave out `t` to filter across the gaps"
    return None


def _variance_reduction(y: Vector, x: Vector, starts: Times) -> float:
    """1 - var(steps of x̂) / var(steps of y), steps within sessions on the working scale."""
    of_y, of_x = (_step_variance(v, starts) for v in (y, x))
    return 1.0 - of_x / of_y if of_y > 0.0 else 0.0


def _step_variance(y: Vector, starts: Times) -> float:
    steps = np.diff(y)
    if starts.size > 2:
        steps = np.delete(steps, starts[1:-1] - 1)
    steps -= steps.mean()
    return float(np.dot(steps, steps)) / steps.size


def _warmed_up(x: Vector, work: scales.Working) -> Vector:
    """Causal x̂ whose first fifteen samples of each session are the input: a session that ends there is not filtered either."""
    out = x.copy()
    for a in work.starts[:-1]:
        out[a : a + scales.SHORTEST - 1] = work.y[a : a + scales.SHORTEST - 1]
    return out


def _unjudged(case: _Case, work: scales.Working, reason: str, *, action: str, sigma: float, warnings: tuple[Warned, ...]) -> DenoiseResult:
    """The method's result where no guardrail is computed."""
    x = trial.apply(case.method, work.y, work.starts, case.params)
    x = _warmed_up(x, work) if case.method.causal else x
    reduction = _variance_reduction(work.y, x, work.starts)
    return _answer(
        case, work.restore(x), action=action, reason=reason, noise_sigma=sigma, variance_reduction=reduction, warnings=warnings
    )  # fmt: skip


def _judged(case: _Case, work: scales.Working, setting: trial.Setting) -> DenoiseResult:
    """The method's result after its guardrails and what they do."""
    rules, first = setting.rules, None
    if len(case.options) > 1:
        first, comparison = auto.compare(setting, case.method, case.options)
        case.evidence.update(comparison)
    first = first or trial.attempt(setting, case.method, case.params)
    if first.failed and rules.on_failure == "reject":
        faults = [
            Fault(f"/guardrails/{name}", f"{first.guardrails[name].value} against {first.guardrails[name].threshold}")
            for name in first.failed
        ]
        raise GuardrailFailed(f"failed: {', '.join(first.failed)}", errors=faults)
    backs_off = bool(first.failed) and rules.on_failure == "back_off" and not case.method.causal
    kept, trace = trial.back_off(setting, case.method, first) if backs_off else (first, (first.summary(),))
    shown = kept or first
    action, reason = _outcome(case, first, kept, rules)
    about = {
        "guardrails": shown.guardrails, "noise_sigma": setting.noise.sigma, "trace": trace,
        "warnings": setting.noise.warnings + shown.warnings, "params": asdict(shown.params), "passed": kept is not None and not kept.failed,
    }  # fmt: skip
    if kept is None:
        return _answer(case, case.values.copy(), action=action, reason=reason, snr_gain_db=0.0, **about)
    x = _warmed_up(kept.x, work) if case.method.causal else kept.x
    about["variance_reduction"] = _variance_reduction(work.y, x, work.starts)
    about["snr_gain_db"] = -10.0 * float(np.log10(max(kept.risk, 1e-3)))  # estimates at or below 0 are capped at 30 dB
    return _answer(case, work.restore(x), action=action, reason=reason, quality_score=kept.quality, **about)


def _outcome(case: _Case, first: trial.Trial, kept: trial.Trial | None, rules: GuardrailParameters) -> tuple[str, str]:
    """Action and reason in words."""
    names = ", ".join(first.failed)
    if not first.failed:
        return "accepted", f"all {rules.policy} guardrails passed"
    if kept is None:
        return "returned_original", f"{names} failed, and no weaker setting passed: the original is returned"
    if not kept.failed:
        return "backed_off", f"{names} failed at full strength; strength {kept.params.strength:g} passes"
    if case.method.causal and rules.on_failure == "back_off":
        return "flagged", f"{names} failed; a causal result is never weakened by what came later, so it is flagged"
    return "flagged", f"{names} failed"


def _prepare(
    y: Vector, *, method: str, causality: str, scale: str, fill: str, params: Mapping[str, Any], defaults: Mapping[str, Any]
) -> _Case:
    """Check every word and number of the request and settle method, parameters and scale."""
    door.check_words(causality=causality, scale=scale, fill=fill)
    evidence: dict[str, Any] = {}
    if method == "auto":
        chosen, evidence["auto"] = auto.choose(causality)
    else:
        chosen = door.find(method, causality)
    built = door.method_parameters(chosen, params, defaults)
    options: tuple[Any, ...] = (built,)
    if chosen.name == "wavelet":
        wavelet.filters(built.wavelet)  # refuses an unknown name before any work
        options = auto.candidates(params, built) if method == "auto" else options
    values, bridged = door.finite(y, fill, causal=chosen.causal)
    if bridged:
        how = "last value carried forward" if chosen.causal else "straight line between neighbours"
        evidence["bridged"] = {"missing": bridged, "how": how}
    settled = scales.choose(values, scale, causal=chosen.causal) if not np.isnan(values).any() else "price"
    return _Case(values, chosen, options[0], options, settled, evidence)


def denoise(
    y: Vector, *, t: Times | None = None, method: str = "auto", causality: str = "hindsight", scale: str = "auto", fill: str = "none",
    params: Mapping[str, Any] | None = None, guardrails: GuardrailParameters = _CALIBRATED, defaults: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> DenoiseResult:  # fmt: skip
    """Denoise y (n,) in any unit, with times t (n,) in ns UTC when sessions matter; the answer is in the unit of y.

    `method` auto or a name of the catalogue, `causality` hindsight or causal, `scale` auto, price, log or return, `fill` none or
    bridge, `params` of the method over `defaults` (the configured ones of wavelet), `seed` of the guardrails' probes. y and t stay
    untouched. Fewer than 16 values, a constant series and all-missing values come back as they are, action returned_original.

    Causal methods: values[i] depends on nothing after i, bit for bit. Hence auto means the price scale, gaps are judged by the
    intervals before them, a missing value repeats the last one, the first 15 samples of a session are the input, and the guardrails
    of the whole series may flag or reject but never change a value: back_off acts as flag. The figures about the series (guardrails,
    risk, noise) are of the whole series and as such hindsight. Other methods: not causal. O(n).

    Raises NotFinite, TooShort (no values), BadRows, InvalidRequest, UnknownMethod, BadParameter, NotPositive, GuardrailFailed.
    Sources: the manual's chapter methods; Stein (1981) for the risk.
    """
    case = _prepare(
        y, method=method, causality=causality, scale=scale, fill=fill, params=params or {}, defaults=defaults or {}
    )  # fmt: skip
    door.check_times(t, case.values.size)
    starts = scales.cuts(t, case.values.size, causal=case.method.causal)
    work = scales.working(case.values, starts, case.scale)
    case.evidence["sessions"] = {"count": work.sessions, "too_short": work.skipped}
    if reason := _status(case, work):
        return _answer(case, case.values.copy(), action="returned_original", reason=reason)
    if case.method.name == "wavelet":
        case.evidence["level"] = wavelet.depth(int(np.diff(work.starts).min()), case.params)
    if guardrails.policy == "none":
        return _unjudged(case, work, "not judged: guardrails.policy is none", action="accepted", sigma=0.0, warnings=())
    found = noise.estimate(work.y, work.starts)
    case.evidence["noise"] = {name: getattr(found, name) for name in ("source", "finest_level", "roll", "local_level", "varies")}
    if found.sigma <= 0.0:
        quiet = "no noise was found: neighbouring steps do not cancel"
        if case.method.causal:
            return _unjudged(case, work, f"{quiet}; a causal result is only flagged", action="flagged", sigma=0.0, warnings=found.warnings)
        return _answer(case, case.values.copy(), action="returned_original", reason=quiet, warnings=found.warnings)
    return _judged(case, work, trial.setting(work.y, work.starts, found, guardrails, seed))
