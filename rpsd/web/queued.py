"""Work that outlives its request: queued as a job, answered with 202 and the place to look."""

from typing import Any, Literal

import msgspec
from litestar.response import Response

from rpsd.core.errors import Fault, InvalidRequest
from rpsd.web.exchange import Exchange, digest_of
from rpsd.web.wire import answer


class JobRun(msgspec.Struct):
    """One run of a job; the contract's shape."""

    id: int
    name: str
    state: Literal["queued", "running", "succeeded", "failed", "cancelled", "interrupted"]
    progress: float
    message: str | None
    error_code: str | None
    started: str | None
    finished: str | None
    result: Any


class Accepted(msgspec.Struct):
    """Work that outlives the request; Location tells where to look."""

    job: JobRun


def accepted_job(exchange: Exchange, run: dict[str, Any]) -> Response[bytes]:
    """202 with the run and where to look for it."""
    return answer(exchange, {"job": run}, 202, {"location": f"/api/v1/jobs/{run['id']}"})


def refuse_body(body: bytes) -> None:
    """Raise InvalidRequest when an operation that takes no body is sent one."""
    if body.strip() not in (b"", b"{}", b"\x80"):  # the last is what an empty object is in msgpack
        raise InvalidRequest("this operation takes no body", errors=[Fault("", "expected no body, or an empty object")])


def enqueue(exchange: Exchange, name: str, args: dict[str, Any], body: bytes) -> Response[bytes]:
    """Queue a run; 202."""
    run = exchange.services.job.enqueue(name, args, by=exchange.actor, once=exchange.once(f"POST /api/v1/jobs/{name}/run", digest_of(body)))
    return accepted_job(exchange, run)
