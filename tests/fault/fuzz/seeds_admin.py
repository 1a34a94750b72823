"""Valid requests for what operators and doors need: health, pages, administration, access."""

from typing import Final

from tests.fault.fuzz.seed import Seed, page, read

_P: Final = "/api/v1"


def system() -> tuple[Seed, ...]:
    pages = ("/", "/docs", "/manual")
    health = [f"{root}/health{tail}" for root in ("", _P) for tail in ("", "/detailed", "/live", "/ready")]
    return (
        *(read(path) for path in (*pages, *health)),
        *(Seed(f"GET {path}", path, often=0.2) for path in ("/metrics", "/openapi.json")),  # long answers of much the same
        read("/manual/{chapter}", "/manual/errors"),
        read("/manual/pictures/{picture}", "/manual/pictures/goog.png"),
        read("/api/v1/ml/status"),
    )


def admin() -> tuple[Seed, ...]:
    key = {"name": "fuzz new", "scopes": ["read"], "expires": "2030-01-01", "limit": 1000}
    return (
        page("/api/v1/admin/alerts", ("state", "active")),
        Seed(
            "POST /api/v1/outbound/poll", "/api/v1/outbound/poll", {"epoch": "", "messages_after": 0, "wait": 0.0}, often=0.2, expects=409
        ),
        Seed(
            "POST /api/v1/outbound/messages/{message}/finish",
            "/api/v1/outbound/messages/1/finish",
            {"delivered": True},
            often=0.1,
            expects=409,
        ),
        Seed(
            "POST /api/v1/outbound/errands/{errand}/progress", "/api/v1/outbound/errands/1/progress", {"share": 0.5}, often=0.1, expects=409
        ),
        Seed("POST /api/v1/outbound/errands/{errand}/finish", "/api/v1/outbound/errands/1/finish", {"result": {}}, often=0.1, expects=409),
        Seed("POST /api/v1/admin/alerts/{alert}/resolve", "/api/v1/admin/alerts/1/resolve", expects=404),
        page("/api/v1/admin/audit"),
        Seed("GET /api/v1/admin/audit/verify", "/api/v1/admin/audit/verify", often=0.05),
        read("/api/v1/admin/backups"),
        Seed("POST /api/v1/admin/backups", "/api/v1/admin/backups", often=0.02),
        Seed("POST /api/v1/admin/backups/prune", "/api/v1/admin/backups/prune", often=0.1),
        Seed("POST /api/v1/admin/backups/verify", "/api/v1/admin/backups/verify", {"name": "rpsd-2024.tar"}, expects=404),
        Seed("GET /api/v1/admin/backups/{name}/content", "/api/v1/admin/backups/none/content", expects=404),
        Seed("DELETE /api/v1/admin/backups/{name}", "/api/v1/admin/backups/none", expects=404),
        Seed("POST /api/v1/admin/release/accept", "/api/v1/admin/release/accept", often=0.1),
        Seed("POST /api/v1/admin/snapshots", "/api/v1/admin/snapshots", often=0.02),
        read("/api/v1/admin/config"),
        read("/api/v1/admin/keys"),
        read("/api/v1/admin/maintenance"),
        Seed("GET /api/v1/admin/doctor", "/api/v1/admin/doctor", often=0.05),
        Seed("POST /api/v1/admin/doctor/fix", "/api/v1/admin/doctor/fix", often=0.05),
        Seed("POST /api/v1/admin/maintenance", "/api/v1/admin/maintenance", {"on": True, "reason": "fuzz", "for": 1}, often=0.1),
        Seed("POST /api/v1/admin/keys", "/api/v1/admin/keys", key, often=0.1),
        Seed("DELETE /api/v1/admin/keys/{key}", "/api/v1/admin/keys/none", expects=404),
        Seed(
            "POST /api/v1/admin/keys/adopt", "/api/v1/admin/keys/adopt", {"keys": ["0123456789abcdef" * 2], "scopes": ["read"]}, often=0.05
        ),
        page("/api/v1/admin/quarantine"),
        Seed("DELETE /api/v1/admin/quarantine/{item}", "/api/v1/admin/quarantine/1", expects=404),
        page("/api/v1/jobs", ("name", "backup"), ("state", "succeeded")),
        read("/api/v1/jobs/{job}", "/api/v1/jobs/1"),
        Seed("DELETE /api/v1/jobs/{job}", "/api/v1/jobs/999999", expects=404),
        Seed("POST /api/v1/jobs/{job}/run", "/api/v1/jobs/upkeep/run", {"args": {}}, often=0.02),
    )


def access() -> tuple[Seed, ...]:
    return (
        Seed("POST /api/v1/auth/token", "/api/v1/auth/token"),
        Seed("DELETE /api/v1/auth/token", "/api/v1/auth/token", expects=422),  # a key is no token
        Seed("POST /api/v1/auth/ws-ticket", "/api/v1/auth/ws-ticket"),
        read("/api/v1/events", channels="jobs,regime:AAPL:1d"),
        read("/api/v1/admin/signing-keys"),
        Seed("POST /api/v1/admin/signing-keys/rotate", "/api/v1/admin/signing-keys/rotate", often=0.05),
        Seed("POST /api/v1/admin/keys/{key}/rotate", "/api/v1/admin/keys/none/rotate", {"overlap": "1h"}, expects=404),
        Seed("POST /api/v1/admin/alerts/test", "/api/v1/admin/alerts/test", often=0.3),
    )
