"""What only an operator may see: effective settings, audit."""

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, get
from litestar.response import Response

from rpsd.web.exchange import of
from rpsd.web.operation import declare
from rpsd.web.wire import JSON, Page, Query, answer, moment, query


class Setting(msgspec.Struct):
    """One effective setting and where it comes from."""

    name: str
    value: Any
    origin: str


class Settings(msgspec.Struct):
    """The effective settings, without secrets."""

    settings: list[Setting]


@get(
    "/api/v1/admin/config",
    opt=declare("admin", "The effective settings without secrets.", "admin", writes={JSON: Settings}),
    sync_to_thread=True,
)
def config(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Each setting with its value and origin."""
    from rpsd.config import explain

    rows = [{"name": row.name, "value": row.value, "origin": row.origin} for row in explain(of(request).services.settings)]
    return answer(of(request), {"settings": rows})


class AuditPage(Page):
    """Which rows of the audit log are wanted."""

    action: Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[a-z0-9_.]+$")] | None = None
    actor: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None
    since: Annotated[str, msgspec.Meta(max_length=40)] | None = None


class AuditAnchor(Query):
    """An earlier end of the audit log."""

    anchor: Annotated[str, msgspec.Meta(pattern="^[0-9]{1,18}:[0-9a-fA-F]{64}$")] | None = None


@get(
    "/api/v1/admin/audit",
    opt=declare(
        "admin",
        "The audit log, newest first; `action` finds itself and what is below it (`key` finds key.create).",
        "admin",
        query=AuditPage,
        writes={JSON: dict[str, Any]},
    ),
    sync_to_thread=True,
)
def audit(request: Request[Any, Any, Any]) -> Response[bytes]:
    """A page of the audit log."""
    asked = query(request.scope, AuditPage)
    rows, following = of(request).services.access.audit(
        asked.after, asked.limit, action=asked.action, actor=asked.actor, since_ns=moment(asked.since, "since")
    )
    return answer(of(request), {"audit": rows, "next": following})


@get(
    "/api/v1/admin/audit/verify",
    opt=declare(
        "admin",
        "Verify the audit log's chain, and that the row of an earlier `anchor` (SEQ:HASH) is in it.",
        "admin",
        query=AuditAnchor,
        writes={JSON: dict[str, Any]},
    ),
    sync_to_thread=True,
)
def verify_audit(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Whether the chain holds; the first bad row if not."""
    anchor = query(request.scope, AuditAnchor).anchor
    return answer(of(request), of(request).services.access.verify_audit(anchor))


ROUTES: Final = (config, audit, verify_audit)
