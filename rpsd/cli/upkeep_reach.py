"""What commands about the appliance itself need: asked of the running server, or done on the data directory. Both have the same methods."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rpsd.client import Client
    from rpsd.services.wiring import Services

BY = "cli"
_TAIL = 200
_MAINTENANCE = "/api/v1/admin/maintenance"


class LiveUpkeep:
    """The running server."""

    is_live = True

    def __init__(self, client: "Client") -> None:
        self._client = client

    def examine(self, fix: bool) -> dict[str, Any]:
        """Findings of the server about itself, and the names of what it mended."""
        return dict(self._client.ask("POST", "/api/v1/admin/doctor/fix") if fix else self._client.ask("GET", "/api/v1/admin/doctor"))

    def settings(self) -> list[dict[str, Any]]:
        """The settings that are in force."""
        return list(self._client.ask("GET", "/api/v1/admin/config")["settings"])

    def account(self) -> dict[str, Any]:
        """What a support bundle tells of the server, by the name of its file."""
        ask = self._client.ask
        return {
            "health.json": ask("GET", "/health/detailed"),
            "metrics.txt": self._client.request("GET", "/metrics").text,
            "config.json": self.settings(),
            "audit.json": ask("GET", "/api/v1/admin/audit", params={"limit": _TAIL})["audit"],
            "jobs.json": ask("GET", "/api/v1/jobs", params={"limit": _TAIL})["jobs"],
        }

    def maintenance(self) -> dict[str, Any]:
        """Whether it is on."""
        return dict(self._client.ask("GET", _MAINTENANCE))

    def begin_maintenance(self, reason: str, seconds: float | None) -> dict[str, Any]:
        """Switch it on."""
        lasts = {} if seconds is None else {"for": f"{seconds}s"}
        return dict(self._client.ask("POST", _MAINTENANCE, json={"on": True, "reason": reason, **lasts}))

    def end_maintenance(self) -> dict[str, Any]:
        """Switch it off."""
        return dict(self._client.ask("POST", _MAINTENANCE, json={"on": False}))


class LocalUpkeep:
    """The data directory."""

    is_live = False

    def __init__(self, services: "Services") -> None:
        self._services = services

    def examine(self, fix: bool) -> dict[str, Any]:
        """Findings about the data, and the names of what was mended."""
        mended = self._services.doctor.mend(by=BY) if fix else []
        # of a process that has just begun the parts are not well for reasons of their own
        found = [one.as_dict() for one in self._services.doctor.look() if not one.name.startswith("part_")]
        return {"findings": found, "mended": mended}

    def settings(self) -> list[dict[str, Any]]:
        """The settings of this command."""
        from rpsd.config import explain

        return [{"name": row.name, "value": row.value, "origin": row.origin} for row in explain(self._services.settings)]

    def account(self) -> dict[str, Any]:
        """What a support bundle tells of the data, by the name of its file."""
        return {
            "health.json": self._services.health.detailed(),
            "metrics.txt": self._services.metrics.exposition("")[0].decode(),
            "config.json": self.settings(),
            "audit.json": self._services.access.audit(None, _TAIL)[0],
            "jobs.json": self._services.job.page(None, _TAIL, None, None)[0],
        }

    def maintenance(self) -> dict[str, Any]:
        """Whether it is on."""
        return self._services.maintenance.status()

    def begin_maintenance(self, reason: str, seconds: float | None) -> dict[str, Any]:
        """Switch it on: the server will start with it."""
        return self._services.maintenance.begin(reason, seconds, by=BY)

    def end_maintenance(self) -> dict[str, Any]:
        """Switch it off."""
        return self._services.maintenance.end(by=BY)
