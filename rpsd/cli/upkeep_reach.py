"""What commands about the appliance itself need: asked of the running server, or done on the data directory. Both have the same methods."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rpsd.client import Client
    from rpsd.services.wiring import Services

BY = "cli"
_MAINTENANCE = "/api/v1/admin/maintenance"


class LiveUpkeep:
    """The running server."""

    is_live = True

    def __init__(self, client: "Client") -> None:
        self._client = client

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

    def maintenance(self) -> dict[str, Any]:
        """Whether it is on."""
        return self._services.maintenance.status()

    def begin_maintenance(self, reason: str, seconds: float | None) -> dict[str, Any]:
        """Switch it on: the server will start with it."""
        return self._services.maintenance.begin(reason, seconds, by=BY)

    def end_maintenance(self) -> dict[str, Any]:
        """Switch it off."""
        return self._services.maintenance.end(by=BY)
