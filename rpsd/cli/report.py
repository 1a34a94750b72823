"""A denoising in words: what was removed, and what the guardrails say."""

import textwrap
from typing import TYPE_CHECKING

from rpsd.cli.output import WIDTH, doubt, indented, table

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
    text = "\n".join(rows) + "\n\n" + indented(table(("guardrail", "value", "threshold", "verdict"), guards))
    warnings = [doubt(warned.code, warned.detail) for warned in result.warnings]
    return "\n".join([text, *warnings])


def _view(result: "DenoiseResult") -> str:
    if result.causal:
        return "causal: each value uses the past alone"
    return f"lag: each value waits for {result.lag} more" if result.lag else "hindsight: values use both sides of them"
