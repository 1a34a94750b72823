"""The model card as a page for people, and the lineage of a model."""

import html
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, get
from litestar.params import FromPath
from litestar.response import Response

from rpsd.web import pages
from rpsd.web.exchange import of
from rpsd.web.model_wire import Version
from rpsd.web.operation import declare
from rpsd.web.wire import JSON, Query, accepted, answer, query

HTML: Final = "text/html"


class Lineage(Query):
    """From which version back, and how far."""

    version: Version | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100


class LineageChain(msgspec.Struct):
    """The versions from the asked one back; `next` is where to go on."""

    name: str
    chain: list[dict[str, Any]]
    next: int | None


@get(
    "/api/v1/models/{name:str}",
    opt=declare(
        "read",
        "Card of a model: window, fingerprints, evaluation, lineage; a page for people to Accept: text/html.",
        "models",
        writes={JSON: dict[str, Any], HTML: None},
    ),
    sync_to_thread=True,
)
def card(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
    """The card of the version in production, else of the newest."""
    exchange = of(request)
    query(request.scope, Query)
    found = exchange.services.model.card(name)
    if HTML in exchange.header(b"accept").lower() and accepted(exchange, JSON, HTML) == HTML:
        return Response(page(exchange.services.model_card.sections(found), found), media_type=HTML)
    return answer(exchange, found)


@get(
    "/api/v1/models/{name:str}/lineage",
    opt=declare(
        "read", "The versions that a fit went on from, with data, features and runs.", "models", query=Lineage, writes={JSON: LineageChain}
    ),
    sync_to_thread=True,
)
def lineage(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
    """The chain."""
    asked = query(request.scope, Lineage)
    return answer(of(request), of(request).services.model_card.lineage(name, asked.version, asked.limit))


def page(sections: list[tuple[str, list[tuple[str, Any]]]], model: dict[str, Any]) -> bytes:
    """The card as HTML; whatever it holds is text and nothing else."""
    title = f"{model['name']} version {model['version']}"
    body = [f"<h1>{html.escape(title)}</h1>"]
    for heading, rows in sections:
        cells = "".join(f"<tr><th>{html.escape(name)}</th><td>{html.escape(_shown(value))}</td></tr>" for name, value in rows)
        body.append(f"<h2>{html.escape(heading)}</h2><table>{cells}</table>")
    return pages.framed(title, "".join(body))


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None or value == "" else f"{value:.6g}" if isinstance(value, float) else str(value)


ROUTES: Final = (card, lineage)
