"""Market regimes: fitted to a range on demand, or told live by the production model of a series."""

from time import perf_counter
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
from litestar import Request, get, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath, RawBody
from litestar.response import Response

from rpsd.core.errors import Fault, InvalidRequest
from rpsd.core.regime import REGIME_TYPES
from rpsd.web.exchange import of
from rpsd.web.operation import declare
from rpsd.web.wire import JSON, Body, Instant, Query, answer, instant, query, read, span, told

RegimeType = Annotated[str, msgspec.Meta(max_length=32, extra_json_schema={"enum": list(REGIME_TYPES)})]
"""Text, so that a type that is none meets its own code below."""
Symbol = Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
Interval = Annotated[str, msgspec.Meta(min_length=1, max_length=10)]


class Observations(Body):
    """Bars that are not stored: times and positive prices of equal length, and the further columns that a model may see."""

    t: Annotated[list[Instant], msgspec.Meta(min_length=1)]
    close: list[float]
    columns: dict[str, list[float | None]] | None = None


class DetectBody(Body):
    """A range of a stored series (or of `observations`) and how its regimes are told.

    `engine`, `emission` and `columns` stand in for the settings of these names; `include` adds what pictures are drawn from; `ahead` is how
    many bars the forecast reaches.
    """

    ticker: Symbol
    start_date: Instant
    end_date: Instant
    regime_type: RegimeType | None = None
    interval: Interval = "1d"
    mode: Literal["filtered", "walk_forward", "smoothed"] = "filtered"
    refit_every: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 21
    engine: Annotated[str, msgspec.Meta(max_length=32)] | None = None
    emission: Annotated[str, msgspec.Meta(max_length=32)] | None = None
    columns: Annotated[list[Annotated[str, msgspec.Meta(max_length=64)]], msgspec.Meta(min_length=1, max_length=10)] | None = None
    include: Annotated[list[Literal["prices", "probabilities", "residuals", "viterbi"]], msgspec.Meta(max_length=4)] | None = None
    ahead: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 21
    observations: Observations | list[float] | None = None


class CurrentBody(Body):
    """Symbols whose present regimes are asked."""

    symbols: Annotated[list[Symbol], msgspec.Meta(min_length=1, max_length=1000)]
    interval: Interval = "1d"
    regime_type: RegimeType | None = None


class RegimeQuery(Query):
    """Which model of a symbol."""

    interval: Interval = "1d"
    regime_type: RegimeType | None = None


class HistoryQuery(RegimeQuery):
    """Which part of its path."""

    start: str | None = None
    end: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 10_000


class TransitionQuery(RegimeQuery):
    """How far ahead."""

    steps: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1


@post(
    "/api/v1/detect-regimes",
    opt=declare(
        "predict",
        "Fit regimes to exactly this range; cached, never registered. `causal_from` says from when on nothing is hindsight.",
        "regimes",
        reads={JSON: DetectBody},
        writes={JSON: dict[str, Any]},
        kind="read",
    ),
    status_code=200,
    sync_to_thread=True,
)
def detect(request: Request[Any, Any, Any], body: RawBody) -> Response[bytes]:
    """Regimes of a range."""
    started = perf_counter()
    exchange = of(request)
    query(request.scope, Query)
    asked = read(exchange, body, DetectBody)
    exchange.operation = "detect_regimes"
    found = exchange.services.regime.detect(
        asked.ticker,
        instant(asked.start_date, "/start_date"),
        instant(asked.end_date, "/end_date"),
        regime_type=asked.regime_type,
        interval=asked.interval,
        mode=asked.mode,
        refit_every=asked.refit_every,
        engine=asked.engine,
        emission=asked.emission,
        columns=asked.columns,
        include=asked.include or (),
        ahead=asked.ahead,
        observations=_observed(asked.observations),
        admit=lambda: exchange.charge("train"),
    )
    exchange.samples = len(found.get("regimes", ()))
    return answer(exchange, {**found, "processing_time": round(perf_counter() - started, 6)})


def _observed(given: Observations | list[float] | None) -> Any:
    """Times (n,) in ns, prices (n,) and further columns, or prices alone, one a bar from the start. Raises InvalidRequest."""
    if not isinstance(given, Observations):
        return given
    if len(given.t) != len(given.close):
        reason = f"{len(given.close)} prices for {len(given.t)} times"
        raise InvalidRequest(f"/observations/close: {reason}", errors=[Fault("/observations/close", reason)])
    t = [instant(at, f"/observations/t/{row}") for row, at in enumerate(given.t)]
    return np.array(t, np.int64), np.array(given.close, np.float64), given.columns or {}


@post(
    "/api/v1/regimes/current",
    opt=declare(
        "predict", "Present regimes of many symbols in one call.", "regimes", reads={JSON: CurrentBody}, writes={JSON: dict[str, Any]}
    ),
    status_code=200,
    sync_to_thread=True,
)
def current_many(request: Request[Any, Any, Any], body: RawBody) -> Response[bytes]:
    """Present regimes of many symbols; one without a model does not fail the rest."""
    exchange = of(request)
    query(request.scope, Query)
    asked = read(exchange, body, CurrentBody)
    exchange.operation, exchange.samples = "current_regimes", len(asked.symbols)
    return told(exchange, exchange.services.regime.current_many_text(asked.symbols, asked.interval, asked.regime_type))


@get(
    "/api/v1/regimes/{symbol:str}",
    opt=declare("read", "Present regime by the production model.", "regimes", query=RegimeQuery, writes={JSON: dict[str, Any]}),
)
async def current(request: Request[Any, Any, Any], symbol: FromPath[str]) -> Response[bytes]:
    """Present regime: on the event loop while it lies in memory, else in a thread."""
    exchange, asked = of(request), query(request.scope, RegimeQuery)
    exchange.operation = "current_regime"
    regime = exchange.services.regime
    text = regime.current_at_hand(symbol, asked.interval, asked.regime_type)
    if text is None:
        text = await sync_to_thread(regime.current_text, symbol, asked.interval, asked.regime_type)
    return told(exchange, text)


@get(
    "/api/v1/regimes/{symbol:str}/history",
    opt=declare(
        "read",
        "Path of the regimes; each row says its model_version and whether it is in_sample.",
        "regimes",
        query=HistoryQuery,
        writes={JSON: dict[str, Any]},
    ),
    sync_to_thread=True,
)
def history(request: Request[Any, Any, Any], symbol: FromPath[str]) -> Response[bytes]:
    """Path of the regimes over a range."""
    asked = query(request.scope, HistoryQuery)
    start_ns, end_ns = span(asked.start, asked.end)
    found = of(request).services.regime.history(
        symbol, asked.interval, asked.regime_type, start_ns=start_ns, end_ns=end_ns, limit=asked.limit
    )
    return answer(of(request), found)


@get(
    "/api/v1/regimes/{symbol:str}/statistics",
    opt=declare("read", "Tables of the regimes by the production model.", "regimes", query=RegimeQuery, writes={JSON: dict[str, Any]}),
    sync_to_thread=True,
)
def statistics(request: Request[Any, Any, Any], symbol: FromPath[str]) -> Response[bytes]:
    """Tables of the regimes."""
    asked = query(request.scope, RegimeQuery)
    return answer(of(request), of(request).services.regime.statistics(symbol, asked.interval, asked.regime_type))


@get(
    "/api/v1/regimes/{symbol:str}/transitions",
    opt=declare(
        "read", "Transition matrix and forecast over `steps` bars.", "regimes", query=TransitionQuery, writes={JSON: dict[str, Any]}
    ),
    sync_to_thread=True,
)
def transitions(request: Request[Any, Any, Any], symbol: FromPath[str]) -> Response[bytes]:
    """Transition matrix and forecast."""
    asked = query(request.scope, TransitionQuery)
    return answer(of(request), of(request).services.regime.transitions(symbol, asked.interval, asked.regime_type, steps=asked.steps))


ROUTES: Final = (detect, current_many, current, history, statistics, transitions)
