"""The picture of a backtest: what was earned at mid prices and after costs, where it went, and what others would have earned."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from rpsd.cli.plot.canvas import GRID, INK, figure
from rpsd.core import instant

_SIZE: Final = (12.0, 7.0)
# Okabe and Ito (2008): told apart with any colour vision
_GROSS, _NET, _EARNED, _PAID = "#56B4E9", "#D55E00", "#009E73", "#CC79A7"


def picture(file: Path, report: Mapping[str, Any], name: str) -> None:
    """Write a PNG of 1200 x 700 pixels of a backtest's report; `name` says of what. The same report gives the same bytes.

    Raises MissingExtra, OSError.
    """
    with figure(file, *_SIZE) as drawn:
        grid = drawn.add_gridspec(2, 2, width_ratios=(2.2, 1))
        drawn.suptitle(f"{name}: {report['words']}", x=0.01, ha="left", fontsize=10, wrap=True)
        _draw_curve(drawn.add_subplot(grid[:, 0]), report)
        _draw_bars(drawn.add_subplot(grid[0, 1]), _parts(report), "where it went")
        others = {row["name"].replace("_", " "): row["net"] for row in report["baselines"]}
        _draw_bars(drawn.add_subplot(grid[1, 1]), {"the model": report["net"], **others}, "net, beside others")


def _parts(report: Mapping[str, Any]) -> dict[str, float]:
    costs = {name: -report[name] for name in ("spread", "impact", "fees")}
    return {"gross": report["gross"], **costs, "net": report["net"]}


def _draw_curve(axes: Any, report: Mapping[str, Any]) -> None:
    """Gross and net after each round trip; the line at zero is doing nothing."""
    import numpy as np
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    t = np.array([instant.parse(text) for text in [report["first"], *report["curve"]["t"]]], np.int64).astype("datetime64[ns]")
    for part, colour in (("gross", _GROSS), ("net", _NET)):
        axes.step(t, [0.0, *report["curve"][part]], where="post", color=colour, linewidth=1.4, label=part)
    axes.axhline(0.0, color=INK, linewidth=0.9, label="doing nothing")
    locator = AutoDateLocator()
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.set_xlabel("time (UTC)")
    axes.set_ylabel("price times size")
    axes.legend(loc="best", framealpha=0.9)
    axes.grid(True, color=GRID, linewidth=0.6)


def _draw_bars(axes: Any, amounts: Mapping[str, float], title: str) -> None:
    colours = [_EARNED if amount >= 0.0 else _PAID for amount in amounts.values()]
    axes.barh(list(amounts), list(amounts.values()), color=colours)
    axes.axvline(0.0, color=INK, linewidth=0.8)
    axes.invert_yaxis()
    axes.set_title(title, fontsize=10)
    axes.grid(True, axis="x", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
