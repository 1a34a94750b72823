"""A backtest of a model of an order book: queued as a job, the report in its result."""

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, post
from litestar.params import FromPath, RawBody
from litestar.response import Response

from rpsd.core import instant
from rpsd.web.exchange import digest_of, of
from rpsd.web.operation import declare
from rpsd.web.queued import Accepted, accepted_job
from rpsd.web.wire import JSON, Body, Query, query, read

Fee = Annotated[float, msgspec.Meta(ge=-100.0, le=1000.0)]


class BacktestBody(Body, kw_only=True):
    """Fees per side in basis points, which have no default, and what to trade by.

    A model by its name, or `label` and `book`, the parameters of models that are fitted walk-forward to the tape.
    """

    taker_fee_bps: Fee | None = None
    maker_fee_bps: Fee | None = None
    params: dict[str, Any] = msgspec.field(default_factory=dict)
    model_name: Annotated[str, msgspec.Meta(max_length=120)] | None = None
    label: dict[str, Any] | None = None
    book: dict[str, Any] = msgspec.field(default_factory=dict)
    start: str | None = None
    end: str | None = None
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)] = 0


@post(
    "/api/v1/books/{symbol:str}/backtest",
    opt=declare(
        "train",
        "Replay a model's decisions on the stored tape with latency, depth, queues and fees, beside baselines; the result is the report.",
        "books",
        reads={JSON: BacktestBody},
        writes={JSON: Accepted},
        status=202,
        once=True,
    ),
    status_code=202,
    sync_to_thread=True,
)
def backtest(request: Request[Any, Any, Any], symbol: FromPath[str], body: RawBody) -> Response[bytes]:
    """Queue a backtest; 202."""
    from rpsd.services.book.backtest import Asked

    exchange = of(request)
    query(request.scope, Query)
    given = read(exchange, body, BacktestBody)
    asked = Asked(
        given.taker_fee_bps,
        given.maker_fee_bps,
        params=given.params,
        model_name=given.model_name,
        label=given.label,
        book=given.book,
        start_ns=None if given.start is None else instant.parse(given.start),
        end_ns=None if given.end is None else instant.parse(given.end),
        seed=given.seed,
    )
    once = exchange.once(f"POST /api/v1/books/{symbol}/backtest", digest_of(body))
    exchange.operation = "book_backtest"
    return accepted_job(exchange, exchange.services.backtest.submit(symbol, asked, by=exchange.actor, once=once))


ROUTES: Final = (backtest,)
