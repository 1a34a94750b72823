"""From a request to an answer: scale, sessions, method, guardrails, and the account of what was done."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rpsd.core.catalogue import Method
from rpsd.core.errors import Fault, GuardrailFailed
from rpsd.core.market import Times, Vector
from rpsd.core.parameters import GuardrailParameters
from rpsd.core.result import DenoiseResult, Guardrail, Warned
from rpsd.denoise import auto, door, noise, trial, wavelet
from rpsd.denoise import band as bands
from rpsd.denoise import scale as scales

_CALIBRATED: Final = GuardrailParameters()


@dataclass(frozen=True, slots=True)
class _Case:
    """A checked request: filled values (n,), which of them were missing, the method and its parameters, what is known for the evidence.

    `steady`: a value, once final, depends on nothing later than `lag` samples after it; it is never weakened by what came later.
    """

    values: Vector
    missing: npt.NDArray[np.bool_]
    method: Method
    params: Any
    options: tuple[auto.Candidate, ...]
    scale: str
    steady: bool
    lag: int
    wants_band: bool
    evidence: dict[str, Any]


def _answer(case: _Case, values: Vector, *, action: str, reason: str, **more: Any) -> DenoiseResult:
    """The result with the fields that every outcome shares; more overrides those of an untouched series."""
    values.flags.writeable = False
    untouched: dict[str, Any] = {
        "params": asdict(case.params), "guardrails": {}, "passed": False, "noise_sigma": 0.0, "snr_gain_db": None,
        "variance_reduction": 0.0, "quality_score": 0.0, "evidence": case.evidence,
    }  # fmt: skip
    filled = untouched | more
    if case.lag and action != "returned_original":
        last = Warned("provisional_values", f"the last {case.lag} values still wait for later samples and will change with them")
        filled["warnings"] = (*filled.get("warnings", ()), last)
    if case.wants_band and "lower" not in filled:
        filled |= dict.fromkeys(("lower", "upper", "deviation"), np.full(values.size, np.nan))
    return DenoiseResult(
        values, case.method.name, causal=case.method.causal, action=action, reason=reason, scale=case.scale, lag=case.lag, **filled
    )


def _band(case: _Case, work: scales.Working, x: Vector, params: Any) -> dict[str, Any]:
    """Fields of the 95 % band around x̂ (m,), or of the warning why there is none."""
    if not case.wants_band:
        return {}
    spread = bands.deviations(case.method, work.y, work.starts, params)
    reason = f"{case.method.name} has no model of its error" if spread is None else None
    if case.scale == "return":
        reason = "on the return scale errors add up along the series"
    if spread is None or reason:
        return {"warnings": (Warned("band_unavailable", f"{reason}: lower and upper are null"),)}
    if case.steady:
        for a in work.starts[:-1]:
            spread[a : a + scales.SHORTEST - 1] = np.nan  # there the input is shown
    around = bands.around(x, spread, work, case.missing)
    return {"lower": around.lower, "upper": around.upper, "deviation": around.deviation}


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


def _note_depth(case: _Case, work: scales.Working) -> None:
    """Say in the evidence how deep the wavelet transform goes in the shortest session."""
    if case.method.name == "wavelet":
        case.evidence["level"] = wavelet.depth(int(np.diff(work.starts).min()), case.params)


def _unjudged(case: _Case, work: scales.Working, reason: str, *, action: str, sigma: float, warnings: tuple[Warned, ...]) -> DenoiseResult:
    """The method's result where no guardrail is computed."""
    _note_depth(case, work)
    x = trial.apply(case.method, work.y, work.starts, case.params)
    x = _warmed_up(x, work) if case.steady else x
    about = _band(case, work, x, case.params)
    about["warnings"] = warnings + about.get("warnings", ())
    about["variance_reduction"] = _variance_reduction(work.y, x, work.starts)
    return _answer(case, work.restore(x), action=action, reason=reason, noise_sigma=sigma, **about)


def _judged(case: _Case, work: scales.Working, setting: trial.Setting) -> DenoiseResult:
    """The method's result after its guardrails and what they do."""
    rules, first = setting.rules, None
    if len(case.options) > 1:
        choice = auto.compare(setting, case.options)
        case.evidence.update(choice.evidence)
        case = replace(case, method=choice.best.method, params=choice.best.params)
        first, setting = choice.tried, choice.setting
    _note_depth(case, work)
    first = first or trial.attempt(setting, case.method, case.params)
    if first.failed and rules.on_failure == "reject":
        faults = [
            Fault(f"/guardrails/{name}", f"{first.guardrails[name].value} against {first.guardrails[name].threshold}")
            for name in first.failed
        ]
        raise GuardrailFailed(f"failed: {', '.join(first.failed)}", errors=faults)
    backs_off = bool(first.failed) and rules.on_failure == "back_off" and not case.steady
    kept, trace = trial.back_off(setting, case.method, first) if backs_off else (first, (first.summary(),))
    shown = kept or first
    action, reason = _outcome(case, first, kept, rules)
    about = {
        "guardrails": shown.guardrails, "noise_sigma": setting.noise.sigma, "trace": trace,
        "warnings": setting.noise.warnings + shown.warnings, "params": asdict(shown.params), "passed": kept is not None and not kept.failed,
    }  # fmt: skip
    if kept is None:
        return _answer(case, case.values.copy(), action=action, reason=reason, snr_gain_db=0.0, **about)
    x = _warmed_up(kept.x, work) if case.steady else kept.x
    shown_band = _band(case, work, x, kept.params)
    about |= shown_band | {"warnings": about["warnings"] + shown_band.get("warnings", ())}
    about["variance_reduction"] = _variance_reduction(work.y, x, work.starts)
    about["snr_gain_db"] = -10.0 * float(np.log10(max(kept.risk, 1e-3)))  # estimates at or below 0 are capped at 30 dB
    return _answer(case, work.restore(x), action=action, reason=reason, quality_score=kept.quality, **about)


def _kind(case: _Case) -> str:
    return "a causal result" if case.method.causal else f"a result of lag {case.lag}"


def _outcome(case: _Case, first: trial.Trial, kept: trial.Trial | None, rules: GuardrailParameters) -> tuple[str, str]:
    """Action and reason in words."""
    names = ", ".join(first.failed)
    if not first.failed:
        return "accepted", f"all {rules.policy} guardrails passed"
    if kept is None:
        return "returned_original", f"{names} failed, and no weaker setting passed: the original is returned"
    if not kept.failed:
        return "backed_off", f"{names} failed at full strength; strength {kept.params.strength:g} passes"
    if case.steady and rules.on_failure == "back_off":
        return "flagged", f"{names} failed; {_kind(case)} is never weakened by what came later, so it is flagged"
    return "flagged", f"{names} failed"


def _prepare(
    y: Vector, *, method: str, causality: str, lag: int | None, scale: str, fill: str, band: bool, params: Mapping[str, Any],
    defaults: Mapping[str, Any],
) -> _Case:  # fmt: skip
    """Check every word and number of the request and settle method, parameters and scale."""
    door.check_words(causality=causality, scale=scale, fill=fill)
    door.check_lag(causality, lag)
    evidence: dict[str, Any] = {}
    if method == "auto":
        options, evidence["auto"] = auto.candidates(causality, params, defaults, lag)
    else:
        found = door.find(method, causality)
        options = (auto.Candidate(found, door.method_parameters(found, params, defaults, lag)),)
        if found.name == "wavelet":
            wavelet.filters(options[0].params.wavelet)  # refuses an unknown name before any work
    chosen, settings = options[0].method, options[0].params
    steady = chosen.causal or chosen.delay is not None
    values, bridged = door.finite(y, fill, causal=steady)
    if bridged:
        how = "last value carried forward" if steady else "straight line between neighbours"
        evidence["bridged"] = {"missing": bridged, "how": how}
    missing = np.isnan(np.asarray(y, np.float64)) if bridged else np.zeros(values.size, np.bool_)
    settled = scales.choose(values, scale, causal=steady) if not np.isnan(values).any() else "price"
    waits = chosen.delay(settings) if chosen.delay is not None else 0
    return _Case(values, missing, chosen, settings, options, settled, steady, waits, band, evidence)


def denoise(
    y: Vector, *, t: Times | None = None, method: str = "auto", causality: str = "hindsight", lag: int | None = None, scale: str = "auto",
    fill: str = "none", band: bool = False, params: Mapping[str, Any] | None = None, guardrails: GuardrailParameters = _CALIBRATED,
    defaults: Mapping[str, Any] | None = None, seed: int = 0,
) -> DenoiseResult:  # fmt: skip
    """Denoise y (n,) in any unit, with times t (n,) in ns UTC when sessions matter; the answer is in the unit of y.

    `method` auto or a name of the catalogue, `causality` hindsight, causal or lag (of `lag` samples), `scale` auto, price, log or
    return, `fill` none or bridge, `band` to tell `lower` and `upper` too, `params` of the method over `defaults` (the configured ones of
    wavelet), `seed` of the guardrails' probes. y and t stay untouched. Fewer than 16 values, a constant series and all-missing values
    come back as they are, action returned_original.

    Causal methods: values[i] depends on nothing after i, bit for bit. Hence auto means the price scale, gaps are judged by the
    intervals before them, a missing value repeats the last one, the first 15 samples of a session are the input, and the guardrails
    of the whole series may flag or reject but never change a value: back_off acts as flag. The figures about the series (guardrails,
    risk, noise) are of the whole series and as such hindsight. A method that waits d samples keeps the same rules, but for the last d
    values: values[i] depends on nothing after i + d. Other methods: not causal. O(n).

    Raises NotFinite, TooShort (no values), BadRows, InvalidRequest, UnknownMethod, BadParameter, NotPositive, GuardrailFailed.
    Sources: the manual's chapter methods; Stein (1981) for the risk.
    """
    case = _prepare(
        y, method=method, causality=causality, lag=lag, scale=scale, fill=fill, band=band, params=params or {}, defaults=defaults or {}
    )  # fmt: skip
    door.check_times(t, case.values.size)
    starts = scales.cuts(t, case.values.size, causal=case.steady)
    work = scales.working(case.values, starts, case.scale)
    case.evidence["sessions"] = {"count": work.sessions, "too_short": work.skipped}
    if reason := _status(case, work):
        status = {"status": Guardrail(None, None, False)}  # alone: nothing else can be measured
        return _answer(case, case.values.copy(), action="returned_original", reason=reason, guardrails=status)
    if guardrails.policy == "none":
        return _unjudged(case, work, "not judged: guardrails.policy is none", action="accepted", sigma=0.0, warnings=())
    found = noise.estimate(work.y, work.starts)
    case.evidence["noise"] = {name: getattr(found, name) for name in ("source", "finest_level", "roll", "local_level", "varies")}
    if found.sigma <= 0.0:
        quiet = "no noise was found: neighbouring steps do not cancel"
        if case.steady:
            return _unjudged(case, work, f"{quiet}; {_kind(case)} is only flagged", action="flagged", sigma=0.0, warnings=found.warnings)
        return _answer(case, case.values.copy(), action="returned_original", reason=quiet, warnings=found.warnings)
    setting = trial.setting(work.y, work.starts, found, guardrails, seed)
    case.evidence["noise"]["least"] = min(found.least, setting.frames.floor, 1.0)
    return _judged(case, work, setting)
