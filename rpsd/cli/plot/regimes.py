"""The picture of a regime answer: price with shaded regimes, probability areas, transition matrix, residual QQ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rpsd.cli.output import moment
from rpsd.cli.plot.canvas import GRID, INK, TimeAxis, figure
from rpsd.core import instant

if TYPE_CHECKING:
    from rpsd.core.market import Times, Vector

_SIZE: Final = (13.0, 8.0)
# Okabe and Ito (2008): told apart with any colour vision
_COLOURS: Final = {
    "Crisis": "#CC79A7",
    "Bear": "#D55E00",
    "Sideways": "#999999",
    "Bull": "#56B4E9",
    "Euphoric": "#009E73",
    "Single": "#999999",
}
_LINE: Final = "#111111"
_SHADE: Final = 0.35
_DECADE: Final = 10.0
_DARK: Final = 0.55
"""A cell of the matrix with a larger share is dark enough for white figures."""


@dataclass(frozen=True, slots=True)
class _Shown:
    """What is drawn: times t (n,) and prices (n,), the rows (m,) that have a regime and their states (m,), names and aliases by number."""

    t: "Times"
    prices: "Vector"
    rows: "Times"
    states: "Times"
    labels: Sequence[str]
    aliases: Sequence[str]

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> "_Shown":
        """What is drawn of a detection that carries its prices."""
        import numpy as np

        t = np.array([instant.parse(text) for text in answer["prices"]["t"]], np.int64)
        seen = np.array([instant.parse(row["t"]) for row in answer["regimes"]], np.int64)
        states = np.array([row["state"] for row in answer["regimes"]], np.int64)
        prices = np.array(answer["prices"]["close"], np.float64)
        names = ([state[word] for state in answer["states"]] for word in ("label", "alias"))
        return cls(t, prices, np.searchsorted(t, seen).astype(np.int64), states, *names)

    @property
    def spells(self) -> "list[tuple[int, int, str]]":
        """First row, last row and name of each stretch of one regime; it begins where the bar before it closed."""
        import numpy as np

        first = np.flatnonzero(np.diff(self.states, prepend=-1))
        last = np.append(first[1:], self.states.size) - 1
        begins = np.maximum(self.rows[first] - 1, 0).tolist()
        names = [self.labels[state] for state in self.states[first].tolist()]
        return list(zip(begins, self.rows[last].tolist(), names, strict=True))


def picture(file: Path, answer: Mapping[str, Any], name: str) -> None:
    """Write a PNG of 1300 x 800 pixels of a regime answer that carries prices, probabilities and residuals; `name` says of what.

    The same answer gives the same bytes. Raises MissingExtra, OSError.
    """
    with figure(file, *_SIZE) as drawn:
        shown = _Shown.of(answer)
        grid = drawn.add_gridspec(2, 2, height_ratios=(1.6, 1), width_ratios=(2.6, 1))
        top = drawn.add_subplot(grid[0, 0])
        below = drawn.add_subplot(grid[1, 0], sharex=top)
        drawn.suptitle(_title(answer, name), x=0.01, ha="left", fontsize=11)
        axis = TimeAxis.of(shown.t)
        _draw_prices(top, axis, shown)
        _draw_probabilities(below, axis, shown, answer["probabilities"])
        _draw_matrix(drawn.add_subplot(grid[0, 1]), shown.labels, answer["transition_matrix"])
        _draw_residuals(drawn.add_subplot(grid[1, 1]), answer["residuals"])


def _title(answer: Mapping[str, Any], name: str) -> str:
    """Where the regimes stand, and in a second line what of the picture is hindsight."""
    now, how = answer["current"], f"{answer['mode'].replace('_', ' ')}, {answer['model']}"
    since = moment(str(now["since"]))
    return f"{name}: {now['regime']} since {since}, probability {now['confidence']:.1%} ({how})\n{_known(answer)}"


def _known(answer: Mapping[str, Any]) -> str:
    if answer["causal"]:
        return "Causal: each bar's shade uses only what was known at its close; the moves are those of the last refit."
    if answer["mode"] == "smoothed":
        return "Hindsight: each bar's shade uses the whole range. Never backtest on it."
    return "Fitted on all that is shown: these shades are hindsight. Never backtest on them."


def _draw_prices(axes: Any, axis: TimeAxis, shown: _Shown) -> None:
    """The price on a logarithmic scale over the shades of its regimes."""
    from matplotlib.patches import Patch
    from matplotlib.ticker import MaxNLocator, NullFormatter, NullLocator, StrMethodFormatter

    axes.plot(axis.places, axis.broken(shown.prices), color=_LINE, linewidth=0.9)
    for begin, end, name in shown.spells:
        left, right = axis.at(_rows(begin, end)).tolist()
        axes.axvspan(left, right, color=_COLOURS[name], alpha=_SHADE, linewidth=0.0)
    axes.set_yscale("log")
    if float(shown.prices.max()) < _DECADE * float(shown.prices.min()):  # too few powers of ten to read a price from
        axes.yaxis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 2.5, 5, 10]))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel("price")
    named = zip(shown.labels, shown.aliases, strict=True)
    patches = [Patch(color=_COLOURS[name], alpha=_SHADE, label=f"{name} ({alias})") for name, alias in named]
    axes.legend(handles=patches, loc="best", framealpha=0.9)
    axes.tick_params(labelbottom=False)
    _plain(axes)


def _rows(*numbers: int) -> "Times":
    import numpy as np

    return np.array(numbers, np.int64)


def _draw_probabilities(axes: Any, axis: TimeAxis, shown: _Shown, probabilities: Mapping[str, Sequence[float]]) -> None:
    """The probability of each regime at each bar, one area upon the other."""
    places = axis.at(shown.rows)
    colours = [_COLOURS[name] for name in shown.labels]
    axes.stackplot(places, [probabilities[name] for name in shown.labels], colors=colours, step="pre", linewidth=0.0, alpha=0.8)
    axes.set_ylim(0.0, 1.0)
    axes.set_ylabel("probability")
    axis.label(axes)
    _plain(axes)


def _draw_matrix(axes: Any, labels: Sequence[str], matrix: Sequence[Sequence[float]]) -> None:
    """The chance of each move from bar to bar."""
    axes.imshow(matrix, cmap="Blues", vmin=0.0, vmax=1.0)
    places = range(len(labels))
    axes.set_xticks(places, labels, rotation=30, ha="right")
    axes.set_yticks(places, labels)
    for i, row in enumerate(matrix):
        for j, share in enumerate(row):
            axes.text(j, i, f"{share:.1%}", ha="center", va="center", fontsize=9, color="white" if share > _DARK else INK)
    axes.set_title("moves from bar to bar: row to column", fontsize=10)
    axes.tick_params(length=0)


def _draw_residuals(axes: Any, residuals: Mapping[str, Any]) -> None:
    """Normal scores of what was foretold for each return: on the line when the model is right, inside the band nineteen times in twenty."""
    points = residuals["qq"]
    axes.fill_between(points["expected"], points["lower"], points["upper"], color=GRID, linewidth=0.0)
    ends = (points["expected"][0], points["expected"][-1])
    axes.plot(ends, ends, color=INK, linewidth=0.8)
    axes.plot(points["expected"], points["observed"], linestyle="none", marker=".", markersize=4, color="#0072B2")
    axes.set_title("pseudo-residuals: normal QQ", fontsize=10)
    axes.set_xlabel(f"expected score (excess kurtosis {residuals['excess_kurtosis']:+.2f})")
    axes.set_ylabel("observed score")
    _plain(axes)


def _plain(axes: Any) -> None:
    axes.grid(True, color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.margins(x=0.01)
