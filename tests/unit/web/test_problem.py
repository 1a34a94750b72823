"""Every error becomes one shape with the status of its kind."""

import msgspec
import pytest
from litestar.exceptions import HTTPException, ImproperlyConfiguredException, MethodNotAllowedException, NotFoundException

from rpsd.core.errors import ERRORS, Fault, InternalError, InvalidRequest, Kind, RateLimited, RpsdError
from rpsd.web.problem import STATUS, body_of, headers_of, status_of, understood


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.code)
def test_every_error_is_a_complete_problem(error: type[RpsdError]) -> None:
    raised = error("what happened", errors=[Fault("/a", "bad")])
    document = msgspec.json.decode(body_of(raised, "id-1"))
    assert document["type"] == f"/manual/errors#{error.code}"
    assert document["code"] == error.code
    assert document["request_id"] == "id-1"
    assert document["errors"] == [{"pointer": "/a", "reason": "bad"}]
    assert document["title"]
    assert document["hint"]
    assert 400 <= document["status"] == status_of(raised) < 600
    assert ("retry-after" in headers_of(raised)) == (document["status"] in (429, 503, 507))


def test_every_kind_has_a_status() -> None:
    assert set(STATUS) == set(Kind)


def test_the_cause_of_an_unexpected_exception_is_not_shown() -> None:
    error = understood(RuntimeError("secret path /etc/x"))
    assert type(error) is InternalError
    assert b"secret" not in body_of(error, "id")
    assert b"RuntimeError" not in body_of(error, "id")


def test_framework_refusals_become_ours() -> None:
    assert understood(NotFoundException()).code == "unknown_route"
    refused = understood(MethodNotAllowedException(headers={"allow": "POST, GET, OPTIONS"}))
    assert headers_of(refused)["allow"] == "GET, POST"
    assert type(understood(HTTPException("no", status_code=400))) is InvalidRequest
    assert understood(ImproperlyConfiguredException("x")).kind is Kind.INTERNAL


def test_retry_after_is_whole_seconds_and_at_least_one() -> None:
    assert headers_of(RateLimited("x", retry_after=0.2))["retry-after"] == "1"
    assert headers_of(RateLimited("x", retry_after=12.4))["retry-after"] == "12"


def test_a_lone_surrogate_of_the_request_can_be_told() -> None:
    """json reads "\\ud800", which no UTF-8 can say: the answer spells it."""
    error = InvalidRequest("/\ud800: unknown \u00e9", errors=[Fault("/\ud800", "\udfff is not known")], hint="\udc00")
    document = msgspec.json.decode(body_of(error, "id"))
    assert (document["detail"], document["hint"]) == ("/\\ud800: unknown \u00e9", "\\udc00")
    assert document["errors"] == [{"pointer": "/\\ud800", "reason": "\\udfff is not known"}]
