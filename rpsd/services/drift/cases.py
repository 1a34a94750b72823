"""What a drift scan compares, computed in the worker: features of the view, what the model sees and says, and the quality of the data."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from rpsd.core.drift import Tolerance
from rpsd.core.errors import RpsdError
from rpsd.core.market import Times, Vector
from rpsd.core.model import Packet

if TYPE_CHECKING:
    from rpsd.drift.scan import Case
    from rpsd.feature.graph import Graph

MOST_REFERENCE: Final = 5000
"""Bars at the end of a training window that a scan looks at."""
MOST_CURRENT: Final = 250
"""Bars of the newest window."""
LEAST_CURRENT: Final = 50
"""Bars since the training below which only the record of forecasts fills a window."""
MOST_EVENTS: Final = (2000, 500)
"""Events of an order book that are taken evenly from the reference and from the newest window."""
_OBSERVED: Final = "observed.return"
_SAME: Final = frozenset({_OBSERVED, "log_return"})
_GAP: Final = 3
"""Median steps from which on a step is a gap."""
_RECORD_LEAVES: Final = 250
"""Bars of the training window at least that a record of forecasts leaves as its reference."""


@dataclass(slots=True)
class _Table:
    """Columns (n,) by name, of whose rows the first `split` are the reference, with the kind of each; `skipped`: why what is not there."""

    split: int
    columns: dict[str, Vector]
    kinds: dict[str, str]
    skipped: dict[str, str]
    view: str = ""
    gap: int = 0

    def put(self, kind: str, columns: Mapping[str, Vector]) -> None:
        """Further columns of one kind."""
        self.columns |= columns
        self.kinds |= dict.fromkeys(columns, kind)


def scanned(packet: Packet) -> Packet:
    """The drift of many models; the task drift_scan of the worker.

    Head: tolerance {psi, false_alarm_rate}; views [{name, version, definition, known}], the newest first; and cases, each with kind, name,
    and `before`, the names of what was significant in the window before. Of kind regime: until_ns, cells (names), and `record`, how many
    forecasts of earlier versions count, all without it. Of kind book: ticks [of the reference, of the newest window]. Arrays of case i:
    model/i (uint8); of a regime model t/i (n,) int64 ns and cells/i/NAME (n,), the price as close; of a book tape/i/SIDE/j/COLUMN with
    SIDE 0 for the reference and 1 for the newest window.
    Answer: head reports [{rows: [a list of values as in FeatureDrift], skipped: {name: reason}, view: name@version}].
    """
    from rpsd.drift import scan  # numerics wait for the first task

    head = packet.head
    tolerance = Tolerance(tuple(head["tolerance"]["psi"]), float(head["tolerance"]["false_alarm_rate"]))
    graphs = _graphs(head["views"])
    reports = []
    for i, case in enumerate(head["cases"]):
        made = (_of_bars if case["kind"] == "regime" else _of_book)(case, packet.arrays, i, graphs)
        built = _case(case, made)
        [rows] = scan.scan([built], tolerance)
        told = [[getattr(row, field.name) for field in fields(row)] for row in rows]
        reports.append({"rows": _finite(told), "skipped": made.skipped | scan.skipped(built), "view": made.view})
    return Packet({"reports": reports}, {})


def _finite(rows: list[list[Any]]) -> list[list[Any]]:
    """The rows with numbers that JSON can hold."""
    return [[_number(cell) if isinstance(cell, float) else cell for cell in row] for row in rows]


def _number(cell: float) -> float:
    return cell if math.isfinite(cell) else float(np.nan_to_num(cell))


def _case(case: Mapping[str, Any], made: _Table) -> "Case":
    from rpsd.drift.scan import Case
    from rpsd.regime.watched import FORECAST

    names = tuple(made.columns)
    matrix = np.column_stack(list(made.columns.values())) if names else np.empty((made.split, 0))
    kinds = tuple(made.kinds[name] for name in names)
    before = dict.fromkeys(case["before"], True)
    return Case(case["name"], matrix[: made.split], matrix[made.split :], names, kinds, before, made.gap, frozenset({FORECAST}))


def _graphs(views: list[dict[str, Any]]) -> "list[tuple[str, Graph]]":
    """The versions of the default view that this release can compute, each with its name@version; without any view those of rpsd's own."""
    from rpsd.core.feature import CORE_TECHNICAL
    from rpsd.feature import CORE_VIEWS, graph

    found = []
    own: list[dict[str, Any]] = [
        {"name": CORE_TECHNICAL, "version": number, "definition": one, "known": {}} for number, one in sorted(CORE_VIEWS.items())[::-1]
    ]
    for one in views or own:
        try:
            found.append((f"{one['name']}@{one['version']}", graph.resolve(one["name"], one["definition"], one["known"])))
        except RpsdError:
            continue  # of another release: the next older version is tried
    return found


def _of_bars(case: Mapping[str, Any], arrays: Mapping[str, Any], i: int, graphs: "list[tuple[str, Graph]]") -> _Table:
    """Features of the view, what the regime model observes and says, and the quality of its bars."""
    from rpsd.regime.watched import FORECAST, watched

    t, state = arrays[f"t/{i}"], Packet.unpack(arrays[f"model/{i}"].tobytes())
    cells = {name: arrays[f"cells/{i}/{name}"] for name in case["cells"]}
    split = int(np.searchsorted(t, case["until_ns"], "right"))
    made = _Table(split, {}, {}, {})
    inside = _put_view(made, cells, graphs)
    seen, said = watched(state, t, cells["close"], cells)
    if {*seen, *made.columns} >= _SAME:
        seen.pop(_OBSERVED)  # the view has it already
    made.put("feature", seen)
    made.put("prediction", said)
    made.put("quality", _quality(t, split, cells, inside))
    current = np.arange(split, t.size)[-MOST_CURRENT:]
    made.gap = max(0, t.size - split - MOST_CURRENT)
    record = state.arrays["pits"] if FORECAST in said else np.empty(0)
    record = record[max(0, record.size - case.get("record", record.size)) :]
    rows = max(current.size, min(record.size + current.size, MOST_CURRENT))
    columns = {name: _windows(column, split, current, rows) for name, column in made.columns.items()}
    if record.size and rows > current.size:
        columns[FORECAST] = _with_record(columns[FORECAST], record, split, rows)
    made.columns = columns
    return made


def _windows(column: Vector, split: int, current: Times, rows: int) -> Vector:
    """Reference and newest window (split + rows,) of a column, the latter filled up in front with nothing."""
    return np.concatenate([column[:split], np.full(rows - current.size, np.nan), column[current]])


def _with_record(column: Vector, record: Vector, split: int, rows: int) -> Vector:
    """The predictive probabilities, before the new ones those on record: earlier versions gave them to bars that this one was fitted on.

    A model that is fitted anew each night has hardly any bar since. Bars on record are taken out of the reference where enough are left.
    """
    new = column[split:][np.isfinite(column[split:])]
    whole = np.concatenate([record, new])[-rows:]
    column = column.copy()
    column[split:] = np.nan
    column[column.size - whole.size :] = whole
    if split - record.size >= _RECORD_LEAVES:
        column[split - record.size : split] = np.nan
    return column


def _put_view(made: _Table, cells: Mapping[str, Vector], graphs: "list[tuple[str, Graph]]") -> Vector:
    """Features of the newest version of the view whose columns are there; 1 where a row (n,) has none out of range, else 0."""
    from rpsd.feature import quality, run

    chosen = next(((name, graph) for name, graph in graphs if all(column in cells for column in graph.inputs)), None)
    if chosen is None:
        made.skipped["view"] = "the series has not the columns of any version of the default view"
        return np.ones(cells["close"].size)
    made.view, graph = chosen
    matrix = run.compute(graph, cells)
    inside = np.ones(matrix.shape[0])
    freed = quality.comparable(graph, matrix, cells["close"])
    for column, values, fact in zip(matrix.T, freed.T, graph.features, strict=True):
        low, high = (-np.inf if fact["low"] is None else fact["low"]), (np.inf if fact["high"] is None else fact["high"])
        inside[(column < low) | (column > high)] = 0.0
        made.put("feature", {fact["name"]: np.ascontiguousarray(values)})
    return inside


def _quality(t: Times, split: int, cells: Mapping[str, Vector], inside: Vector) -> dict[str, Vector]:
    """Whether a bar (n,) has all its cells, follows no gap, has no feature out of range: 1 or 0; a measure without any 0 is left out."""
    whole = np.asarray(~np.isnan(np.column_stack(list(cells.values()))).any(axis=1), np.float64)
    step = np.diff(t, prepend=t[:1])
    usual = float(np.median(step[1:split])) if split > 1 else np.inf
    regular = np.asarray(step <= _GAP * usual, np.float64)
    found = {"quality.complete": whole, "quality.regular": regular, "quality.in_range": inside}
    return {name: column for name, column in found.items() if (column == 0.0).any()}


def _of_book(case: Mapping[str, Any], arrays: Mapping[str, Any], i: int, _graphs: "list[tuple[str, Graph]]") -> _Table:
    """The features of an order book, and how the model's forecasts of it fared."""
    from rpsd.book.watched import watched
    from rpsd.core.book import Tape

    state, names = Packet.unpack(arrays[f"model/{i}"].tobytes()), [field.name for field in fields(Tape)]
    made = _Table(0, {}, {}, {})
    parts = []
    for side, (ticks, most) in enumerate(zip(case["ticks"], MOST_EVENTS, strict=True)):
        tapes = [(Tape(*(arrays[f"tape/{i}/{side}/{j}/{name}"] for name in names)), tick) for j, tick in enumerate(ticks)]
        parts.append(watched(state, tapes, most))
    (t, seen, said), (_, seen_now, said_now) = parts
    made.split = t.size
    made.put("feature", {name: np.concatenate([column, seen_now[name]]) for name, column in seen.items()})
    made.put("prediction", {name: np.concatenate([column, said_now[name]]) for name, column in said.items()})
    return made
