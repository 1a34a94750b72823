"""Settings of denoising side by side on the same data, with what each would have shown at the time."""

from collections.abc import Callable
from time import perf_counter
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, post
from litestar.params import RawBody
from litestar.response import Response
from msgspec.structs import fields

from rpsd.web.denoised import Account, DataBody, DenoiseOptions, data
from rpsd.web.exchange import Exchange, of
from rpsd.web.limits import check_count
from rpsd.web.operation import declare
from rpsd.web.while_connected import answered
from rpsd.web.wire import JSON, Query, answer, cells, query, read, strict

_OPTIONS: Final = tuple(field.name for field in fields(DenoiseOptions))


class CompareConfiguration(DenoiseOptions, kw_only=True):
    """One setting, with the options of POST /api/v1/denoise and a label of its own."""

    label: Annotated[str, msgspec.Meta(max_length=64)] = ""


class CompareBody(DataBody, kw_only=True):
    """The data, the settings to compare, and at how many rows each is asked again with the past alone."""

    configurations: Annotated[list[CompareConfiguration], msgspec.Meta(min_length=2, max_length=8)]
    endpoints: Annotated[int, msgspec.Meta(ge=1, le=256)] = 32


class Figure(msgspec.Struct):
    """A statistic over n rows and its standard error where there is nothing to find; null where it is not defined."""

    value: float | None
    standard_error: float | None
    n: int


class TwoWays(msgspec.Struct):
    """A figure of the column in hindsight, and of the values as of the endpoints."""

    hindsight: Figure
    causal: Figure


class Compared(Account, kw_only=True):
    """One setting: its account, its two columns, and what tells them apart."""

    label: str
    risk: float | None
    endpoint_revision: float | None
    leakage: TwoWays
    slope_sharpe: TwoWays
    foresight: float | None
    hindsight: list[float | None]
    causal_values: list[float | None]


class Preferred(msgspec.Struct):
    """The best setting by a criterion that looking ahead cannot improve, and why."""

    best: str | None
    criterion: str
    reason: str
    not_clearly_worse: list[str] | msgspec.UnsetType = msgspec.UNSET


class CompareSummary(msgspec.Struct):
    """Which setting for looking back, and which for live use."""

    looking_back: Preferred
    live: Preferred


class CompareAnswer(msgspec.Struct):
    """The settings in the order of the request."""

    n: int
    endpoints: list[int]
    window: int
    configurations: list[Compared]
    summary: CompareSummary
    processing_time: float


@post(
    "/api/v1/denoise/compare",
    opt=declare(
        "predict",
        "Compare settings on the same data: hindsight and causal column, endpoint revision, leakage, and which to prefer.",
        "denoise",
        reads={JSON: CompareBody},
        writes={JSON: CompareAnswer},
    ),
    status_code=200,
)
async def compare(request: Request[Any, Any, Any], body: RawBody) -> Response[bytes]:
    """Compare settings; ends early when the client goes away."""
    query(request.scope, Query)
    return await answered(request, lambda gone: _answer(of(request), body, gone))


def _answer(exchange: Exchange, body: bytes, gone: Callable[[], bool]) -> Response[bytes]:
    from rpsd.services.denoise.compare import Configuration

    started, services = perf_counter(), exchange.services
    asked = read(exchange, body, CompareBody)
    check_count(len(asked.values or ()), services.denoise_batch.most_points)
    values, t = data(asked, services.denoise.column)
    configurations = [Configuration(one.label, {name: getattr(one, name) for name in _OPTIONS}) for one in asked.configurations]
    found = services.denoise_compare.run(values, configurations, t=t, endpoints=asked.endpoints, cancelled=gone)
    exchange.operation, exchange.samples = "denoise_compare", values.size
    columns = [{name: cells(one.pop(name)) for name in ("hindsight", "causal_values")} for one in found["configurations"]]
    strict(found)
    found["configurations"] = [told | pair for told, pair in zip(found["configurations"], columns, strict=True)]
    return answer(exchange, {**found, "processing_time": round(perf_counter() - started, 6)})


ROUTES: Final = (compare,)
