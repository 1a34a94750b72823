"""The Python client of the HTTP API, over TCP or the admin socket; errors come back as the classes that the server raised."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx

from rpsd.core.errors import ERRORS, Fault, InternalError, RpsdError, Unavailable

if TYPE_CHECKING:
    from rpsd.core.book import Tape
    from rpsd.core.market import Vector

_CLASSES = {error.code: error for error in ERRORS}
_MOST_ROWS = 1_000_000
"""Rows that one answer may hold."""


def rebuilt(status: int, problem: Mapping[str, Any]) -> RpsdError:
    """The error that a problem document describes; an unknown code becomes InternalError."""
    faults = [Fault(str(item.get("pointer", "")), str(item.get("reason", ""))) for item in problem.get("errors") or ()]
    detail = str(problem.get("detail") or problem.get("title") or f"the server answered {status}")
    known = _CLASSES.get(str(problem.get("code")), InternalError)
    return known(detail, errors=faults, hint=problem.get("hint"), retry_after=problem.get("retry_after"))


class Client:
    """One connection pool to one server. `key` is an API key; over `socket` (the admin socket) none is needed.

    `with Client("http://127.0.0.1:8000", key="rpsd_…") as client: client.denoise([1.0, 1.2, 0.9, 1.1])["values"]`
    """

    def __init__(
        self, base_url: str = "http://127.0.0.1:8000", *, key: str | None = None, socket: Path | None = None, timeout: float = 60.0
    ) -> None:
        headers = {"X-API-Key": key} if key else {}
        transport = httpx.HTTPTransport(uds=str(socket)) if socket is not None else None
        base = "http://localhost" if socket is not None else base_url
        self._http = httpx.Client(base_url=base, headers=headers, transport=transport, timeout=timeout, trust_env=socket is None)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """The answer to one request. Raises the RpsdError that the server answered with, Unavailable when it cannot be reached."""
        try:
            response = self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise _silent(error) from error
        if response.is_error:
            raise _failure(response)
        return response

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """request(), its JSON body; None when there is none."""
        params = {name: value for name, value in (options.pop("params", None) or {}).items() if value is not None}
        response = self.request(method, path, params=params, **options)
        return response.json() if response.content else None

    def health(self) -> dict[str, Any]:
        """GET /health; an unhealthy server answers 503 with the same body."""
        try:
            response = self._http.get("/health")
            found: dict[str, Any] = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise _silent(error) from error
        return found

    def pages(self, path: str, items: str, **params: Any) -> Iterator[dict[str, Any]]:
        """Every entry of a list that pages by cursor; `items` is the name of the list in the answer."""
        after: str | None = None
        while True:
            page = self.ask("GET", path, params={**params, "after": after, "limit": 1000})
            yield from page[items]
            after = page.get("next")
            if not after:
                return

    def series(self) -> list[dict[str, Any]]:
        """Every stored series."""
        return list(self.pages("/api/v1/series", "series"))

    def series_info(self, symbol: str, interval: str) -> dict[str, Any]:
        """One series: columns, first and last time, rows, gaps."""
        found: dict[str, Any] = self.ask("GET", f"/api/v1/series/{symbol}/{interval}")
        return found

    def append(self, symbol: str, interval: str, columns: Mapping[str, Sequence[Any]], **params: Any) -> dict[str, Any]:
        """Store rows given as columns, `t` among them: ISO times or int64 ns."""
        body = {name: list(values) for name, values in columns.items()}
        found: dict[str, Any] = self.ask("POST", f"/api/v1/series/{symbol}/{interval}/samples", json=body, params=params)
        return found

    def append_csv(self, symbol: str, interval: str, chunks: Iterator[bytes], *, kind: str = "text/csv", **params: Any) -> dict[str, Any]:
        """Store rows of a CSV file, streamed; of another kind such as `application/x-ndjson`, by its media type."""
        headers = {"Content-Type": kind}
        path = f"/api/v1/series/{symbol}/{interval}/samples"
        found: dict[str, Any] = self.ask("POST", path, content=chunks, headers=headers, params=params)
        return found

    def samples(self, symbol: str, interval: str, **params: Any) -> dict[str, Any]:
        """Rows as columns; start, end, columns, limit, as_of as the API takes them."""
        found: dict[str, Any] = self.ask("GET", f"/api/v1/series/{symbol}/{interval}/samples", params=params)
        return found

    def samples_csv(
        self, symbol: str, interval: str, *, limit: int | None = None, kind: str = "text/csv", **params: Any
    ) -> Iterator[bytes]:
        """Rows as CSV, or as `application/x-ndjson`, streamed; without a limit all of them, however many requests that takes."""
        chosen = {name: value for name, value in params.items() if value is not None} | {"limit": limit or _MOST_ROWS}
        path = f"/api/v1/series/{symbol}/{interval}/samples"
        following: str | None = ""
        try:
            while following is not None:
                with self._http.stream("GET", path, params=chosen, headers={"Accept": kind}) as response:
                    if response.is_error:
                        response.read()
                        raise _failure(response)
                    chunks = response.iter_bytes()
                    yield from _without_header(chunks) if following and kind == "text/csv" else chunks
                    following = None if limit else response.headers.get("rpsd-next")
                chosen["start"] = following
        except httpx.HTTPError as error:
            raise _silent(error) from error

    def denoise(self, values: Sequence[float], **options: Any) -> dict[str, Any]:
        """POST /api/v1/denoise with JSON."""
        found: dict[str, Any] = self.ask("POST", "/api/v1/denoise", json={"values": list(values), **options})
        return found

    def denoise_array(self, y: "Vector", **options: Any) -> "tuple[Vector, dict[str, Any]]":
        """POST /api/v1/denoise as float64 octets: the denoised array of y (n,) and the rest of the answer."""
        import numpy as np

        headers = {"Content-Type": "application/octet-stream", "Accept": "application/octet-stream"}
        response = self.request("POST", "/api/v1/denoise", content=y.astype("<f8").tobytes(), headers=headers, params=options)
        return np.frombuffer(response.content, "<f8"), json.loads(response.headers["Rpsd-Result"])

    def detect_regimes(self, ticker: str, start_date: str, end_date: str, **options: Any) -> dict[str, Any]:
        """POST /api/v1/detect-regimes."""
        body = {"ticker": ticker, "start_date": start_date, "end_date": end_date, **options}
        found: dict[str, Any] = self.ask("POST", "/api/v1/detect-regimes", json=body)
        return found

    def regime(self, symbol: str, interval: str = "1d", regime_type: str | None = None) -> dict[str, Any]:
        """The current regime by the production model."""
        params = {"interval": interval, "regime_type": regime_type}
        found: dict[str, Any] = self.ask("GET", f"/api/v1/regimes/{symbol}", params=params)
        return found

    def regime_statistics(self, symbol: str, interval: str = "1d", regime_type: str | None = None) -> dict[str, Any]:
        """What each regime of the production model was like."""
        params = {"interval": interval, "regime_type": regime_type}
        found: dict[str, Any] = self.ask("GET", f"/api/v1/regimes/{symbol}/statistics", params=params)
        return found

    def regime_transitions(self, symbol: str, interval: str = "1d", regime_type: str | None = None, *, steps: int = 1) -> dict[str, Any]:
        """The moves of the production model, and a forecast of 1 to `steps` bars."""
        params = {"interval": interval, "regime_type": regime_type, "steps": steps}
        found: dict[str, Any] = self.ask("GET", f"/api/v1/regimes/{symbol}/transitions", params=params)
        return found

    def books(self) -> list[dict[str, Any]]:
        """Every live order book."""
        return list(self.pages("/api/v1/books", "books"))

    def book(self, symbol: str) -> dict[str, Any]:
        """A live book as it stands: state, levels, features, totals."""
        found: dict[str, Any] = self.ask("GET", f"/api/v1/books/{symbol}")
        return found

    def feed_book(
        self, symbol: str, records: "Sequence[Mapping[str, Any]] | Mapping[str, Any]", kind: str = "snapshots", **params: Any
    ) -> dict[str, Any]:
        """Post records, or columns of them, as JSON; `kind` is snapshots, quotes, trades or updates; on_error and tick as the API."""
        body = dict(records) if isinstance(records, Mapping) else list(records)
        found: dict[str, Any] = self.ask("POST", f"/api/v1/books/{symbol}/{kind}", json=body, params=params)
        return found

    def feed_book_tape(self, symbol: str, tape: "Tape", tick: float = 0.0, **params: Any) -> dict[str, Any]:
        """Post a tape of books, quotes and trades as binary frames, events in their order; the fastest way in."""
        from rpsd.core.frame import encoded

        headers = {"Content-Type": "application/octet-stream"}
        path = f"/api/v1/books/{symbol}/snapshots"
        found: dict[str, Any] = self.ask("POST", path, content=encoded(tape, tick), headers=headers, params=params)
        return found

    def import_book(self, symbol: str, chunks: Iterator[bytes], file_format: str, **params: Any) -> dict[str, Any]:
        """Stream a file in the layout lobster, tardis or binance; date, tz, on_error and tick as the API."""
        path, headers = f"/api/v1/books/{symbol}/snapshots", {"Content-Type": "text/csv"}
        found: dict[str, Any] = self.ask("POST", path, content=chunks, headers=headers, params={"format": file_format, **params})
        return found

    def book_features(self, symbol: str, **params: Any) -> dict[str, Any]:
        """Features after each event of a range as columns; start, end, limit and time as the API."""
        found: dict[str, Any] = self.ask("GET", f"/api/v1/books/{symbol}/features", params=params)
        return found

    def book_faults(self, symbol: str, **params: Any) -> dict[str, Any]:
        """Bad records of a book, counted by rule, the newest listed."""
        found: dict[str, Any] = self.ask("GET", f"/api/v1/books/{symbol}/faults", params=params)
        return found

    def predict(self, snapshots: Sequence[Mapping[str, Any]], **options: Any) -> dict[str, Any]:
        """The forecast after the last of the snapshots; options as in the API, `symbol` or `model_name` among them."""
        found: dict[str, Any] = self.ask("POST", "/api/v1/predict", json={"snapshots": list(snapshots), **options})
        return found

    def predict_live(self, symbol: str, **options: Any) -> dict[str, Any]:
        """The forecast of a live order book. Raises BookNotValid, rebuilt from the answer, while it is in no state to speak."""
        params = {name: str(value).lower() if isinstance(value, bool) else value for name, value in options.items() if value is not None}
        found: dict[str, Any] = self.ask("GET", "/api/v1/predict", params={"symbol": symbol, **params})
        return found

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
        try:
            with self._http.stream("GET", path, params={"root": root}) as response:
                if response.is_error:
                    response.read()
                    raise _failure(response)
                yield from response.iter_bytes()
        except httpx.HTTPError as error:
            raise _silent(error) from error

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

    def feature_vector(self, view: str, entity: str, **params: Any) -> dict[str, Any]:
        """The features of an entity now; as_of and expect as the API takes them."""
        found: dict[str, Any] = self.ask("GET", f"/api/v1/feature-views/{view}/vector", params={"entity": entity, **params})
        return found

    def feature_frame(self, view: str, entity: str, **params: Any) -> dict[str, Any]:
        """Feature rows of an entity as columns, point in time; start, end, limit, as_of, expect and time as the API takes them."""
        found: dict[str, Any] = self.ask("GET", f"/api/v1/feature-views/{view}/frame", params={"entity": entity, **params})
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


def _silent(error: Exception) -> Unavailable:
    """What to say of a server that gives no answer at all."""
    reason = re.sub(r"\[Errno -?\d+\] ", "", str(error)) or type(error).__name__
    return Unavailable(f"the server does not answer: {reason}", hint="Is it running? `systemctl status rpsd`, or `rpsd serve` by hand.")


def _without_header(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The chunks from their second line on."""
    held = b""
    for chunk in chunks:
        held += chunk
        if b"\n" in held:
            yield held.partition(b"\n")[2]
            break
    yield from chunks


def _failure(response: httpx.Response) -> RpsdError:
    """The error of a failed answer, whatever its body is."""
    try:
        problem = response.json()
    except ValueError:
        problem = {"detail": f"the server answered {response.status_code}"}
    error = rebuilt(response.status_code, problem if isinstance(problem, dict) else {})
    if (wait := response.headers.get("Retry-After", "")).isdecimal():
        error.retry_after = float(wait)
    return error
