"""What receivers are told: signed so that they can check it, and in words that slack and pagerduty document."""

import base64
import hashlib
import json
from typing import Any

import pytest

from rpsd.core.errors import SourceFailed
from rpsd.core.source import FORMS
from rpsd.source.webhook import signature, worded
from tests.receivers import check_pagerduty, check_slack

SECRET = "0123456789abcdef" * 2
ALERT = {
    "id": 7, "name": "drift", "subject": "regime:A:1d:3_state", "severity": "HIGH", "detail": "it has <drifted> & far", "state": "active",
    "raised": "2026-03-02T04:10:11Z", "last": "2026-03-02T04:10:11Z", "count": 2, "resolved": None, "resolved_by": None,
}  # fmt: skip


def told(form: str, event: str = "raised", secrets: tuple[str, ...] = (SECRET,), **alert: Any) -> dict[str, Any]:
    message = {"event": event, "alert": ALERT | alert, "service": "rpsd", "version": "1.2.3", "sent": "2026-03-02T04:10:12.5Z"}
    found: dict[str, Any] = json.loads(worded(form, message, secrets))
    return found


def test_the_signature_is_the_hmac_of_time_and_body() -> None:
    """Against the construction of RFC 2104, section 2, from the hash alone."""
    body = b'{"event":"raised"}'
    key = SECRET.encode().ljust(64, b"\0")
    inner = hashlib.sha256(bytes(one ^ 0x36 for one in key) + b"1772424612." + body).digest()
    by_hand = hashlib.sha256(bytes(one ^ 0x5C for one in key) + inner).hexdigest()
    assert signature([SECRET], body, 1772424612) == f"t=1772424612,v1={by_hand}"


def test_while_a_secret_is_replaced_both_sign() -> None:
    first, second = signature(["a" * 32, SECRET], b"x", 5).split(",")[1:]
    assert second == signature([SECRET], b"x", 5).split(",")[1]
    assert first != second


def test_the_generic_form_is_the_message_itself() -> None:
    assert told("generic")["alert"] == ALERT
    assert "secret" not in json.dumps(told("generic"))


@pytest.mark.parametrize("event", ["raised", "resolved", "test"])
@pytest.mark.parametrize("severity", ["LOW", "MEDIUM", "HIGH"])
def test_slack_is_told_in_blocks(event: str, severity: str) -> None:
    body = told("slack", event, severity=severity)
    check_slack(body)
    assert body["text"] == f"{severity} {event}: drift regime:A:1d:3_state"
    check_slack(told("slack", detail="x" * 5000))


def test_slack_marks_nobody_and_links_nowhere() -> None:
    body = told("slack", detail="<!channel> <https://evil.example|here> & more", subject="<@U1>")
    text = json.dumps(body)
    assert "<" not in text
    assert "&lt;!channel&gt;" in text


@pytest.mark.parametrize(("severity", "theirs"), [("LOW", "info"), ("MEDIUM", "warning"), ("HIGH", "critical")])
def test_pagerduty_opens_an_incident_and_the_same_one_is_closed(severity: str, theirs: str) -> None:
    opened, closed = told("pagerduty", severity=severity), told("pagerduty", "resolved", severity=severity)
    check_pagerduty(opened)
    check_pagerduty(closed)
    assert (opened["event_action"], closed["event_action"]) == ("trigger", "resolve")
    assert opened["dedup_key"] == closed["dedup_key"] == "rpsd:drift:regime:A:1d:3_state"
    assert opened["payload"]["severity"] == theirs
    check_pagerduty(told("pagerduty", detail="x" * 5000, subject="s" * 300))


def test_pagerduty_without_a_routing_key_is_told_nothing() -> None:
    with pytest.raises(SourceFailed, match="without a routing key"):
        told("pagerduty", secrets=())


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_one_line_of_json_without_nan(form: str) -> None:
    message = {"event": "raised", "alert": ALERT | {"count": float("nan")}, "service": "rpsd", "version": "1", "sent": "x"}
    if form == "slack":  # words alone
        assert b"\n" not in worded(form, message)
        return
    with pytest.raises(ValueError, match="not JSON compliant"):
        worded(form, message, [SECRET])


def test_no_form_sends_the_signing_secret() -> None:
    for form in ("generic", "slack"):
        assert SECRET not in json.dumps(told(form))
        assert base64.b64encode(SECRET.encode()).decode() not in json.dumps(told(form))
