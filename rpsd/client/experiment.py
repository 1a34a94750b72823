"""Experiments and runs over HTTP."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from rpsd.client.connection import Connection


class ExperimentCalls(Connection):
    """Calls about experiments."""

    def experiments(self) -> list[dict[str, Any]]:
        """Every experiment that the key may see."""
        return list(self.pages("/api/v1/experiments", "experiments"))

    def create_experiment(self, name: str, **options: Any) -> dict[str, Any]:
        """A new experiment; description and scope as the API."""
        found: dict[str, Any] = self.ask("POST", "/api/v1/experiments", json={"name": name, **options})
        return found

    def runs(self, experiment: str | int | None = None, *, limit: int = 100, **params: Any) -> list[dict[str, Any]]:
        """The first `limit` runs, up to 1,000, of an experiment (id or name) or of all; filter and order_by as the API."""
        path = "/api/v1/runs" if experiment is None else f"/api/v1/experiments/{quote(str(experiment), safe='')}/runs"
        found: list[dict[str, Any]] = self.ask("GET", path, params={**params, "limit": limit})["runs"]
        return found

    def run(self, identifier: str) -> dict[str, Any]:
        """One run with what its metrics have come to."""
        found: dict[str, Any] = self.ask("GET", f"/api/v1/runs/{identifier}")
        return found

    def begin_run(self, experiment: str | int, **content: Any) -> dict[str, Any]:
        """A new run; name, parent, params, tags, metrics and state as the API."""
        found: dict[str, Any] = self.ask("POST", f"/api/v1/experiments/{quote(str(experiment), safe='')}/runs", json=content)
        return found

    def log_params(self, identifier: str, params: Mapping[str, Any]) -> None:
        """Set parameters of a run, once and for all."""
        self.ask("POST", f"/api/v1/runs/{identifier}/params", json={"params": dict(params)})

    def log_tags(self, identifier: str, tags: Mapping[str, Any]) -> None:
        """Set tags of a run."""
        self.ask("POST", f"/api/v1/runs/{identifier}/tags", json={"tags": dict(tags)})

    def log_metrics(self, identifier: str, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log a point of each metric at this step."""
        points = [{"name": name, "value": value, "step": step} for name, value in metrics.items()]
        self.ask("POST", f"/api/v1/runs/{identifier}/metrics", json={"metrics": points})

    def keep_artifact(self, identifier: str, name: str, content: bytes, kind: str = "application/octet-stream") -> dict[str, Any]:
        """Keep an artifact of a run; its size and SHA-256."""
        path, headers = f"/api/v1/runs/{identifier}/artifacts", {"Content-Type": kind}
        found: dict[str, Any] = self.ask("POST", path, content=content, headers=headers, params={"name": name})
        return found

    def artifact(self, identifier: str, name: str) -> bytes:
        """What an artifact holds."""
        return self.request("GET", f"/api/v1/runs/{identifier}/artifacts/{quote(name)}").content

    def finish_run(self, identifier: str, state: str = "FINISHED") -> dict[str, Any]:
        """End a run: FINISHED, FAILED or KILLED."""
        found: dict[str, Any] = self.ask("POST", f"/api/v1/runs/{identifier}/finish", json={"state": state})
        return found

    def compare_runs(self, identifiers: Sequence[str]) -> dict[str, Any]:
        """Runs side by side."""
        found: dict[str, Any] = self.ask("GET", "/api/v1/runs/compare", params={"ids": ",".join(identifiers)})
        return found

    def export_experiment(self, experiment: str | int, root: str = "") -> Iterator[bytes]:
        """The experiment as an MLflow file store, a tar stream; `root` is where the store will lie."""
        path = f"/api/v1/experiments/{quote(str(experiment), safe='')}/export"
        with self.stream(path, params={"root": root}) as response:
            yield from response.iter_bytes()
