"""Denoising many series in one call: results in order, each with its own answer or its own error."""

from collections.abc import Callable, Iterator, Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any, Final, Union

import msgspec
import numpy as np
from litestar import Request, post
from litestar.params import RawBody
from litestar.response import Response
from msgspec.structs import fields

from rpsd.core.errors import Fault, InternalError, InvalidRequest, RpsdError
from rpsd.web.denoised import DenoiseBody, Denoised, DenoiseOptions, refuse_huge, times, told
from rpsd.web.exchange import Exchange, of
from rpsd.web.operation import declare
from rpsd.web.places import convert
from rpsd.web.while_connected import answered
from rpsd.web.wire import JSON, Nanoseconds, Query, answer, cells, query, read

if TYPE_CHECKING:
    from rpsd.core.result import DenoiseResult
    from rpsd.services.denoise.batch import Wanted

_MOST: Final = 20_000  # series; the service's own limit
_OPTIONS: Final = tuple(field.name for field in fields(DenoiseOptions))

Id = str | Nanoseconds  # an integer of 64 bits: MessagePack answers hold no other


class BatchSeries(DenoiseBody, kw_only=True):
    """One series of a batch; an option of its own replaces the shared one."""

    id: Id | None = None


class BatchBody(DenoiseOptions, kw_only=True):
    """Series to denoise and the options that they share."""

    series: Annotated[list[BatchSeries], msgspec.Meta(min_length=1, max_length=_MOST)]


class _Envelope(DenoiseOptions, kw_only=True):
    """A BatchBody whose series are not looked at yet, so that a bad one is refused alone."""

    series: Annotated[list[Any], msgspec.Meta(min_length=1, max_length=_MOST)]


class Place(msgspec.Struct):
    """One bad place of the request."""

    pointer: str
    reason: str


class SeriesError(msgspec.Struct):
    """Why one series has no result."""

    code: str
    detail: str
    hint: str
    errors: list[Place]


_result: Final[list[Any]] = [
    ("id", Id | None),
    ("error", SeriesError | msgspec.UnsetType, msgspec.UNSET),
    *((f.encode_name, Union[f.type, msgspec.UnsetType], msgspec.UNSET) for f in fields(Denoised) if f.name not in ("t", "processing_time")),  # noqa: UP007
]
_doc: Final = "The answer of POST /api/v1/denoise but for its processing time, or an error; and the series' own id, null without one."
BatchResult: Final = msgspec.defstruct("BatchResult", _result, module=__name__, namespace={"__doc__": _doc})


class BatchAnswer(msgspec.Struct):
    """Results in the order of the series; `failed` of `n` hold an error instead."""

    results: list[BatchResult]  # type: ignore[valid-type]
    n: int
    failed: int
    processing_time: float


@post(
    "/api/v1/denoise/batch",
    opt=declare(
        "predict",
        "Denoise many series of any lengths: results in order, one bad series holds an error and does not fail the rest.",
        "denoise",
        reads={JSON: BatchBody},
        writes={JSON: BatchAnswer},
    ),
    status_code=200,
)
async def batch(request: Request[Any, Any, Any], body: RawBody) -> Response[bytes]:
    """Denoise the series of the request; what is left undone when the client goes away is not done."""
    query(request.scope, Query)
    return await answered(request, lambda gone: _answer(of(request), body, gone))


def _answer(exchange: Exchange, body: bytes, gone: Callable[[], bool]) -> Response[bytes]:
    started = perf_counter()
    asked = read(exchange, body, _Envelope)
    shared = {name: getattr(asked, name) for name in _OPTIONS}
    places, wanted, results = [], [], []
    for place, (name, series) in enumerate(_checked(asked.series, shared)):
        results.append({"id": name, "error": _told(series, place, asked.series[place])} if isinstance(series, RpsdError) else {"id": name})
        if not isinstance(series, RpsdError):
            places.append(place)
            wanted.append(series)
    outcomes = exchange.services.denoise_batch.run(wanted, cancelled=gone)
    exchange.operation, exchange.samples = "denoise_batch", sum(one.values.size for one in wanted)
    for place, outcome in zip(places, outcomes, strict=True):
        results[place] |= {"error": _told(outcome, place, asked.series[place])} if isinstance(outcome, RpsdError) else _account(outcome)
    failed = sum("error" in result for result in results)
    return answer(
        exchange, {"results": results, "n": len(results), "failed": failed, "processing_time": round(perf_counter() - started, 6)}
    )


def _checked(series: list[Any], shared: Mapping[str, Any]) -> Iterator[tuple[Id | None, "Wanted | RpsdError"]]:
    """Id and request of each series, or why it cannot be one."""
    from rpsd.services.denoise.batch import Wanted

    seen: dict[Id, int] = {}
    for place, given in enumerate(series):
        name = _name(given)
        try:
            if not isinstance(given, dict):
                raise InvalidRequest("expected an object", errors=[Fault("", "expected an object")])
            if name is not None and seen.setdefault(name, place) != place:
                raise InvalidRequest(f"series {seen[name]} has this id", errors=[Fault("/id", f"series {seen[name]} has this id")])
            asked: BatchSeries = convert(given, BatchSeries)
            values = np.array(asked.values, np.float64)
            refuse_huge(values)
            own = any(option in given for option in _OPTIONS)
            how = {**shared, **{option: getattr(asked, option) for option in _OPTIONS if option in given}} if own else shared
            yield name, Wanted(values, times(asked), how)
        except RpsdError as error:
            yield name, error


def _name(given: Any) -> Id | None:
    """The id of a series, None unless it is one; True, which equals 1, is none."""
    name = given.get("id") if isinstance(given, dict) else None
    return name if isinstance(name, str) or (type(name) is int and -(2**63) <= name < 2**63) else None


def _told(error: RpsdError, place: int, given: Any) -> dict[str, Any]:
    """An error as part of the answer, its pointers from the root of the request: a shared option is at fault where it stands."""
    if isinstance(error, InternalError):
        raise error
    own = given if isinstance(given, dict) else {}
    faults = []
    for fault in error.errors[:100]:
        option = fault.pointer.split("/")[1] if fault.pointer else ""
        where = "" if option in _OPTIONS and option not in own else f"/series/{place}"
        faults.append({"pointer": f"{where}{fault.pointer}", "reason": fault.reason})
    return {"code": error.code, "detail": error.detail, "hint": error.advice, "errors": faults}


def _account(result: "DenoiseResult") -> dict[str, Any]:
    """A result as the single route tells it; the processing time is that of the whole, told once."""
    facts = told(result, 0.0)
    del facts["processing_time"]
    return {"values": cells(result.values), **facts}


ROUTES: Final = (batch,)
