"""What every picture shares: its figure, its file, its colours, and an axis of times."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rpsd.core.errors import MissingExtra
from rpsd.core.market import DAY_NS

if TYPE_CHECKING:
    from rpsd.core.market import Times, Vector

INK: Final = "#222222"
GRID: Final = "#e5e5e5"
BOX: Final = {"boxstyle": "round,pad=0.7", "facecolor": "#f7f7f7", "edgecolor": "#bbbbbb"}
MONOSPACED: Final = "DejaVu Sans Mono"
_DPI: Final = 100
_MOST_BREAKS: Final = 3.0
"""Median steps without a sample after which the line is broken: a night is not a straight line."""
_MOST_DAYS: Final = 10.0
"""The same for days and weeks: holidays are no gap."""
_MOST_LABELS: Final = 8


@contextmanager
def figure(file: Path, width: float, height: float) -> Iterator[Any]:
    """A figure of 100 x width by 100 x height pixels, written to the PNG in the end. The same drawing gives the same bytes.

    Raises MissingExtra, OSError.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise MissingExtra("a picture needs matplotlib, which is not installed", hint="Install it: pip install 'rpsd[plot]'") from error
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"font.family": "DejaVu Sans", "font.size": 10, "axes.edgecolor": INK, "text.color": INK}):
        drawn = Figure(figsize=(width, height), dpi=_DPI, layout="constrained", facecolor="white")
        FigureCanvasAgg(drawn)
        yield drawn
        drawn.savefig(file, format="png", metadata={"Software": None})


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """Where rows lie: by time, or one after another when most of the time is nights. Lines are broken at `gaps`, row numbers (k,)."""

    t: "Times"
    gaps: "Times"
    places: Any
    closed: bool

    @classmethod
    def of(cls, t: "Times") -> "TimeAxis":
        """The axis of rows at t (n,) in ns UTC; `places` (n + k,) hold one more for each gap."""
        import numpy as np

        steps = np.diff(t)
        usual = float(np.median(steps)) if steps.size else 0.0
        gaps = np.flatnonzero(steps > (_MOST_BREAKS if usual < DAY_NS else _MOST_DAYS) * usual) + 1
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

    def at(self, rows: "Times") -> "Vector":
        """Places of these row numbers (m,) as the axes count them."""
        import numpy as np
        from matplotlib.dates import date2num

        return np.asarray(rows if self.closed else date2num(self.t[rows].astype("datetime64[ns]")), np.float64)

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
