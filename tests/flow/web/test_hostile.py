"""Input of ill will at the routes of features, drift, experiments and models: refused in words, and the server goes on."""

from typing import Any

import httpx
import pytest

HUGE = ("9223372036854775808", "9" * 30, "-1", "1e9", "\u0661", "\x00")


@pytest.fixture(scope="module")
def operations(running: Any) -> dict[str, Any]:
    """The paths of the OpenAPI document."""
    with running.client() as http:
        found: dict[str, Any] = http.get("/openapi.json").json()["paths"]
    return found


def test_a_cursor_of_nowhere_is_no_defect(http: httpx.Client, operations: dict[str, Any]) -> None:
    paged = [
        path for path, found in operations.items() if any(one.get("name") == "after" for one in found.get("get", {}).get("parameters", []))
    ]
    assert {"/api/v1/admin/quarantine", "/api/v1/runs", "/api/v1/drift/reports", "/api/v1/retraining/decisions"} <= set(paged)
    for path in paged:
        for cursor in HUGE:
            answer = http.get(path.replace("{view}", "core_technical"), params={"after": cursor, "name": "x"})
            assert answer.status_code < 500, (path, cursor, answer.text)
    for path in (
        "/api/v1/admin/quarantine",
        "/api/v1/admin/alerts",
        "/api/v1/drift/reports",
        "/api/v1/retraining/decisions",
        "/api/v1/jobs",
    ):
        answer = http.get(path, params={"after": HUGE[0]})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/query/after")
