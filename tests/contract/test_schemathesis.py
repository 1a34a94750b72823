"""The OpenAPI document against the server: what it calls valid is taken, what it calls invalid is refused, and every refusal is a problem.

RPSD_SCHEMA_EXAMPLES: cases of each kind for each operation.
"""

import json
import os
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from litestar import Litestar, Router
from schemathesis import Case, GenerationMode

from rpsd.web.app import ROUTES
from rpsd.web.openapi import document
from tests.fault.fuzz.judge import Answer, Judge
from tests.fault.fuzz.link import Link
from tests.fault.fuzz.request import Request
from tests.fault.fuzz.routes import codes
from tests.flow.web.conftest import SCOPES, Running, open_appliance, serve

EXAMPLES: Final = int(os.environ.get("RPSD_SCHEMA_EXAMPLES", "3"))
DOCUMENT: Final = document(Litestar([Router("/", route_handlers=ROUTES)], openapi_config=None))
for _told in (operation for path in DOCUMENT["paths"].values() for operation in path.values()):
    _told.pop("security", None)  # who may call what is another test's matter
OPERATIONS: Final = {one.ok().label: one.ok() for one in schemathesis.openapi.from_dict(DOCUMENT).get_all_operations()}
MEANING: Final = (
    (
        r"/query/(after|filter|order_by|name|tz|format|date|rule|params|guardrails)",
        "text of a grammar of its own, or the name of something stored",
    ),
    (r"/(\d+/|snapshots/\d+/)?(symbol|exchange)", "a record of another book than the path's, or of none"),
    (r"/(params|tags|metrics)/?.*", "names as experiment trackers spell them"),
    (r"/(grid|params|book|label)(/.*)?", "parameters of a method, a label or a book, and how many combinations they make"),
    (r"/query/root|/expires|/overlap", "a path without control characters; a time in the future; a stretch of time"),
    (r"/keys/\d+", "no key that could be guessed, and none that looks like rpsd's own"),
    (r"/(name|description|reason|alias|parent)", "no character that cannot be seen, no space at its ends"),
    (r"/query/(method|causality|lag|scale|fill|band)", "of a body of bytes, which has no other place for its options"),
    (r"/header/Idempotency-Key", "no key covers a file that is stored piece by piece"),
    (r"/series/\d+/.*|/configurations/\d+.*|/features.*|/pairs.*", "elements that name methods, features and times"),
    (r"/observations/.*|/t|/(start|end|t|as_of)(_date)?", "as long as each other, in the order of time"),
)
"""Places whose meaning no schema tells: valid text there may be refused as not naming anything. Each with the reason."""
RAW: Final = (b"text/csv", b"application/x-ndjson", b"application/octet-stream")
"""Bodies whose form no JSON Schema tells; the manual does."""
ENDING: Final = "DELETE /api/v1/auth/token"
"""It ends the token that is sent; here a key is sent."""
SPOILABLE: Final = [
    label for label, one in OPERATIONS.items() if one.query.items or one.body.items or label.count("{symbol}") or label.count("{interval}")
]
"""Operations of which anything can be invalid: a path, a query or a body with bounds."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server of this module's own: what is tried here would spoil a shared one."""
    services = open_appliance(tmp_path_factory.mktemp("schema"), {})
    services.job.offered = {"upkeep": "housekeeping"}  # no scheduler runs here that would offer its own
    server, thread = serve(services)
    yield Running(services, server, {"all": services.access.create("all", SCOPES, limit=10_000_000, by="test")[1]})
    server.stop()
    thread.join(30)
    services.close()


def sent(running: Running, case: Case) -> tuple[Request, Answer]:
    """The case over a connection of its own, and the answer."""
    import requests

    case.body = _whole(case.body)
    told = case.as_transport_kwargs(base_url=running.base)
    ready = requests.Request(
        **{name: told[name] for name in ("method", "url", "headers", "params", "data", "json", "files") if name in told}
    ).prepare()
    body = ready.body.encode() if isinstance(ready.body, str) else ready.body or b""
    headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1") if isinstance(value, str) else value)
        for name, value in ready.headers.items()
    ]
    dropped = (b"content-length", b"accept-encoding", b"host", b"cookie")
    request = Request(
        (ready.method or "").encode(), ready.path_url.encode(), [], [pair for pair in headers if pair[0] not in dropped], bytes(body)
    )
    request.headers += [(b"host", b"127.0.0.1"), (b"x-api-key", running.keys["all"].encode())]
    link, answer = Link(running.server.port), None
    link.send(request, 0, 0.0)
    while answer is None:
        answer = link.receive()
    link.close()
    return request, answer


def _whole(value: Any) -> Any:
    """5.0 as 5: an integer to JSON Schema, which has but one kind of number."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return int(value)
    if isinstance(value, dict):
        return {name: _whole(one) for name, one in value.items()}
    return [_whole(one) for one in value] if isinstance(value, list) else value


def tried(running: Running, label: str, mode: GenerationMode) -> list[tuple[Case, Request, Answer]]:
    """Cases of an operation with their answers."""
    found = []

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=OPERATIONS[label].as_strategy(generation_mode=mode))
    def run(case: Case) -> None:
        found.append((case, *sent(running, case)))

    run()
    return found


def _is_of_form(answer: Answer) -> bool:
    """Whether the answer refuses the form of a request, not what it means."""
    if answer.status in (400, 401, 403, 405, 406, 413, 415):
        return True
    if answer.status != 422 or b'"code":"invalid_request"' not in answer.body:
        return False
    pointers = [place["pointer"] for place in json.loads(answer.body).get("errors", [{"pointer": ""}])]
    return not all(any(re.fullmatch(pattern, pointer) for pattern, _ in MEANING) for pointer in pointers)


@pytest.mark.parametrize("label", [label for label in OPERATIONS if label != ENDING])
def test_what_is_valid_is_taken(running: Running, label: str) -> None:
    judge = Judge(codes(), (running.keys["all"].encode(),), ())
    wrong: list[Any] = []
    for _, request, answer in tried(running, label, GenerationMode.POSITIVE):
        complaints = judge.complaints(request, answer)
        if _is_of_form(answer) and request.header(b"content-type") not in RAW:
            complaints.append("what the document calls valid was refused")
        if complaints:
            wrong.append((complaints, answer.status, answer.body[-300:].decode(errors="replace"), request.wire()[:600]))
    assert not wrong, wrong[:3]


@pytest.mark.parametrize("label", SPOILABLE)
def test_what_is_invalid_is_refused(running: Running, label: str) -> None:
    judge = Judge(codes(), (running.keys["all"].encode(),), ())
    wrong: list[Any] = []
    for _, request, answer in tried(running, label, GenerationMode.NEGATIVE):
        complaints = judge.complaints(request, answer)
        if answer.status < 400 and not (label.endswith("/batch") and b'"error":{' in answer.body):  # a bad series is refused alone
            complaints.append("what the document calls invalid was taken")
        if complaints:
            wrong.append((complaints, answer.status, answer.body[-300:].decode(errors="replace"), request.wire()[:600]))
    assert not wrong, wrong[:3]
