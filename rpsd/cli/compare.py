"""Methods side by side on one series: what each removes, what it would have shown at the time, and which to prefer."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from rpsd.cli.output import WIDTH, table
from rpsd.core.errors import RpsdError, UnknownMethod

if TYPE_CHECKING:
    from rpsd.core.market import Times, Vector
    from rpsd.denoise.compare import Side

_ENDPOINTS: Final = 32
"""Rows at which each method of hindsight is asked again with the past alone."""
_ABOUT: Final = (
    "risk: estimated error as a share of the noise, 1 = doing nothing. revision: how far the value shown at the time moves later, in "
    "noise sigmas. leakage: correlation of the correction with the next move, in hindsight and (then) as it was shown at the time; "
    "what the first has beyond the second is knowledge of the future."
)


def compared(
    y: "Vector", t: "Times", methods: Sequence[str], how: Mapping[str, Any], told: Callable[[float, str], None]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Figures of each method on y (n,) at times t (n,), or `error`, the code of what it refused; and which to prefer for what.

    `how` holds the arguments of denoise.run.denoise that all of them share. O(methods n).
    """
    import time

    from rpsd.denoise import compare

    rows, sides = [], []
    endpoints = compare.endpoints(y.size, _ENDPOINTS)
    for number, name in enumerate(methods):
        started = time.perf_counter()
        told(number / len(methods), name)
        try:
            side = compare.side(name, y, t, {**how, "method": name, "causality": _causality(name)}, endpoints)
        except RpsdError as error:
            rows.append({"method": name, "error": error.code, "detail": error.detail})
            continue
        sides.append(side)
        rows.append(_row(side, time.perf_counter() - started))
    return rows, compare.summary(sides)


def _causality(name: str) -> str:
    """What to ask a method for: its own view. Raises UnknownMethod."""
    from rpsd.denoise import METHODS

    method = next((method for method in METHODS if method.name == name), None)
    if method is None and name != "auto":
        raise UnknownMethod(f"there is no method {name[:40]!r}")
    return "causal" if method is not None and method.causal else "hindsight"


def _row(side: "Side", seconds: float) -> dict[str, Any]:
    from rpsd.denoise import compare

    result = side.result
    return {
        "method": side.label,
        "view": "causal" if result.causal else f"lag {result.lag}" if result.lag else "hindsight",
        "risk": compare.risk(result),
        "quality_score": result.quality_score,
        "variance_reduction": result.variance_reduction,
        "revision": side.revision,
        "leakage": side.leakage.value,
        "leakage_at_the_time": side.leakage_as_of.value,
        "foresight": side.foresight,
        "action": result.action,
        "failed": [name for name, guard in result.guardrails.items() if guard.passed is False],
        "seconds": round(seconds, 6),
    }


def text(rows: list[dict[str, Any]], summary: Mapping[str, Any]) -> str:
    """The rows as a table for a terminal of 100 columns, and the choices in words."""
    import textwrap

    headers = ("method", "view", "risk", "quality", "var. red.", "revision", "leakage", "then", "outcome")
    lines = [_cells(found) for found in rows]
    words = [
        textwrap.fill(f"{purpose.replace('_', ' ')}: {choice['best'] or 'none'}; {choice['reason']}", WIDTH, subsequent_indent="  ")
        for purpose, choice in summary.items()
    ]
    return "\n".join([table(headers, lines), "", *words, "", textwrap.fill(_ABOUT, WIDTH)])


def _cells(found: Mapping[str, Any]) -> tuple[Any, ...]:
    if "error" in found:
        return (found["method"], *(None,) * 7, found["error"])
    figures = [found[name] for name in ("risk", "quality_score", "variance_reduction", "revision", "leakage", "leakage_at_the_time")]
    shown = [None if value is None else f"{value:.{digits}f}" for value, digits in zip(figures, (3, 1, 3, 3, 3, 3), strict=True)]
    numbers = [None if value is None else float(value) for value in shown]
    action = str(found["action"]).replace("_", " ")
    return (found["method"], found["view"], *numbers, f"{action}: {', '.join(found['failed'])}" if action == "flagged" else action)
