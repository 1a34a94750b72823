"""What commands need, asked of the running server."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rpsd.cli.feature_reach import LiveFeatures
from rpsd.cli.files import kind_of
from rpsd.cli.upkeep_reach import LiveUpkeep
from rpsd.core.errors import InvalidRequest, RpsdError

if TYPE_CHECKING:
    from rpsd.client import Client

BY = "cli"
"""Who the audit log names for what the command line does by itself."""
FINAL = ("succeeded", "failed", "cancelled", "interrupted")
"""States in which a run stays."""
STEPS = 21
"""Bars that the forecast of a regime reaches: a month of days."""
_POLL_SECONDS = 0.2
_CHUNK = 1 << 20

Progress = Callable[[float, str], None]


class Live:
    """The server behind the admin socket."""

    def __init__(self, client: "Client") -> None:
        self._client = client
        self.features = LiveFeatures(client)
        self.upkeep = LiveUpkeep(client)

    def series(self) -> list[dict[str, Any]]:
        """Every stored series."""
        return self._client.series()

    def import_file(self, file: Path, symbol: str, interval: str, options: dict[str, Any], progress: Progress) -> dict[str, Any]:
        """Store the rows of the file; the answer of the server. A Parquet file is read here and goes as CSV."""
        kind = kind_of(file)
        if kind != "parquet":
            media = "application/x-ndjson" if kind == "ndjson" else "text/csv"
            return self._client.append_csv(symbol, interval, read_chunks(file, progress), kind=media, **options)
        from rpsd.services.intake.csv_text import csv_text
        from rpsd.services.intake.parquet import read_parquet

        parsed = read_parquet(file, interval, **options)
        known = parsed.samples.known_at
        if known is not None:
            raise InvalidRequest(
                f"{file} has a column known_at", hint="Send it as CSV or NDJSON, or import it while the server is stopped."
            )
        chunks = (piece.encode() for piece in csv_text(parsed.samples.t, parsed.samples.columns, ns=True))
        return self._client.append_csv(symbol, interval, chunks) | {"rejected": list(parsed.rejected)}

    def import_book(self, file: Path, file_format: str, symbol: str, options: dict[str, Any], progress: Progress) -> dict[str, Any]:
        """Store the records of a file of an order book; the answer of the server."""
        from rpsd.cli.book_files import chunks

        return self._client.import_book(symbol, chunks(file, file_format, progress), file_format, **options)

    def export(self, symbol: str, interval: str, kind: str, chosen: Mapping[str, str | None]) -> Iterator[bytes]:
        """The rows as csv or ndjson; `chosen` holds start, end and columns."""
        media = "application/x-ndjson" if kind == "ndjson" else "text/csv"
        return self._client.samples_csv(symbol, interval, limit=None, kind=media, **chosen)

    def regime(self, symbol: str, interval: str, regime_type: str | None) -> dict[str, Any]:
        """The current regime by the production model, what each was like, their moves and a forecast."""
        asked = symbol, interval, regime_type
        now, told = self._client.regime(*asked), self._client.regime_statistics(*asked)
        return tabled(now, told, self._client.regime_transitions(*asked, steps=STEPS))

    def series_info(self, symbol: str, interval: str) -> dict[str, Any]:
        """Columns, first and last time and more of one series."""
        return self._client.series_info(symbol, interval)

    def detect(self, symbol: str, start: str, end: str, options: dict[str, Any]) -> dict[str, Any]:
        """Regimes fitted on exactly this range."""
        return self._client.detect_regimes(symbol, start, end, **options)

    def predict(self, symbol: str, model: str | None, features: bool) -> dict[str, Any]:
        """What the model in production says of a live book."""
        return self._client.predict_live(symbol, model_name=model, include_features=features)

    def books(self) -> list[dict[str, Any]]:
        """Every order book."""
        return self._client.books()

    def book(self, symbol: str) -> dict[str, Any]:
        """Where an order book stands."""
        return self._client.book(symbol)

    def book_faults(self, symbol: str, rule: str | None) -> list[dict[str, Any]]:
        """The newest records that were put aside."""
        found = self._client.ask("GET", f"/api/v1/books/{symbol}/faults", params={"rule": rule} if rule else {})
        return list(found["faults"])

    def backtest(self, symbol: str, body: dict[str, Any], progress: Progress) -> dict[str, Any]:
        """A finished backtest."""
        return self._followed(self._client.ask("POST", f"/api/v1/books/{symbol}/backtest", json=body)["job"], progress)

    def followed(self, name: str, run: dict[str, Any], progress: Progress) -> dict[str, Any]:  # noqa: ARG002 - as of Local
        """The run once it has ended."""
        return self._followed(run, progress)

    def _followed(self, run: dict[str, Any], progress: Progress) -> dict[str, Any]:
        while run["state"] not in FINAL:
            time.sleep(_POLL_SECONDS)
            run = self._client.job(str(run["id"]))
            progress(run["progress"], run["message"] or "")
        return run

    def models(self) -> list[dict[str, Any]]:
        """Every model."""
        return self._client.models()

    def model(self, name: str) -> dict[str, Any]:
        """The card of a model."""
        return self._client.model(name)

    def decisions(self, model: str | None, decision: str | None) -> list[dict[str, Any]]:
        """The latest decisions about training."""
        return self._client.decisions(model, decision)

    def shadow(self, name: str) -> dict[str, Any]:
        """How what serves has scored since its training."""
        return self._client.shadow(name)

    def promote(self, name: str, version: int, reason: str, force: bool) -> dict[str, Any]:
        """Put a version into production."""
        return self._client.promote(name, version, reason, force=force)

    def rollback(self, name: str, version: int | None, reason: str, force: bool) -> dict[str, Any]:
        """Put a version that has served before back into production."""
        return self._client.rollback(name, reason, version, force=force)

    def experiments(self) -> list[dict[str, Any]]:
        """Every experiment."""
        return self._client.experiments()

    def runs(self, experiment: str | None, wanted: str, order: str, limit: int) -> list[dict[str, Any]]:
        """The first runs that meet a search."""
        return self._client.runs(experiment, filter=wanted, order_by=order, limit=limit)

    def experiment_run(self, identifier: str) -> dict[str, Any]:
        """One run of an experiment."""
        return self._client.run(identifier)

    def compare_runs(self, identifiers: Sequence[str]) -> dict[str, Any]:
        """Runs side by side."""
        return self._client.compare_runs(identifiers)

    def export_runs(self, experiment: str, target: Path) -> int:
        """Write an experiment as an MLflow file store into the directory; how many files."""
        from rpsd.services.experiment.mlflow_export import unpacked

        return unpacked(self._client.export_experiment(experiment, str(target)), target)

    def drift_reports(self, model: str | None, severity: str | None, limit: int) -> list[dict[str, Any]]:
        """The newest drift reports."""
        return self._client.drift_reports(model, severity, limit)

    def drift_report(self, identifier: int) -> dict[str, Any]:
        """One drift report."""
        return self._client.drift_report(identifier)

    def drift_scan(self, models: Sequence[str], progress: Progress) -> dict[str, Any]:
        """A finished scan."""
        return self._followed(self._client.drift_scan(models), progress)

    def move_model(self, name: str, version: int, stage: str, reason: str) -> dict[str, Any]:
        """Put a version into another stage below production."""
        body = {"version": version, "stage": stage, "reason": reason}
        found: dict[str, Any] = self._client.ask("POST", f"/api/v1/models/{name}/stage", json=body)
        return found

    def aliases(self, name: str) -> list[dict[str, Any]]:
        """The aliases of a model."""
        found: list[dict[str, Any]] = self._client.ask("GET", f"/api/v1/models/{name}/aliases")["aliases"]
        return found

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Let an alias stand for a version."""
        self._client.ask("POST", f"/api/v1/models/{name}/aliases", json={"alias": alias, "version": version})

    def drop_alias(self, name: str, alias: str) -> None:
        """Forget an alias."""
        self._client.ask("DELETE", f"/api/v1/models/{name}/aliases/{alias}")

    def lineage(self, name: str) -> dict[str, Any]:
        """The versions that a model came from."""
        found: dict[str, Any] = self._client.ask("GET", f"/api/v1/models/{name}/lineage")
        return found

    def export_model(self, name: str, version: str) -> tuple[bytes, str]:
        """A model file and its SHA-256."""
        found = self._client.request("GET", f"/api/v1/models/{name}/versions/{version}/file")
        return found.content, found.headers["rpsd-digest"]

    def import_model(self, data: bytes, digest: str) -> dict[str, Any]:
        """Register the model in a file."""
        headers = {"content-type": "application/octet-stream", "rpsd-digest": digest}
        found: dict[str, Any] = self._client.ask("POST", "/api/v1/models/import", content=data, headers=headers)
        return found

    def jobs(self, name: str | None, state: str | None) -> list[dict[str, Any]]:
        """The latest runs."""
        return self._client.jobs(name=name, state=state)

    def run_job(self, name: str, arguments: dict[str, Any], wait: bool, progress: Progress) -> dict[str, Any]:
        """Start a job; its run, finished when `wait`."""
        run = self._client.run_job(name, **arguments)
        while wait and run["state"] not in FINAL:
            time.sleep(_POLL_SECONDS)
            run = self._client.job(str(run["id"]))
            progress(run["progress"], run["message"] or "")
        return run

    def cancel_job(self, identifier: str) -> dict[str, Any]:
        """Cancel a run."""
        return self._client.cancel_job(identifier)

    def keys(self) -> list[dict[str, Any]]:
        """Every key, without secrets."""
        return self._client.keys()

    def create_key(self, name: str, scopes: Sequence[str], expires: str | None, limit: int | None) -> dict[str, Any]:
        """A new key; `key` in the answer is the token, shown this once."""
        return self._client.create_key(name, scopes, expires, limit)

    def adopt_keys(self, keys: Sequence[str], scopes: Sequence[str], name: str, expires: str | None) -> dict[str, Any]:
        """Let keys of an earlier system go on working."""
        return self._client.adopt_keys(keys, scopes, name, expires)

    def rotate_key(self, identifier: str, overlap_seconds: float) -> dict[str, Any]:
        """A key in place of another; `key` in the answer is the token, shown this once."""
        return self._client.rotate_key(identifier, int(overlap_seconds))

    def revoke_key(self, identifier: str) -> None:
        """Revoke a key."""
        self._client.revoke_key(identifier)

    def rotate_signing_keys(self) -> list[dict[str, Any]]:
        """Sign tokens with a new key."""
        return self._client.rotate_signing_keys()

    def create_backup(self, progress: Progress) -> dict[str, Any]:
        """Let the server take a backup into backup.dir."""
        return self._backed_up({}, progress)

    @contextmanager
    def passing_backup(self, progress: Progress) -> Iterator[tuple[dict[str, Any], Iterator[bytes]]]:
        """A backup that is gone afterwards: its facts and its bytes."""
        found = self._backed_up({"once": "yes"}, progress)
        path = f"/api/v1/admin/backups/{Path(found['path']).name}"
        try:
            with self._client.stream(f"{path}/content", headers={"Accept-Encoding": "identity"}) as response:
                yield found, response.iter_bytes(_CHUNK)
        finally:
            self._client.ask("DELETE", path)

    def _backed_up(self, args: dict[str, Any], progress: Progress) -> dict[str, Any]:
        run = self.run_job("backup", args, True, progress)
        if error := failure(run):
            raise error
        found: dict[str, Any] = run["result"]
        return found

    def backups(self) -> list[dict[str, Any]]:
        """Every backup in the backup directory."""
        found: list[dict[str, Any]] = self._client.ask("GET", "/api/v1/admin/backups")["backups"]
        return found

    def prune_backups(self) -> list[str]:
        """Remove backups older than backup.keep_days; their names."""
        found: list[str] = self._client.ask("POST", "/api/v1/admin/backups/prune")["pruned"]
        return found

    def alerts(self, state: str | None) -> list[dict[str, Any]]:
        """The newest alerts, of one state or of both."""
        params = {"limit": 1000} | ({"state": state} if state else {})
        found: list[dict[str, Any]] = self._client.ask("GET", "/api/v1/admin/alerts", params=params)["alerts"]
        return found

    def resolve_alert(self, identifier: int) -> dict[str, Any]:
        """Say that an alert has been seen to."""
        found: dict[str, Any] = self._client.ask("POST", f"/api/v1/admin/alerts/{identifier}/resolve")
        return found

    def test_alerts(self) -> list[dict[str, Any]]:
        """Send every receiver a test message; what came of it."""
        found: list[dict[str, Any]] = self._client.ask("POST", "/api/v1/admin/alerts/test")["receivers"]
        return found

    def audit(self, limit: int, action: str | None = None, actor: str | None = None, since: str | None = None) -> list[dict[str, Any]]:
        """The latest rows of the audit log, of an action, of an actor, since a moment."""
        params = {"limit": limit, "action": action, "actor": actor, "since": since}
        found: list[dict[str, Any]] = self._client.ask("GET", "/api/v1/admin/audit", params=params)["audit"]
        return found

    def verify_audit(self, anchor: str | None = None) -> dict[str, Any]:
        """Whether the chain of the audit log holds, and an earlier anchor is in it."""
        found: dict[str, Any] = self._client.ask("GET", "/api/v1/admin/audit/verify", params={"anchor": anchor})
        return found


def read_chunks(file: Path, progress: Progress) -> Iterator[bytes]:
    """The bytes of the file in pieces, with progress. Raises UnknownFile."""
    from rpsd.core.errors import UnknownFile

    try:
        total = max(file.stat().st_size, 1)
        with file.open("rb") as stream:
            done = 0
            while chunk := stream.read(_CHUNK):
                done += len(chunk)
                yield chunk
                progress(done / total, f"{done / 1e6:,.1f} MB")
    except OSError as error:
        raise UnknownFile(f"{file}: {error.strerror}") from error


def failure(run: dict[str, Any]) -> RpsdError | None:
    """The error that a run ended with; None when it succeeded or still goes."""
    if run["state"] in ("succeeded", "queued", "running"):
        return None
    from rpsd.client import rebuilt

    code = run.get("error_code") or ("cancelled" if run["state"] == "cancelled" else "worker_failed")
    return rebuilt(500, {"code": code, "detail": f"job {run['name']} {run['state']}: {run.get('message') or 'no reason was recorded'}"})


def tabled(now: dict[str, Any], statistics: dict[str, Any], transitions: dict[str, Any]) -> dict[str, Any]:
    """The current regime by a stored model with its states, how many were tried, its moves and the forecast."""
    tables = {name: statistics[name] for name in ("states", "selection", "annualisation", "evaluation")}
    return now | tables | {name: transitions[name] for name in ("transition_matrix", "stationary", "forecast")}
