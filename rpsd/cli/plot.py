"""The picture of a denoised series, through the optional extra `plot`; the one home of matplotlib."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rpsd.core.errors import MissingExtra

if TYPE_CHECKING:
    from rpsd.core.market import Times, Vector
    from rpsd.core.result import DenoiseResult, Guardrail

_SIZE: Final = (12.0, 7.0)
_DPI: Final = 100
# Okabe and Ito (2008): told apart with any colour vision, and in grey by their lightness
_INK, _ORIGINAL, _DENOISED, _REMOVED = "#222222", "#b3b3b3", "#0072B2", "#009E73"
_OTHERS: Final = ("#D55E00", "#CC79A7", "#E69F00")
_MOST_BREAKS: Final = 3.0
"""Median steps without a sample after which the line is broken: a night is not a straight line."""
_MOST_LABELS: Final = 8


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
    try:
        import matplotlib
    except ImportError as error:
        raise MissingExtra("a picture needs matplotlib, which is not installed", hint="Install it: pip install 'rpsd[plot]'") from error
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"font.family": "DejaVu Sans", "font.size": 10, "axes.edgecolor": _INK, "text.color": _INK}):
        figure = Figure(figsize=_SIZE, dpi=_DPI, layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
        grid = figure.add_gridspec(2, 2, height_ratios=(3, 1), width_ratios=(3.2, 1))
        top = figure.add_subplot(grid[0, 0])
        below = figure.add_subplot(grid[1, 0], sharex=top)
        figure.suptitle(_title(shown), x=0.01, ha="left", fontsize=13)
        _draw_lines(top, below, shown, part)
        _draw_box(figure.add_subplot(grid[:, 1]), shown.result)
        figure.savefig(file, format="png", metadata={"Software": None})


def _title(shown: Shown) -> str:
    action = shown.result.action.replace("_", " ")
    return f"{shown.column}: {shown.label.removeprefix('denoised: ')}, on the {shown.result.scale} scale: {action}"


def _draw_lines(top: Any, below: Any, shown: Shown, part: slice) -> None:
    """The series above, what was removed below, over the same dates."""
    t, y, x = shown.t[part], shown.y[part], shown.result.values[part]
    axis = _Axis.of(t)
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
    below.axhline(0.0, color=_INK, linewidth=0.8)
    below.plot(axis.places, axis.broken(y - x), color=_REMOVED, linewidth=0.8)
    below.set_ylabel(f"removed{unit}")
    axis.label(below)
    for axes in (top, below):
        axes.grid(True, color="#e5e5e5", linewidth=0.6)
        axes.margins(x=0.01)


@dataclass(frozen=True, slots=True)
class _Axis:
    """Where rows lie: by time, or one after another when most of the time is nights. Lines are broken at `gaps`, row numbers (k,)."""

    t: "Times"
    gaps: "Times"
    places: Any
    closed: bool

    @classmethod
    def of(cls, t: "Times") -> "_Axis":
        import numpy as np

        steps = np.diff(t)
        gaps = np.flatnonzero(steps > _MOST_BREAKS * np.median(steps)) + 1 if steps.size else np.zeros(0, np.int64)
        closed = bool(gaps.size) and int(steps[gaps - 1].sum()) > (int(t[-1]) - int(t[0])) // 2
        if closed:
            places: Any = np.insert(np.arange(t.size, dtype=np.float64), gaps, gaps - 0.5)
        else:
            places = np.insert(t, gaps, t[gaps - 1] + 1).astype("datetime64[ns]")
        return cls(t, gaps, places, closed)

    def broken(self, values: "Vector") -> "Vector":
        """The values (n,) with a NaN in each gap, so that no line crosses it."""
        import numpy as np

        return np.insert(values, self.gaps, np.nan)

    def label(self, axes: Any) -> None:
        """Dates below the axes; where nights are left out, at the first row of each session, or of every so many."""
        import numpy as np
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        axes.set_xlabel("time (UTC), gaps left out" if self.closed else "time (UTC)")
        if not self.closed:
            locator = AutoDateLocator()
            axes.xaxis.set_major_locator(locator)
            axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
            return
        begins = np.concatenate([[0], self.gaps])
        begins = begins[:: max(1, -(-begins.size // _MOST_LABELS))]
        days = np.datetime_as_string(self.t[begins].astype("datetime64[ns]"), unit="m")
        axes.set_xticks(begins, [day.replace("T", "\n") for day in days.tolist()])


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
    style = {"boxstyle": "round,pad=0.7", "facecolor": "#f7f7f7", "edgecolor": "#bbbbbb"}
    axes.text(0.02, 0.98, "\n".join(lines), va="top", family="DejaVu Sans Mono", fontsize=8.5, linespacing=1.35, bbox=style)


def _measured(guard: "Guardrail") -> str:
    if guard.value is None:
        return "does not apply"
    return f"{guard.value:.4g}" + (f", threshold {guard.threshold:.4g}" if guard.threshold is not None else "")
