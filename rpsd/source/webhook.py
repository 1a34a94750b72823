"""What a receiver of alerts gets: the one place that words the request and signs it."""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rpsd import __version__
from rpsd.core.errors import SourceFailed
from rpsd.core.source import Receiver
from rpsd.source.fetch import Fetcher

SIGNATURE: Final = "rpsd-signature"
_COLOURS: Final = {"HIGH": "#b3261e", "MEDIUM": "#b26a00", "LOW": "#4a6572"}
_SEVERITIES: Final = {"HIGH": "critical", "MEDIUM": "warning", "LOW": "info"}
_SLACK_TEXT: Final = 3000
"""Characters of a text in a Slack block. Source: https://api.slack.com/reference/block-kit/blocks#section"""
_PAGER_SUMMARY: Final = 1024
"""Source: https://developer.pagerduty.com/docs/send-alert-event"""


def post(fetcher: Fetcher, receiver: Receiver, message: Mapping[str, Any], identifier: str, secrets: Sequence[str], now: int) -> None:
    """Deliver {"event", "alert", "service", "version", "sent"} in the receiver's words; `identifier` is the same for each try of it.

    `secrets` sign it, or are the routing key of pagerduty; `now` is the time of this try in seconds since 1970. No redirect is followed.

    Raises SourceFailed unless the answer is 2xx, Cancelled.
    """
    body = worded(receiver.form, message, secrets)
    headers = {"content-type": "application/json", "user-agent": f"rpsd/{__version__}", "rpsd-delivery": identifier}
    if secrets and receiver.form != "pagerduty":
        headers[SIGNATURE] = signature(secrets, body, now)
    fetcher.post(receiver.url, body, headers)


def signature(secrets: Sequence[str], body: bytes, now: int) -> str:
    """`t=<now>,v1=<hex>`, one v1 for each secret: HMAC-SHA256 of "<now>.<body>" with the secret's characters as the key.

    Source: RFC 2104. The time is under the signature so that a message that somebody kept cannot be sent again later.
    """
    signed = f"{now}.".encode() + body
    return ",".join([f"t={now}", *(f"v1={hmac.new(one.encode(), signed, hashlib.sha256).hexdigest()}" for one in secrets)])


def worded(form: str, message: Mapping[str, Any], secrets: Sequence[str] = ()) -> bytes:
    """The message as JSON in the words of one of FORMS."""
    if form == "slack":
        told = _slack(message)
    elif form == "pagerduty":
        told = _pagerduty(message, secrets)
    else:
        told = dict(message)
    return json.dumps(told, allow_nan=False, separators=(",", ":")).encode()


def _title(message: Mapping[str, Any]) -> str:
    alert = message["alert"]
    return f"{alert['severity']} {message['event']}: {alert['name']} {alert['subject']}"


def _slack(message: Mapping[str, Any]) -> dict[str, Any]:
    """An incoming webhook with blocks. Source: https://api.slack.com/messaging/webhooks"""
    alert = message["alert"]
    title, detail = _escaped(_title(message)), _escaped(alert["detail"])
    since = _escaped(f"since {alert['raised']}, {alert['count']} times, rpsd {message['version']}")
    blocks = [
        {"type": "section", "text": {"type": "mrkdwn", "text": f"*{title}*\n{detail}"[:_SLACK_TEXT]}},
        {"type": "context", "elements": [{"type": "plain_text", "text": since[:_SLACK_TEXT]}]},
    ]
    return {"text": title, "attachments": [{"color": _COLOURS[alert["severity"]], "blocks": blocks}]}


def _escaped(text: str) -> str:
    """Slack's three special characters. Source: https://api.slack.com/reference/surfaces/formatting#escaping"""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _pagerduty(message: Mapping[str, Any], secrets: Sequence[str]) -> dict[str, Any]:
    """An event of the Events API v2: an alert that is resolved closes the incident that it opened."""
    if not secrets:
        raise SourceFailed("pagerduty is told nothing without a routing key")
    alert = message["alert"]
    event: dict[str, Any] = {
        "routing_key": secrets[0],
        "event_action": "resolve" if message["event"] == "resolved" else "trigger",
        "dedup_key": f"rpsd:{alert['name']}:{alert['subject']}"[:255],
    }
    if event["event_action"] == "trigger":
        event["payload"] = {
            "summary": f"{_title(message)}: {alert['detail']}"[:_PAGER_SUMMARY],
            "source": message["service"],
            "severity": _SEVERITIES[alert["severity"]],
            "timestamp": alert["raised"],
            "component": alert["subject"],
            "class": alert["name"],
            "custom_details": {"count": alert["count"], "id": alert["id"], "version": message["version"]},
        }
    return event
