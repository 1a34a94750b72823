"""The drift monitor: what scans found, and a scan now."""

from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Request, get, post
from litestar.params import FromPath, RawBody
from litestar.response import Response

from rpsd.core.cursor import number, row_after
from rpsd.core.errors import UnknownRoute
from rpsd.web.exchange import digest_of, of
from rpsd.web.operation import declare
from rpsd.web.queued import Accepted, accepted_job
from rpsd.web.wire import JSON, Body, Page, Query, answer, query, read

Severity = Literal["NONE", "LOW", "MEDIUM", "HIGH"]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class Kinds(msgspec.Struct):
    """The worst severity of each kind of row."""

    feature: Severity
    prediction: Severity
    quality: Severity


class Span(msgspec.Struct):
    """A window; both ends count."""

    start: str = msgspec.field(name="from")
    until: str


class Brief(msgspec.Struct, kw_only=True):
    """A report without its rows."""

    id: int
    model: str
    version: int
    at: str
    severity: Severity
    kinds: Kinds
    reference: Span
    current: Span
    view: str | None
    compared: int
    significant: int
    drifted: list[str]
    skipped: dict[str, str]


class Row(msgspec.Struct):
    """What a scan found of one feature, forecast or measure of quality."""

    feature: str
    kind: Literal["feature", "prediction", "quality"]
    n_reference: int
    n_current: int
    effective: float
    psi: float
    ks: float
    wasserstein: float
    mean_shift: float
    deviation_ratio: float
    p_value: float
    significant: bool
    severity: Severity


class Report(Brief, kw_only=True):
    """A report with a row for all that was compared."""

    rows: list[Row]


class ReportPage(msgspec.Struct):
    """A page of reports, the newest first."""

    reports: list[Brief]
    next: str | None = None


class ReportQuery(Page):
    """Which reports."""

    model: Name | None = None
    severity: Severity | None = None


class ScanBody(Body):
    """The models to scan; all in production without any."""

    models: Annotated[list[Name], msgspec.Meta(min_length=1, max_length=1000)] | None = None


@get(
    "/api/v1/drift/reports",
    opt=declare("read", "Drift reports.", "drift", query=ReportQuery, writes={JSON: ReportPage}),
    sync_to_thread=True,
)
def page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """A page of reports without their rows."""
    asked = query(request.scope, ReportQuery)
    reports, following = of(request).services.drift.page(row_after(asked.after), asked.limit, asked.model, asked.severity)
    return answer(of(request), {"reports": reports, "next": None if following is None else str(following)})


@get("/api/v1/drift/reports/{report:str}", opt=declare("read", "One drift report.", "drift", writes={JSON: Report}), sync_to_thread=True)
def find(request: Request[Any, Any, Any], report: FromPath[str]) -> Response[bytes]:
    """One report with its rows."""
    if (row := number(report)) is None:
        raise UnknownRoute(f"there is no drift report {report[:40]!r}", hint="GET /api/v1/drift/reports lists the reports.")
    return answer(of(request), of(request).services.drift.find(row))


@post(
    "/api/v1/drift/scan",
    opt=declare("train", "Scan models for drift now.", "drift", reads={JSON: ScanBody}, writes={JSON: Accepted}, status=202, once=True),
    status_code=202,
    sync_to_thread=True,
)
def scan(request: Request[Any, Any, Any], body: RawBody) -> Response[bytes]:
    """Queue a scan; 202. An empty body means all models in production."""
    exchange = of(request)
    query(request.scope, Query)
    models = read(exchange, body, ScanBody).models if body.strip() else None
    once = exchange.once("POST /api/v1/drift/scan", digest_of(body))
    return accepted_job(exchange, exchange.services.drift.submit(models, by=exchange.actor, once=once))


ROUTES: Final = (page, find, scan)
