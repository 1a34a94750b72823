"""Backups and snapshots: taking, listing, verifying and removing them; and reading what stands in one."""

import os
from collections.abc import Iterator
from typing import Annotated, Any, BinaryIO, Final
from weakref import finalize

import msgspec
from litestar import Request, delete, get, post
from litestar.background_tasks import BackgroundTask
from litestar.params import FromPath, RawBody
from litestar.response import Response, Stream

from rpsd.web.exchange import of
from rpsd.web.operation import declare
from rpsd.web.queued import Accepted, enqueue, refuse_body
from rpsd.web.wire import JSON, Body, Query, answer, query, read

TAR: Final = "application/x-tar"
_PIECE: Final = 1 << 18


class VerifyBody(Body):
    """A backup by its file name."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class BackupList(msgspec.Struct):
    """The backups, the newest first."""

    backups: list[dict[str, Any]]


class Pruned(msgspec.Struct):
    """Names of the backups that were removed."""

    pruned: list[str]


class Deleted(msgspec.Struct):
    """The name of the backup that was removed."""

    deleted: str


class Snapshot(msgspec.Struct):
    """A copy of the database beside it: schema is its number, locked whether writes waited for it (else it was made in steps)."""

    path: str
    bytes: int
    seconds: float
    schema: int | None
    locked: bool


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
    path = exchange.services.backup.find(name)
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
    "/api/v1/admin/backups/{name:str}/content",
    opt=declare("admin", "The file of a backup, a plain tar.", "admin", writes={TAR: None}),
    sync_to_thread=True,
)
def content(request: Request[Any, Any, Any], name: FromPath[str]) -> Stream:
    """The file, piece by piece."""
    exchange = of(request)
    query(request.scope, Query)
    file = exchange.services.backup.open(name)
    headers = {"content-disposition": f'attachment; filename="{name}"', "content-length": str(os.fstat(file.fileno()).st_size)}
    pieces = _pieces(file)
    finalize(pieces, file.close)  # a connection may end before the first piece is asked for
    return Stream(pieces, media_type=TAR, headers=headers, background=BackgroundTask(file.close))  # a client may leave in the middle


@delete(
    "/api/v1/admin/backups/{name:str}",
    opt=declare("admin", "Remove a backup by its file name, never the newest.", "admin", writes={JSON: Deleted}),
    status_code=200,
    sync_to_thread=True,
)
def delete_backup(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
    """Remove a backup; audited."""
    exchange = of(request)
    query(request.scope, Query)
    exchange.services.backup.delete(name, by=exchange.actor)
    return answer(exchange, {"deleted": name})


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while piece := file.read(_PIECE):
            yield piece


@post(
    "/api/v1/admin/snapshots",
    opt=declare("admin", "Copy the database beside itself, for an upgrade to go back to; writes wait.", "admin", writes={JSON: Snapshot}),
    status_code=200,
    sync_to_thread=True,
)
def take_snapshot(request: Request[Any, Any, Any], body: RawBody) -> Response[bytes]:
    """Take a snapshot; the newest two are kept."""
    query(request.scope, Query)
    refuse_body(body)
    exchange = of(request)
    return answer(exchange, exchange.services.backup.snapshot_locked(by=exchange.actor))


ROUTES: Final = (backups, create_backup, verify_backup, prune_backups, content, delete_backup, take_snapshot)
