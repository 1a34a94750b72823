"""Results in words: what a denoising removed, and where the regimes stand."""

import textwrap
from typing import TYPE_CHECKING, Any

from rpsd.cli.output import WIDTH, table

if TYPE_CHECKING:
    from rpsd.core.result import DenoiseResult

_ACTIONS = {
    "accepted": "accepted at the first attempt",
    "backed_off": "accepted after backing off",
    "flagged": "returned although a guardrail failed",
    "returned_original": "the original was returned",
}


def denoised(result: "DenoiseResult", n: int, seconds: float) -> str:
    """What was removed and what the guardrails say, for a terminal of 100 columns."""
    gain = "not defined" if result.snr_gain_db is None else f"{result.snr_gain_db:.2f} dB"
    rows = [
        f"  method              {result.method}, on the {result.scale} scale ({_view(result)})",
        f"  points              {n:,} in {seconds:.3f} s",
        f"  noise sigma         {result.noise_sigma:.3g} ({result.scale} scale)",
        f"  SNR gain            {gain}",
        f"  variance reduction  {result.variance_reduction:.1%} of the variance of the increments",
        f"  outcome             {_ACTIONS.get(result.action, result.action)}"
        + (":\n" + textwrap.fill(result.reason, WIDTH, initial_indent=" " * 22, subsequent_indent=" " * 22) if result.reason else ""),
    ]
    failed = "missed, but does not decide" if result.passed else "FAILED"
    guards = [
        (name, guard.value, guard.threshold, "-" if guard.passed is None else "passed" if guard.passed else failed)
        for name, guard in result.guardrails.items()
    ]
    text = "\n".join(rows) + "\n\n" + _indented(table(("guardrail", "value", "threshold", "verdict"), guards))
    warnings = [_doubt(warned.code, warned.detail) for warned in result.warnings]
    return "\n".join([text, *warnings])


def _view(result: "DenoiseResult") -> str:
    if result.causal:
        return "causal: each value uses the past alone"
    return f"lag: each value waits for {result.lag} more" if result.lag else "hindsight: values use both sides of them"


def _doubt(code: str, detail: str) -> str:
    return textwrap.fill(f"{code}: {detail}", WIDTH, initial_indent="  doubtful  ", subsequent_indent=" " * 12)


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def _moment(text: str) -> str:
    """The time; of midnight its date."""
    return text.removesuffix("T00:00:00Z")


def current(answer: dict[str, Any]) -> str:
    """The current regime in two sentences."""
    now = answer["current"]
    name = now["regime"].replace("_", " ")
    remaining = now.get("expected_remaining")
    ahead = f", about {remaining:.0f} more expected" if isinstance(remaining, int | float) else ""
    probability = now["probabilities"].get(now["regime"], now.get("confidence"))
    others = ", ".join(f"{label.replace('_', ' ')} {share:.1%}" for label, share in now["probabilities"].items() if label != now["regime"])
    seen = f"  as of               {_moment(answer['t'])}, the last bar stored\n" if isinstance(answer.get("t"), str) else ""
    return (
        f"{seen}  now                 {name}, probability {probability:.1%} ({others})\n"
        f"  since               {_moment(now['since'])} ({now['days_in_regime']:,} bars{ahead})"
    )


def hindsight(answer: dict[str, Any]) -> str:
    """What of a regime answer is hindsight."""
    until = _moment(str(answer.get("trained_until") or answer.get("causal_from")))
    if answer.get("model_version"):  # an answer of a stored model; a fit of a range has no version
        fitted = "and saw this bar, too" if answer.get("in_sample") else "and never saw this bar"
        return f"  model               {answer['model']}, version {answer['model_version']}; fitted up to {until} {fitted}"
    if answer.get("causal"):
        return "  hindsight           none: every probability uses only what was known at its bar"
    if answer.get("mode") == "smoothed":
        return f"  hindsight           all of it: states look both ways, parameters were fitted up to {until}"
    return (
        f"  hindsight           the parameters: they were fitted on the whole range, up to {until}\n"
        "                      the probability of a bar uses that bar and those before it"
    )


def states(answer: dict[str, Any]) -> str:
    """The states side by side."""
    rows = [
        (
            state["label"].replace("_", " "),
            f"{state['annual_return']:+.1%}",
            f"{state['annual_volatility']:.1%}",
            f"{state['max_drawdown']:.1%}",
            f"{state['expected_duration']:.0f} bars",
            f"{state['occupancy']:.1%}",
            state["episodes"],
        )
        for state in answer["states"]
    ]
    headers = ("regime", "return p.a.", "volatility p.a.", "max drawdown", "lasts", "share", "episodes")
    return _indented(table(headers, rows))


def regimes(answer: dict[str, Any]) -> str:
    """Current regime, hindsight and the table of states."""
    parts = [current(answer), hindsight(answer)]
    if answer.get("states"):
        parts += ["", states(answer)]
    parts += [_doubt(warned["code"], warned["detail"]) for warned in answer.get("warnings") or ()]
    return "\n".join(parts)
