"""Training a model of an order book: queued as a job."""

from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Request, post
from litestar.params import FromPath, RawBody
from litestar.response import Response

from rpsd.core.parameters import LabelParameters, build
from rpsd.web.exchange import digest_of, of
from rpsd.web.operation import declare
from rpsd.web.queued import Accepted, accepted_job
from rpsd.web.wire import JSON, Body, Query, query, read


class TrainBody(Body):
    """What the model foretells, and `params`, the parameters of its predictor; the symbol POOLED trains on all books together."""

    label: Literal["next_mid_move", "horizon_events", "horizon_ms", "smoothed"] | None = None
    horizon: Annotated[int, msgspec.Meta(ge=1, le=100_000)] | None = None
    delay_ms: Annotated[int, msgspec.Meta(ge=0, le=60_000)] = 0
    params: dict[str, Any] = msgspec.field(default_factory=dict)


@post(
    "/api/v1/books/{symbol:str}/train",
    opt=declare(
        "train",
        "Train a model of an order book on its stored tape; it serves once it beats the baselines. A random split is refused.",
        "books",
        reads={JSON: TrainBody},
        writes={JSON: Accepted},
        status=202,
        once=True,
    ),
    status_code=202,
    sync_to_thread=True,
)
def train(request: Request[Any, Any, Any], symbol: FromPath[str], body: RawBody) -> Response[bytes]:
    """Queue a training; 202."""
    exchange = of(request)
    query(request.scope, Query)
    given = read(exchange, body, TrainBody) if body.strip() else TrainBody()
    service = exchange.services.book_training
    label = None if given.label is None else _label(given)
    once = exchange.once(f"POST /api/v1/books/{symbol}/train", digest_of(body))
    exchange.operation = "book_train"
    return accepted_job(exchange, service.submit(symbol, label, given.params, by=exchange.actor, once=once))


def _label(given: TrainBody) -> LabelParameters:
    """The label of the request. Raises BadParameter."""
    chosen = {"label": given.label, "delay_ms": float(given.delay_ms)} | ({} if given.horizon is None else {"horizon": given.horizon})
    return build(LabelParameters, chosen, "")


ROUTES: Final = (train,)
