"""Live columns of a series: declared once, computed with every post, read like any other column."""

from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Request, delete, get, put
from litestar.params import FromPath, RawBody
from litestar.response import Response

from rpsd.web.exchange import of
from rpsd.web.operation import declare
from rpsd.web.wire import JSON, Body, Query, answer, query, read, strict

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Lag = Annotated[int, msgspec.Meta(ge=1, le=65536)]


class LiveDenoise(Body):
    """One live column; `as` is its name, <column>_<method> when left out, and `lag` that of a method that waits."""

    column: Name
    method: Name = "auto"
    params: dict[str, Any] = msgspec.field(default_factory=dict)
    lag: Lag | None = None
    scale: Literal["price", "log"] = "price"
    name: Name | None = msgspec.field(default=None, name="as")


class LiveBody(Body):
    """All that is to be live on the series; what is left out ends. `regime` insists that a regime model serves."""

    denoise: list[LiveDenoise] = msgspec.field(default_factory=list)
    regime: bool = False


class LiveReplay(msgspec.Struct):
    """The last time a late or revised row sent the column back, and by how many samples."""

    samples: int
    at: str


class LiveColumn(msgspec.Struct):
    """A live column: how it is made, what it holds, and how far it has come."""

    name: str = msgspec.field(name="as")
    columns: list[str]
    column: str
    method: str
    params: dict[str, Any]
    causal: bool
    lag: int
    scale: str
    rows: int
    first: str | None
    last: str | None
    samples: int
    behind: int
    checkpoints: int
    replays: int
    last_replay: LiveReplay | None
    declared: str


class Live(msgspec.Struct):
    """What is live on a series."""

    symbol: str
    interval: str
    rows: int
    last: str | None
    denoise: list[LiveColumn]
    regime: bool


_PATH: Final = "/api/v1/series/{symbol:str}/{interval:str}/live"


@put(
    _PATH,
    opt=declare(
        "train",
        "Declare the live columns of a series: each is computed with every post, its history now. Only methods that never look ahead, "
        "or wait for a stated lag. No guardrail changes a live value.",
        "denoise",
        reads={JSON: LiveBody},
        writes={JSON: Live},
    ),
    status_code=200,
    sync_to_thread=True,
)
def put_live(request: Request[Any, Any, Any], symbol: FromPath[str], interval: FromPath[str], body: RawBody) -> Response[bytes]:
    """Declare live columns."""
    from rpsd.services.denoise.live import Wanted

    exchange = of(request)
    query(request.scope, Query)
    asked = read(exchange, body, LiveBody)
    exchange.operation = "live"
    wanted = [Wanted(one.column, one.method, one.params, one.lag, one.scale, one.name) for one in asked.denoise]
    told = exchange.services.live.declare(symbol, interval, wanted, regime=asked.regime, by=exchange.actor)
    strict(told)
    return answer(exchange, told)


@get(
    _PATH,
    opt=declare("read", "What is live on a series, and how far it has come.", "denoise", writes={JSON: Live}),
    sync_to_thread=True,
)
def show_live(request: Request[Any, Any, Any], symbol: FromPath[str], interval: FromPath[str]) -> Response[bytes]:
    """The live columns."""
    query(request.scope, Query)
    exchange = of(request)
    told = exchange.services.live.show(symbol, interval)
    strict(told)
    return answer(exchange, told)


@delete(
    _PATH,
    opt=declare(
        "train", "End the live columns of a series and drop their rows; the samples stay.", "denoise", writes={JSON: dict[str, list[str]]}
    ),
    status_code=200,
    sync_to_thread=True,
)
def end_live(request: Request[Any, Any, Any], symbol: FromPath[str], interval: FromPath[str]) -> Response[bytes]:
    """End the live columns."""
    exchange = of(request)
    query(request.scope, Query)
    return answer(exchange, {"ended": exchange.services.live.end(symbol, interval, exchange.actor)})


ROUTES: Final = (put_live, show_live, end_live)
