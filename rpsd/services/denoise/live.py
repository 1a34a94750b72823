"""Live columns in the user's words: what is declared on a series, and how far it has come."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from rpsd.core import instant, market
from rpsd.core.errors import BadRows, Fault, InvalidRequest, NoModel, RpsdError, UnknownColumn
from rpsd.core.market import SeriesInfo
from rpsd.core.regime import REGIME_TYPES
from rpsd.services.keeping import Keeper
from rpsd.services.model.name import RegimeName
from rpsd.services.model.service import ModelService
from rpsd.store import audit, derived, live
from rpsd.store import series as rows
from rpsd.store.db import Connection, Database
from rpsd.store.live import KIND, LiveColumn

MOST_COLUMNS: Final = 16
"""Live columns of one series: each is computed within every post to it."""
_PATIENCE_SECONDS: Final = 5.0
"""How long a declaration waits for its history; what is longer goes on by itself."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A live column as it was asked for; `name` None means <column>_<method>, `lag` is that of a method that waits."""

    column: str
    method: str = "auto"
    params: Mapping[str, Any] | None = None
    lag: int | None = None
    scale: str = "price"
    name: str | None = None


@dataclass(frozen=True, slots=True)
class _Settled:
    """A checked declaration: the column's name, those of the group it becomes, and how it is made."""

    name: str
    names: tuple[str, ...]
    meta: Mapping[str, Any]


class LiveDenoiseService:
    """Declares, shows and ends live columns; the keeper computes them."""

    def __init__(self, database: Database, keeper: Keeper, model: ModelService, clock: Callable[[], int]) -> None:
        self._database, self._keeper, self._model, self._clock = database, keeper, model, clock

    def declare(self, symbol: str, interval: str, wanted: Sequence[Wanted], *, regime: bool = False, by: str = "") -> dict[str, Any]:
        """Make these the live columns of the series: equal ones go on as they are, others end, new ones begin with the whole history.

        The history is waited for some seconds and completed in the background. Answer: as show(). Raises UnknownSeries, UnknownColumn,
        UnknownMethod (one that looks ahead), BadParameter, InvalidRequest (a name in use), NoModel (regime without a model that serves).
        """
        symbol, interval, now_ns = market.symbol(symbol), market.interval(interval), self._clock()
        if len(wanted) > MOST_COLUMNS:
            raise InvalidRequest(f"more than {MOST_COLUMNS} live columns", errors=[Fault("/denoise", f"at most {MOST_COLUMNS}")])
        settled = [_within(f"/denoise/{place}", one) for place, one in enumerate(wanted)]
        if regime and not self._serves(symbol, interval):
            reason = f"no regime model of {symbol} {interval} is in production"
            raise NoModel(reason, errors=[Fault("/regime", reason)])

        def write(c: Connection) -> None:
            info = rows.require(c, symbol, interval)
            held = {column.group.name: column for column in live.columns(c, info)}
            wanted_names = [one.name for one in settled]
            for name, column in held.items():
                if name not in wanted_names or column.group.meta != _meta(settled[wanted_names.index(name)]):
                    live.end(c, info, name)
            kept = {column.group.name for column in live.columns(c, info)}
            for place, one in enumerate(settled):
                if one.name not in kept:
                    _check_names(c, info, one, place)
                    live.declare(c, info, one.name, one.meta, one.names, now_ns)
                elif one.name in wanted_names[:place]:
                    raise _taken(one.name, place)
            told = {one.name: one.meta["method"] for one in settled}
            audit.append(c, by, "series.live", f"{symbol} {interval}", {"columns": told}, now_ns)

        self._database.write(write).result()
        self._wait(symbol, interval, [one.name for one in settled])
        return self.show(symbol, interval)

    def show(self, symbol: str, interval: str) -> dict[str, Any]:
        """What is live on the series: symbol, interval, rows, last, regime, and of each column how it is made and how far it has come.

        `behind` counts the samples that a column has not taken in. Raises UnknownSeries.
        """
        symbol, interval = market.symbol(symbol), market.interval(interval)

        def read(c: Connection) -> tuple[SeriesInfo, list[dict[str, Any]]]:
            info = rows.require(c, symbol, interval)
            return info, [_shown(c, info, column) for column in live.columns(c, info)]

        info, columns = self._database.read(read)
        return {
            "symbol": symbol,
            "interval": interval,
            "rows": info.rows,
            "last": _text(info.last_ns),
            "denoise": columns,
            "regime": self._serves(symbol, interval),
        }

    def end(self, symbol: str, interval: str, by: str = "") -> list[str]:
        """Drop the live columns of the series with their rows; their names. Samples stay. Raises UnknownSeries."""
        symbol, interval, now_ns = market.symbol(symbol), market.interval(interval), self._clock()

        def drop(c: Connection) -> list[str]:
            info = rows.require(c, symbol, interval)
            names = [column.group.name for column in live.columns(c, info)]
            for name in names:
                live.end(c, info, name)
            if names:
                audit.append(c, by, "series.live.end", f"{symbol} {interval}", {"columns": names}, now_ns)
            return names

        return self._database.write(drop).result()

    def _wait(self, symbol: str, interval: str, names: Sequence[str]) -> None:
        """Compute the history, for some seconds; the keeper's thread goes on."""
        until = time.monotonic() + _PATIENCE_SECONDS
        for name in names:
            while self._keeper.ready and time.monotonic() < until and not self._keeper.slice(symbol, interval, name):
                pass
        self._keeper.wake()

    def _serves(self, symbol: str, interval: str) -> bool:
        """Whether a regime model of the series is in production: its live regimes are kept without being declared."""
        return any(self._model.production(str(RegimeName(symbol, interval, kind))) is not None for kind in REGIME_TYPES)


def _within(pointer: str, wanted: Wanted) -> _Settled:
    """_settled(); an error's pointers are moved below `pointer`."""
    try:
        return _settled(wanted)
    except RpsdError as error:
        faults = [Fault(f"{pointer}{fault.pointer}", fault.reason) for fault in error.errors] or [Fault(pointer, error.detail)]
        raise type(error)(error.detail, errors=faults, hint=error.advice) from error


def _settled(wanted: Wanted) -> _Settled:
    """The declaration with its method chosen and its parameters complete. Raises UnknownMethod, BadParameter, InvalidRequest."""
    from rpsd.denoise import live as numerics  # numerics wait for the warm-up

    made = numerics.plan(wanted.method, wanted.params or {}, lag=wanted.lag, scale=wanted.scale)
    given = wanted.name if wanted.name is not None else f"{wanted.column}_{made.method.name}"
    names = (given, f"{given}_deviation") if numerics.has_deviation(made) else (given,)
    try:
        checked = tuple(market.column(name) for name in names)
    except BadRows as error:
        reason = f"{given[:40]!r} cannot name a column" + (" and its _deviation" if len(names) > 1 else "")
        raise InvalidRequest(
            f"/as: {reason}", errors=[Fault("/as", reason)], hint="At most 32 of a-z, 0-9 and _, a letter first."
        ) from error
    meta = {
        "column": wanted.column, "method": made.method.name, "params": asdict(made.params), "causal": made.method.causal,
        "lag": made.lag, "scale": made.scale,
    }  # fmt: skip
    return _Settled(checked[0], checked, meta)


def _meta(settled: _Settled) -> dict[str, Any]:
    return {"kind": KIND, **settled.meta}


def _check_names(c: Connection, info: SeriesInfo, one: _Settled, place: int) -> None:
    """Raises UnknownColumn, InvalidRequest when the series lacks the column, or a name is in use."""
    column = one.meta["column"]
    if column not in info.columns:
        reason = f"{info.symbol} {info.interval} has no column {column[:40]!r}; it has {', '.join(info.columns)}"
        raise UnknownColumn(reason, errors=[Fault(f"/denoise/{place}/column", reason)])
    groups = derived.list_groups(c, info)
    used = {market.SEQUENCE, *info.columns, *(group.name for group in groups), *(name for group in groups for name in group.columns)}
    if taken := next((name for name in one.names if name in used or name.startswith("regime_")), None):
        raise _taken(taken, place)


def _taken(name: str, place: int) -> InvalidRequest:
    reason = f"{name} is in use"
    hint = "Choose another name with `as`; GET /api/v1/series/{symbol}/{interval} lists columns and derived columns."
    return InvalidRequest(f"/denoise/{place}/as: {reason}", errors=[Fault(f"/denoise/{place}/as", reason)], hint=hint)


def _shown(c: Connection, info: SeriesInfo, column: LiveColumn) -> dict[str, Any]:
    """One live column in the shape of the contract."""
    n, first_ns, last_ns = derived.totals(c, info, column.group)
    replay = None if column.replayed_ns is None else {"samples": column.replayed, "at": _text(column.replayed_ns)}
    meta = {name: value for name, value in column.group.meta.items() if name != "kind"}
    return {
        "as": column.group.name,
        "columns": list(column.group.columns),
        **meta,
        "rows": n,
        "first": _text(first_ns),
        "last": _text(last_ns),
        "samples": column.samples,
        "behind": max(info.rows - column.samples, 0),
        "checkpoints": live.checkpoints(c, column),
        "replays": column.replays,
        "last_replay": replay,
        "declared": _text(column.group.created_ns),
    }


def _text(moment_ns: int | None) -> str | None:
    return None if moment_ns is None else instant.text(moment_ns)
