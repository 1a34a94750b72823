"""What requests and answers about runs hold."""

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from litestar import Request
from litestar.response import Response

from rpsd.core.experiment import RunState
from rpsd.web.exchange import of
from rpsd.web.wire import Body, Instant, Nanoseconds, Page, answer, instant, query

if TYPE_CHECKING:
    from rpsd.services.experiment.run_log import Point

Text = bool | Nanoseconds | float | str
"""A parameter or tag: a text, or a number or truth value that is kept as its text."""


class PointBody(Body, gc=False, kw_only=True):
    """A value of a metric; without `t` it is of now. The same step and time again takes the new value."""

    name: str
    value: float
    step: Nanoseconds = 0
    t: Instant | None = None


class RunQuery(Page):
    """Which runs, in which order: metrics.auc > 0.7 and params.l2 = '0.1' and state = 'FINISHED'; metrics.auc desc, started."""

    filter: Annotated[str, msgspec.Meta(max_length=4000)] = ""
    order_by: Annotated[str, msgspec.Meta(max_length=4000)] = ""


class RunTold(msgspec.Struct):
    """A run: where it stands, its parameters, the last value of each metric, its tags."""

    id: str
    experiment: int
    name: str
    state: RunState
    owner: str
    parent: str | None
    started: str
    finished: str | None
    params: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]


class RunPage(msgspec.Struct):
    """A page of runs; without an order the newest first."""

    runs: list[RunTold]
    next: str | None = None


def points_of(given: list[PointBody]) -> "list[Point]":
    """The points with times in nanoseconds. Raises BadTime with the pointer."""
    from rpsd.services.experiment.run_log import Point  # no start needs it

    return [
        Point(one.name, one.value, one.step, None if one.t is None else instant(one.t, f"/metrics/{at}/t")) for at, one in enumerate(given)
    ]


def asked_runs(request: Request[Any, Any, Any], experiment: str | None) -> Response[bytes]:
    """A page of runs by the query of the request, of one experiment or of all."""
    exchange, asked = of(request), query(request.scope, RunQuery)
    runs, following = exchange.services.run_reading.search(
        exchange.who, experiment=experiment, wanted=asked.filter, order=asked.order_by, after=asked.after, limit=asked.limit
    )
    return answer(exchange, {"runs": runs, "next": following})
