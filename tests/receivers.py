"""What receivers of alerts document that a message must be."""

import re
from typing import Any


def check_slack(body: dict[str, Any]) -> None:
    """Incoming webhooks with secondary attachments: what the reference of blocks requires."""
    assert set(body) == {"text", "attachments"}
    assert 1 <= len(body["text"]) <= 40_000
    [attachment] = body["attachments"]
    assert re.fullmatch(r"#[0-9a-f]{6}", attachment["color"])
    section, context = attachment["blocks"]
    assert (section["type"], section["text"]["type"], context["type"]) == ("section", "mrkdwn", "context")
    assert 1 <= len(section["text"]["text"]) <= 3000
    assert 1 <= len(context["elements"]) <= 10
    assert all(one["type"] in ("plain_text", "mrkdwn") for one in context["elements"])


def check_pagerduty(body: dict[str, Any]) -> None:
    """Events API v2: the required fields, their lengths and words."""
    assert body["event_action"] in ("trigger", "acknowledge", "resolve")
    assert len(body["routing_key"]) == 32
    assert 1 <= len(body["dedup_key"]) <= 255
    if body["event_action"] == "trigger":
        payload = body["payload"]
        assert {"summary", "source", "severity"} <= set(payload)
        assert 1 <= len(payload["summary"]) <= 1024
        assert payload["severity"] in ("critical", "error", "warning", "info")
        assert set(payload) <= {"summary", "source", "severity", "timestamp", "component", "group", "class", "custom_details"}
    assert set(body) <= {"routing_key", "event_action", "dedup_key", "payload", "images", "links", "client", "client_url"}
