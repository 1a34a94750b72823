"""Model files in and out, and the quarantine of what was refused."""

from typing import Any, Final

import msgspec
from litestar import Request, delete, get, post
from litestar.params import FromPath, RawBody
from litestar.response import Response

from rpsd.core.cursor import number, row_after
from rpsd.core.errors import UnknownFile
from rpsd.web.exchange import digest_of, of
from rpsd.web.model_wire import ServingModel
from rpsd.web.operation import declare
from rpsd.web.wire import FLOATS, JSON, Page, Query, answer, media_type, query

DIGEST: Final = "rpsd-digest"
"""The header with the SHA-256 (hex) of a model file."""


class ImportedModel(ServingModel):
    """The version that was made of a file, and the file's SHA-256."""

    file_digest: str


class SetAside(msgspec.Struct):
    """Something in the quarantine: a file that was sent, or a stored version; `kept` tells whether the bytes of a file are still here."""

    id: int
    noted: str
    origin: str
    name: str | None
    version: int | None
    digest: str
    bytes: int
    reason: str
    noted_by: str
    kept: bool


class QuarantinePage(msgspec.Struct):
    """What was set aside, the newest first."""

    quarantine: list[SetAside]
    next: str | None = None


@get(
    "/api/v1/models/{name:str}/versions/{version:str}/file",
    opt=declare("read", "A version as a model file; its SHA-256 is in the header Rpsd-Digest.", "models", writes={FLOATS: None}),
    sync_to_thread=True,
)
def export(request: Request[Any, Any, Any], name: FromPath[str], version: FromPath[str]) -> Response[bytes]:
    """The file."""
    query(request.scope, Query)
    data, digest = of(request).services.model_file.exported(name, version)
    plain = "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in f"{name}_{version}")
    headers = {DIGEST: digest, "content-disposition": f'attachment; filename="{plain}.rpsdmodel"'}
    return Response(data, media_type=FLOATS, headers=headers)


_IMPORT: Final = {"reads": {FLOATS: None}, "writes": {JSON: ImportedModel}, "status": 201, "once": True}


@post(
    "/api/v1/models/import",
    opt=declare("train", "Register the version in a model file as a candidate; Rpsd-Digest, if sent, must match.", "models", **_IMPORT),
    status_code=201,
    sync_to_thread=True,
)
def import_(request: Request[Any, Any, Any], body: RawBody) -> Response[bytes]:
    """Register the version in the file; 201."""
    exchange = of(request)
    query(request.scope, Query)
    media_type(exchange, FLOATS)
    once = exchange.once("POST /api/v1/models/import", digest_of(body))
    told = exchange.services.model_file.imported(body, exchange.actor, digest=exchange.header(DIGEST.encode()), once=once)
    return answer(exchange, told, 201)


@get(
    "/api/v1/admin/quarantine",
    opt=declare("admin", "Model files that were refused, and damaged versions.", "admin", query=Page, writes={JSON: QuarantinePage}),
    sync_to_thread=True,
)
def quarantine(request: Request[Any, Any, Any]) -> Response[bytes]:
    """A page of what was set aside."""
    asked = query(request.scope, Page)
    rows, following = of(request).services.quarantine.page(row_after(asked.after), asked.limit)
    return answer(of(request), {"quarantine": rows, "next": None if following is None else str(following)})


@delete(
    "/api/v1/admin/quarantine/{item:str}",
    opt=declare("admin", "Forget what was set aside, and its bytes.", "admin", writes={JSON: SetAside}),
    status_code=200,
    sync_to_thread=True,
)
def drop(request: Request[Any, Any, Any], item: FromPath[str]) -> Response[bytes]:
    """Forget what was set aside."""
    exchange = of(request)
    if (row := number(item)) is None:
        raise UnknownFile(f"{item[:40]!r} is no id of the quarantine", hint="GET /api/v1/admin/quarantine lists them.")
    return answer(exchange, exchange.services.quarantine.drop(row, exchange.actor))


ROUTES: Final = (export, import_, quarantine, drop)
