"""What only an operator may do: backups, effective settings, audit."""

from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, get, post
from litestar.params import RawBody
from litestar.response import Response

from rpsd.core.errors import Fault, UnknownFile
from rpsd.web.exchange import of
from rpsd.web.operation import declare
from rpsd.web.queued import Accepted, enqueue, refuse_body
from rpsd.web.wire import JSON, Body, Page, Query, answer, moment, query, read


class VerifyBody(Body):
    """A backup by its file name."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class BackupList(msgspec.Struct):
    """The backups, the newest first."""

    backups: list[dict[str, Any]]


class Pruned(msgspec.Struct):
    """Names of the backups that were removed."""

    pruned: list[str]


class Setting(msgspec.Struct):
    """One effective setting and where it comes from."""

    name: str
    value: Any
    origin: str


class Settings(msgspec.Struct):
    """The effective settings, without secrets."""

    settings: list[Setting]


@get("/api/v1/admin/backups", opt=declare("admin", "The backups.", "admin", writes={JSON: BackupList}), sync_to_thread=True)
def backups(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The backups."""
    return answer(of(request), {"backups": of(request).services.backup.list()})


@post(
    "/api/v1/admin/backups",
    opt=declare("admin", "Take a backup now; its facts are the job's result.", "admin", writes={JSON: Accepted}, status=202, once=True),
    status_code=202,
    sync_to_thread=True,
)
def create_backup(request: Request[Any, Any, Any], body: RawBody) -> Response[bytes]:
    """Queue the backup job; 202."""
    query(request.scope, Query)
    refuse_body(body)
    return enqueue(of(request), "backup", {}, body)


@post(
    "/api/v1/admin/backups/verify",
    opt=declare(
        "admin", "Verify a backup in backup.dir by its file name.", "admin", reads={JSON: VerifyBody}, writes={JSON: dict[str, Any]}
    ),
    status_code=200,
    sync_to_thread=True,
)
def verify_backup(request: Request[Any, Any, Any], body: RawBody) -> Response[bytes]:
    """Verify a backup; only files of the backup directory, so that no other file can be probed."""
    exchange = of(request)
    query(request.scope, Query)
    name = read(exchange, body, VerifyBody).name
    path = Path(exchange.services.settings.backup.dir) / name
    if not path.is_file():
        raise UnknownFile(f"there is no backup {name!r}", errors=[Fault("/name", "no such backup")])
    return answer(exchange, exchange.services.backup.verify(path, by=exchange.actor))


@post(
    "/api/v1/admin/backups/prune",
    opt=declare("admin", "Remove backups older than backup.keep_days, never the newest.", "admin", writes={JSON: Pruned}),
    status_code=200,
    sync_to_thread=True,
)
def prune_backups(request: Request[Any, Any, Any], body: RawBody) -> Response[bytes]:
    """Remove old backups; their names."""
    query(request.scope, Query)
    refuse_body(body)
    exchange = of(request)
    return answer(exchange, {"pruned": exchange.services.backup.prune(by=exchange.actor)})


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


ROUTES: Final = (backups, create_backup, verify_backup, prune_backups, config, audit, verify_audit)
