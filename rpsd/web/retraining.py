"""Retraining that decides for itself: what was decided about each model and why, and how what serves has scored since."""

from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Request, get
from litestar.params import FromPath
from litestar.response import Response

from rpsd.core.cursor import row_after
from rpsd.web.exchange import of
from rpsd.web.operation import declare
from rpsd.web.wire import JSON, Page, Query, answer, query

Choice = Literal["retrain", "wait", "skip", "promote", "keep", "rollback"]


class Decision(msgspec.Struct):
    """One decision about one model; `version` came of it or serves, `job` decided, `run` of the experiment holds the fit."""

    id: int
    at: str
    model: str
    decision: Choice
    cause: Literal["age", "drift", "new_data", "schedule", "asked", "live_score"]
    reason: str
    version: int | None
    job: int | None
    run: str | None


class DecisionPage(msgspec.Struct):
    """A page of decisions, the newest first."""

    decisions: list[Decision]
    next: str | None = None


class DecisionQuery(Page):
    """Which decisions."""

    model: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    decision: Choice | None = None


class Rival(msgspec.Struct):
    """A version beside what served: on `scored` bars or moves, `lead` in nats each over what served; `p` of both sides."""

    version: int
    role: Literal["predecessor", "challenger"]
    scored: int
    mean: float | None
    lead: float | None
    standard_error: float | None
    t: float | None
    p: float | None
    since: str | None
    until: str | None


class Shadow(msgspec.Struct):
    """What serves, its mean score since its training, and its rivals; `at`: when it was last scored."""

    name: str
    version: int
    shadow: bool
    unit: str
    at: str | None
    scored: int
    mean: float | None
    rivals: list[Rival]


@get(
    "/api/v1/retraining/decisions",
    opt=declare("read", "Decisions about training models, with reasons.", "models", query=DecisionQuery, writes={JSON: DecisionPage}),
    sync_to_thread=True,
)
def decisions(request: Request[Any, Any, Any]) -> Response[bytes]:
    """A page of decisions."""
    asked = query(request.scope, DecisionQuery)
    found, following = of(request).services.retraining.page(row_after(asked.after), asked.limit, asked.model, asked.decision)
    return answer(of(request), {"decisions": found, "next": None if following is None else str(following)})


@get(
    "/api/v1/models/{name:str}/shadow",
    opt=declare("read", "Live scores of what serves, its predecessor and its challenger.", "models", writes={JSON: Shadow}),
    sync_to_thread=True,
)
def shadow(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
    """How what serves has scored."""
    query(request.scope, Query)
    return answer(of(request), of(request).services.shadow.told(name))


ROUTES: Final = (decisions, shadow)
