"""What every denoise route reads and writes: the options, the values with their times, and the account of what was done."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec
import numpy as np

from rpsd.core.errors import Fault, InvalidRequest, NotFinite
from rpsd.web.wire import Body, Instant, cells, instant, span, strict

if TYPE_CHECKING:
    from rpsd.core.market import Samples, Times, Vector
    from rpsd.core.result import DenoiseResult

_LARGEST: Final = 1e150  # its square still fits into float64, with room for a sum

Causality = Literal["hindsight", "causal", "lag"]
Scale = Literal["auto", "price", "log", "return"]
Fill = Literal["none", "bridge"]
Lag = Annotated[int, msgspec.Meta(ge=1, le=256)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class DenoiseOptions(Body):
    """How to denoise; what is left out comes from the settings."""

    method: Name | None = None
    causality: Causality = "hindsight"
    lag: Lag | None = None
    scale: Scale = "auto"
    fill: Fill = "none"
    band: bool = False
    params: dict[str, Any] = msgspec.field(default_factory=dict)
    guardrails: dict[str, Any] = msgspec.field(default_factory=dict)


class DenoiseBody(DenoiseOptions, kw_only=True):
    """Values to denoise, with their times if they have any; null is a missing value."""

    values: Annotated[list[float | None], msgspec.Meta(min_length=1)]
    t: list[Instant] | None = None


class Verdict(msgspec.Struct):
    """One guardrail; null where it does not apply."""

    value: float | None
    threshold: float | None
    passed: bool | None


class Warned(msgspec.Struct):
    """Something doubtful."""

    code: str
    detail: str


class Account(msgspec.Struct):
    """What was done and how far to trust it."""

    method: str
    params: dict[str, Any]
    causal: bool
    lag: int
    scale: str
    guardrails: dict[str, Verdict]
    passed: bool
    action: str
    reason: str
    noise_sigma: float
    snr_gain_db: float | None
    variance_reduction: float
    quality_score: float
    n: int
    processing_time: float
    trace: list[dict[str, Any]]
    evidence: dict[str, Any]
    warnings: list[Warned]


class Denoised(Account, kw_only=True):
    """The denoised values with their account; the 95 % band when it was asked for, null where the method has no model of its error."""

    values: list[float | None]
    lower: list[float | None] | msgspec.UnsetType = msgspec.UNSET
    upper: list[float | None] | msgspec.UnsetType = msgspec.UNSET
    t: list[str] | msgspec.UnsetType = msgspec.UNSET


def refuse_huge(values: "Vector") -> None:
    """Raise NotFinite naming each value (n,) whose square would leave float64: sums of such would be infinite."""
    rows = np.flatnonzero(np.abs(values) > _LARGEST).tolist()[:100]
    if rows:
        raise NotFinite("values above 1e150 cannot be computed with", errors=[Fault(f"/values/{row}", "not within 1e150") for row in rows])


def times(asked: "DenoiseBody | DataBody") -> "Times | None":
    """The times (n,) in ns. Raises InvalidRequest when they are not as many as the values, BadTime with the pointer."""
    if asked.t is None or asked.values is None:
        return None
    if len(asked.t) != len(asked.values):
        reason = f"{len(asked.t)} times for {len(asked.values)} values"
        raise InvalidRequest(f"/t: {reason}", errors=[Fault("/t", reason)])
    return np.array([instant(given, f"/t/{row}") for row, given in enumerate(asked.t)], np.int64)


def told(result: "DenoiseResult", processing_time: float) -> dict[str, Any]:
    """The account and, if asked for, the band, ready for JSON but for the values. Raises InternalError when a number is not finite."""
    from rpsd.services.denoise.service import account

    facts = account(result, processing_time)
    strict(facts)
    if result.lower is not None and result.upper is not None:
        facts |= {"lower": cells(result.lower), "upper": cells(result.upper)}
    return facts


class StoredColumn(Body):
    """A column of a stored series, from start to end inclusive."""

    symbol: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    interval: Annotated[str, msgspec.Meta(min_length=1, max_length=8)]
    column: Name = "close"
    start: Instant | None = None
    end: Instant | None = None


class DataBody(Body, kw_only=True):
    """Data of a request: values with their times if they have any, or a stored series; one of the two."""

    values: Annotated[list[float | None], msgspec.Meta(min_length=1)] | None = None
    t: list[Instant] | None = None
    series: StoredColumn | None = None


def data(asked: DataBody, read: "Callable[..., tuple[Any, Samples]]") -> "tuple[Vector, Times | None]":
    """The values (n,) and times of the request, or what `read` (DenoiseService.column) finds.

    Raises InvalidRequest unless there is exactly one of the two, NotFinite, BadTime, and as `read` does.
    """
    if (asked.values is None) == (asked.series is None):
        reason = "expected either values or series"
        raise InvalidRequest(reason, errors=[Fault("/values", reason)])
    if asked.series is not None:
        if asked.t is not None:
            raise InvalidRequest("a stored series has its own times", errors=[Fault("/t", "a stored series has its own times")])
        stored = asked.series
        start_ns, end_ns = span(stored.start, stored.end, "/series")
        samples = read(stored.symbol, stored.interval, stored.column, start_ns, end_ns)[1]
        return samples.columns[stored.column], samples.t
    values = np.array(asked.values, np.float64)
    refuse_huge(values)
    return values, times(asked)
