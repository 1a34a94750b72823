"""Models, drift, decisions and jobs over HTTP."""

from collections.abc import Sequence
from typing import Any

from rpsd.client.connection import Connection


class ModelCalls(Connection):
    """Calls about models and jobs."""

    def models(self) -> list[dict[str, Any]]:
        """Every model."""
        return list(self.pages("/api/v1/models", "models"))

    def model(self, name: str) -> dict[str, Any]:
        """The card of a model."""
        found: dict[str, Any] = self.ask("GET", f"/api/v1/models/{name}")
        return found

    def decisions(self, model: str | None = None, decision: str | None = None, limit: int = 100) -> list[dict[str, Any]]:
        """The latest decisions about training models, newest first: of one model and of one kind, if they are named."""
        params = {"model": model, "decision": decision, "limit": limit}
        found: list[dict[str, Any]] = self.ask("GET", "/api/v1/retraining/decisions", params=params)["decisions"]
        return found

    def shadow(self, name: str) -> dict[str, Any]:
        """How what serves has scored since its training, beside its predecessor and its challenger."""
        found: dict[str, Any] = self.ask("GET", f"/api/v1/models/{name}/shadow")
        return found

    def retrain(self, name: str) -> dict[str, Any]:
        """Start a retrain of the model; the job."""
        found: dict[str, Any] = self.ask("POST", f"/api/v1/models/{name}/retrain")["job"]
        return found

    def promote(self, name: str, version: int, reason: str, *, force: bool = False) -> dict[str, Any]:
        """Put a version of the model into production; the version. `force` overrules the gate and needs the scope admin."""
        body = {"version": version, "reason": reason, "force": force}
        found: dict[str, Any] = self.ask("POST", f"/api/v1/models/{name}/promote", json=body)
        return found

    def rollback(self, name: str, reason: str, version: int | None = None, *, force: bool = False) -> dict[str, Any]:
        """Put a version that has served before back into production, without `version` the one before; the version."""
        body = {"version": version, "reason": reason, "force": force}
        found: dict[str, Any] = self.ask("POST", f"/api/v1/models/{name}/rollback", json=body)
        return found

    def drift_reports(self, model: str | None = None, severity: str | None = None, limit: int = 100) -> list[dict[str, Any]]:
        """The newest drift reports, without their rows."""
        params = {"model": model, "severity": severity, "limit": limit}
        found: list[dict[str, Any]] = self.ask("GET", "/api/v1/drift/reports", params=params)["reports"]
        return found

    def drift_report(self, identifier: int) -> dict[str, Any]:
        """One drift report."""
        found: dict[str, Any] = self.ask("GET", f"/api/v1/drift/reports/{identifier}")
        return found

    def drift_scan(self, models: Sequence[str] = ()) -> dict[str, Any]:
        """Start a scan of these models, or of all in production; the job."""
        found: dict[str, Any] = self.ask("POST", "/api/v1/drift/scan", json={"models": list(models)} if models else {})["job"]
        return found

    def jobs(self, **params: Any) -> list[dict[str, Any]]:
        """The latest hundred runs; name and state filter."""
        found: list[dict[str, Any]] = self.ask("GET", "/api/v1/jobs", params=params)["jobs"]
        return found

    def job(self, identifier: str) -> dict[str, Any]:
        """One run."""
        found: dict[str, Any] = self.ask("GET", f"/api/v1/jobs/{identifier}")
        return found

    def run_job(self, name: str, **arguments: Any) -> dict[str, Any]:
        """Start a job now; its run."""
        found: dict[str, Any] = self.ask("POST", f"/api/v1/jobs/{name}/run", json={"args": arguments})["job"]
        return found

    def cancel_job(self, identifier: str) -> dict[str, Any]:
        """Cancel a run."""
        found: dict[str, Any] = self.ask("DELETE", f"/api/v1/jobs/{identifier}")
        return found
