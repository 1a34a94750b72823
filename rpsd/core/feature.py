"""Features in words: what a member of the catalogue declares, and the views that users make of it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rpsd.core.market import Vector

LONGEST_WINDOW: Final = 1000
"""Bars that a feature may look back at most."""

MOST_FEATURES: Final = 200
"""Of one view, the features of the views within it counted."""

CORE_TECHNICAL: Final = "core_technical"
"""The view that every appliance has: version 1 is the classic pair, version 2 the whole table."""

NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
"""Of a view, and of an item in it."""

Columns = Mapping[str, Vector]
"""Inputs by name, each (n,) float64, writable, C-contiguous, NaN where a cell is missing, never infinite."""


@dataclass(frozen=True, slots=True)
class Recursion:
    """A feature that remembers all bars before, taken one stretch at a time.

    `start(windows)` is the state before the first bar: a flat float64 vector whose size the windows alone give. `advance(state, columns,
    windows)` takes the next bars into the state in place and returns their values (n,). Any split gives the same numbers, bit for bit.
    """

    start: Callable[[tuple[int, ...]], Vector]
    advance: Callable[[Vector, Columns, tuple[int, ...]], Vector]


@dataclass(frozen=True, slots=True)
class Feature:
    """A family of features, told apart by its windows in bars: sma with 20 is sma_20.

    `windows` are the usual ones, a tuple for each member of the catalogue; `bounds` (least, most) of any one window. `inputs` are the
    columns that it needs: open, high, low, close, volume (close stands for the series' price). `lookback(windows)` is the number of bars
    before which no value is told. `low` and `high` bound what is to be expected (None: open), `null_tolerance` is the share of missing
    values beyond that warm-up that is no fault. `relative`: it is of the price's own unit, so that only its ratio to the price can be
    compared over years. `run(columns, windows)` maps the inputs (n,), NaN where a cell is missing, to the feature (n,), NaN where it
    cannot be told. `causal` claims run(prefix) == run(whole)[:len(prefix)], bit for bit; the contract suite proves it. A family without
    `recursion` needs no more than the lookback's bars before a bar to tell its value. `parts(windows)` names the features that it is made
    of: `run` finds them beside the inputs, of which it declares those that it needs through them too.
    """

    name: str
    windows: tuple[tuple[int, ...], ...]
    inputs: tuple[str, ...]
    run: Callable[[Columns, tuple[int, ...]], Vector]
    lookback: Callable[[tuple[int, ...]], int]
    formula: str
    summary: str
    source: str
    unit: str
    low: float | None = None
    high: float | None = None
    bounds: tuple[int, int] = (2, LONGEST_WINDOW)
    null_tolerance: float = 0.0
    relative: bool = False
    causal: bool = True
    version: int = 1
    recursion: Recursion | None = None
    parts: Callable[[tuple[int, ...]], tuple[str, ...]] | None = None


@dataclass(frozen=True, slots=True)
class View:
    """A version of a feature view. It never changes: another definition is another version.

    `definition` is what its maker wrote: {"features": [name | {"name", "transform", "of", "window"?}], "views": [name | name@version]}.
    `graph` is the SHA-256 (hex) over everything that its numbers depend on: features, windows, transforms, formula versions, inputs.
    `features` are the names of its columns in order, `inputs` the columns that it needs, `lookback` the bars before the first whole row.
    """

    name: str
    version: int
    definition: Mapping[str, Any]
    graph: str
    features: tuple[str, ...]
    inputs: tuple[str, ...]
    lookback: int
    created_ns: int
    created_by: str
