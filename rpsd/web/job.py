"""Jobs: what ran, what runs, run it now, cancel it."""

from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Request, delete, get, post
from litestar.params import FromPath, RawBody
from litestar.response import Response

from rpsd.core.cursor import number, row_after
from rpsd.core.errors import UnknownJob
from rpsd.web.exchange import of
from rpsd.web.operation import declare
from rpsd.web.queued import Accepted, JobRun, enqueue
from rpsd.web.wire import JSON, Body, Page, Query, answer, query, read


class JobPage(msgspec.Struct):
    """A page of runs, the newest first."""

    jobs: list[JobRun]
    next: str | None = None


class JobQuery(Page):
    """Which runs."""

    name: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    state: Literal["queued", "running", "succeeded", "failed", "cancelled", "interrupted"] | None = None


class RunBody(Body):
    """Arguments of the job."""

    args: dict[str, Any] = msgspec.field(default_factory=dict)


@get("/api/v1/jobs", opt=declare("read", "Runs of jobs.", "jobs", query=JobQuery, writes={JSON: JobPage}), sync_to_thread=True)
def page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """A page of runs."""
    asked = query(request.scope, JobQuery)
    runs, following = of(request).services.job.page(row_after(asked.after), asked.limit, asked.name, asked.state)
    return answer(of(request), {"jobs": runs, "next": None if following is None else str(following)})


def _id(text: str) -> int:
    """The run's number. Raises UnknownJob for what cannot be one."""
    if (job := number(text)) is None:
        raise UnknownJob(f"there is no run {text[:40]!r}")
    return job


@get("/api/v1/jobs/{job:str}", opt=declare("read", "One run.", "jobs", writes={JSON: JobRun}), sync_to_thread=True)
def find(request: Request[Any, Any, Any], job: FromPath[str]) -> Response[bytes]:
    """One run."""
    return answer(of(request), of(request).services.job.find(_id(job)))


@post(
    "/api/v1/jobs/{job:str}/run",
    opt=declare("admin", "Run a job now, by its name.", "jobs", reads={JSON: RunBody}, writes={JSON: Accepted}, status=202, once=True),
    status_code=202,
    sync_to_thread=True,
)
def run(request: Request[Any, Any, Any], job: FromPath[str], body: RawBody) -> Response[bytes]:
    """Queue a run; an empty body means no arguments."""
    exchange = of(request)
    query(request.scope, Query)
    args = read(exchange, body, RunBody).args if body.strip() else {}
    return enqueue(exchange, job, args, body)


@delete(
    "/api/v1/jobs/{job:str}",
    opt=declare("train", "Cancel a queued or running job.", "jobs", writes={JSON: JobRun}),
    status_code=200,
    sync_to_thread=True,
)
def cancel(request: Request[Any, Any, Any], job: FromPath[str]) -> Response[bytes]:
    """Cancel a run."""
    exchange = of(request)
    return answer(exchange, exchange.services.job.cancel(_id(job), by=exchange.actor))


ROUTES: Final = (page, find, run, cancel)
