"""The picture of a denoised series."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rpsd.cli.plot.canvas import BOX, GRID, INK, MONOSPACED, TimeAxis, figure

if TYPE_CHECKING:
    from rpsd.core.market import Times, Vector
    from rpsd.core.result import DenoiseResult, Guardrail

_SIZE: Final = (12.0, 7.0)
# Okabe and Ito (2008): told apart with any colour vision, and in grey by their lightness
_ORIGINAL, _DENOISED, _REMOVED = "#b3b3b3", "#0072B2", "#009E73"
_OTHERS: Final = ("#D55E00", "#CC79A7", "#E69F00")


@dataclass(frozen=True, slots=True)
class Shown:
    """What is drawn: times t (n,) in ns, the original y (n,), its result (n,), and other denoised lines (n,) by their label."""

    t: "Times"
    y: "Vector"
    result: "DenoiseResult"
    column: str
    unit: str = ""
    others: Mapping[str, "Vector"] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The result's line in the legend."""
        view = "causal" if self.result.causal else f"lag {self.result.lag}" if self.result.lag else "hindsight"
        return f"denoised: {self.result.method}, {view}"


def picture(file: Path, shown: Shown, part: slice = slice(None)) -> None:
    """Write a PNG of 1200 x 700 pixels: original and denoised, the removed noise below, the guardrails beside them.

    `part` shows some of the rows; the guardrails are those of the whole. The same input gives the same bytes. Raises MissingExtra, OSError.
    """
    with figure(file, *_SIZE) as drawn:
        grid = drawn.add_gridspec(2, 2, height_ratios=(3, 1), width_ratios=(3.2, 1))
        top = drawn.add_subplot(grid[0, 0])
        below = drawn.add_subplot(grid[1, 0], sharex=top)
        drawn.suptitle(_title(shown), x=0.01, ha="left", fontsize=13)
        _draw_lines(top, below, shown, part)
        _draw_box(drawn.add_subplot(grid[:, 1]), shown.result)


def _title(shown: Shown) -> str:
    action = shown.result.action.replace("_", " ")
    return f"{shown.column}: {shown.label.removeprefix('denoised: ')}, on the {shown.result.scale} scale: {action}"


def _draw_lines(top: Any, below: Any, shown: Shown, part: slice) -> None:
    """The series above, what was removed below, over the same dates."""
    t, y, x = shown.t[part], shown.y[part], shown.result.values[part]
    axis = TimeAxis.of(t)
    unit = f" ({shown.unit})" if shown.unit else ""
    top.plot(axis.places, axis.broken(y), color=_ORIGINAL, linewidth=2.2, label="original")
    if shown.result.lower is not None and shown.result.upper is not None:
        edges = [axis.broken(edge[part]) for edge in (shown.result.lower, shown.result.upper)]
        top.fill_between(axis.places, *edges, color=_DENOISED, alpha=0.18, linewidth=0.0, label="95 % band")
    top.plot(axis.places, axis.broken(x), color=_DENOISED, linewidth=1.2, label=shown.label)
    for colour, (label, values) in zip(_OTHERS, shown.others.items(), strict=False):
        top.plot(axis.places, axis.broken(values[part]), color=colour, linewidth=1.2, linestyle=(0, (5, 1.5)), label=label)
    top.set_ylabel(f"{shown.column}{unit}")
    top.legend(loc="best", frameon=True, framealpha=0.9)
    top.tick_params(labelbottom=False)
    below.axhline(0.0, color=INK, linewidth=0.8)
    below.plot(axis.places, axis.broken(y - x), color=_REMOVED, linewidth=0.8)
    below.set_ylabel(f"removed{unit}")
    axis.label(below)
    for axes in (top, below):
        axes.grid(True, color=GRID, linewidth=0.6)
        axes.margins(x=0.01)


def _draw_box(axes: Any, result: "DenoiseResult") -> None:
    """The guardrails with value, threshold and verdict, and the figures of the answer."""
    axes.set_axis_off()
    gain = "not defined" if result.snr_gain_db is None else f"{result.snr_gain_db:.2f} dB"
    figures = [
        ("noise sigma", f"{result.noise_sigma:.3g}"), ("SNR gain", gain), ("variance reduction", f"{result.variance_reduction:.1%}"),
        ("quality score", f"{result.quality_score:.0f} of 100"), ("points", f"{result.values.size:,}"),
    ]  # fmt: skip
    lines = [f"{name:<19}{value:>14}" for name, value in figures]
    lines += ["", "guardrails", "-" * 33]
    words = {
        True: "passed",
        False: "missed" if result.passed else "FAILED",
        None: "-",
    }  # what passed as a whole missed what does not decide
    for name, guard in result.guardrails.items():
        lines += [f"{name:<26}{words[guard.passed]:>7}", f"  {_measured(guard)}"]
    if not result.guardrails:
        lines.append("none were computed")
    axes.text(0.02, 0.98, "\n".join(lines), va="top", family=MONOSPACED, fontsize=8.5, linespacing=1.35, bbox=BOX)


def _measured(guard: "Guardrail") -> str:
    if guard.value is None:
        return "does not apply"
    return f"{guard.value:.4g}" + (f", threshold {guard.threshold:.4g}" if guard.threshold is not None else "")
