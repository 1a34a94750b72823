"""Methods side by side on one series: what each removes, and how far to trust it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rpsd.cli.output import table
from rpsd.core.errors import RpsdError

if TYPE_CHECKING:
    from rpsd.core.market import Vector
    from rpsd.core.result import DenoiseResult


def row(name: str, y: "Vector", run: "Callable[[dict[str, Any]], DenoiseResult]", fill: str) -> dict[str, Any]:
    """The figures of one method on y (n,), or `error`, the code of what it refused.

    `risk` is the estimated mean square error as a share of that of the input, `leakage` the correlation of x̂ - y with the next move of y:
    far from 0 means that the values know what comes.
    """
    import time

    started = time.perf_counter()
    result, error = None, None
    for causality in ("hindsight", "causal"):  # a causal method refuses neither; one of hindsight refuses the second
        try:
            result = run({"method": name, "causality": causality, "fill": fill, "params": {}})
            break
        except RpsdError as caught:
            error = caught
    if result is None:
        assert error is not None
        return {"method": name, "error": error.code, "detail": error.detail}
    return {
        "method": name,
        "view": "causal" if result.causal else f"lag {result.lag}" if result.lag else "hindsight",
        "risk": None if result.snr_gain_db is None else round(10.0 ** (-result.snr_gain_db / 10.0), 6),
        "quality_score": result.quality_score,
        "variance_reduction": result.variance_reduction,
        "leakage": leakage(y, result.values),
        "action": result.action,
        "failed": [guard for guard, found in result.guardrails.items() if found.passed is False],
        "seconds": round(time.perf_counter() - started, 6),
    }


def leakage(y: "Vector", x: "Vector") -> float | None:
    """Correlation of x̂_t - y_t with y_{t+1} - y_t, over finite pairs of y (n,) and x (n,); None where nothing varies."""
    import numpy as np

    corrections, moves = (x - y)[:-1], np.diff(y)
    sound = np.isfinite(corrections) & np.isfinite(moves)
    a, b = corrections[sound], moves[sound]
    if a.size < 3 or a.std() == 0.0 or b.std() == 0.0:
        return None
    return round(float(np.corrcoef(a, b)[0, 1]), 6)


def text(rows: list[dict[str, Any]]) -> str:
    """The rows as a table for a terminal of 100 columns."""
    headers = ("method", "view", "risk", "quality", "var. red.", "leakage", "seconds", "outcome")
    lines = [
        (
            found["method"],
            found.get("view"),
            found.get("risk"),
            None if "error" in found else round(found["quality_score"], 1),
            None if "error" in found else f"{found['variance_reduction']:.1%}",
            found.get("leakage"),
            found.get("seconds"),
            found["error"] if "error" in found else _outcome(found),
        )
        for found in rows
    ]
    about = (
        "risk: estimated error as a share of the noise, 1 = doing nothing\n"
        "leakage: correlation of the correction with the next move: what hindsight knows, and how far noise\n"
        "  comes back; on a random walk that of a causal method is 0"
    )
    return f"{table(headers, lines)}\n\n{about}"


def _outcome(found: dict[str, Any]) -> str:
    action = str(found["action"]).replace("_", " ")
    return f"{action}: {', '.join(found['failed'])}" if action == "flagged" else action
