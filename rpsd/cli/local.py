"""What commands need, done on the data directory itself while no server runs."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rpsd.cli.feature_reach import LocalFeatures
from rpsd.cli.files import kind_of
from rpsd.cli.live import BY, FINAL, STEPS, Progress, read_chunks, tabled
from rpsd.cli.upkeep_reach import LocalUpkeep

if TYPE_CHECKING:
    from rpsd.services.access.service import Principal
    from rpsd.services.wiring import Services

_PAGE = 500
_CHUNK = 1 << 20
_POLL_SECONDS = 0.05


class Local:
    """The services of this process; the methods are those of Live."""

    def __init__(self, services: "Services") -> None:
        self._services = services
        self.features = LocalFeatures(services)
        self.upkeep = LocalUpkeep(services)

    def series(self) -> list[dict[str, Any]]:
        """Every stored series."""
        return _all(self._services.series.page)

    def import_file(self, file: Path, symbol: str, interval: str, options: dict[str, Any], progress: Progress) -> dict[str, Any]:
        """Store the rows of the file."""
        from rpsd.services.intake.ingest import CsvReader, NdjsonReader
        from rpsd.services.intake.parquet import read_parquet

        kind = kind_of(file)
        if kind == "parquet":
            parsed = read_parquet(file, interval, **options)
        else:
            reader = (NdjsonReader if kind == "ndjson" else CsvReader)(interval, **options)
            for chunk in read_chunks(file, progress):
                reader.feed(chunk)
            parsed = reader.finish()
        return self._services.series.append(symbol, interval, parsed.samples, rejected=parsed.rejected, by=BY)

    def import_book(self, file: Path, file_format: str, symbol: str, options: dict[str, Any], progress: Progress) -> dict[str, Any]:
        """Store the records of a file of an order book."""
        from rpsd.cli.book_files import chunks
        from rpsd.services.book.feed import opened
        from rpsd.services.book.feed.reader import ReaderOptions
        from rpsd.services.book.importing import BookImport

        reader = opened(file_format, ReaderOptions(options["on_error"], options["date"], options["tz"]))
        taking = BookImport(self._services.book, symbol, reader, by=BY, tick=options["tick"])
        for chunk in chunks(file, file_format, progress):
            taking.feed(chunk)
        return taking.finish()

    def export(self, symbol: str, interval: str, kind: str, chosen: Mapping[str, str | None]) -> Iterator[bytes]:
        """The rows as csv or ndjson; `chosen` holds start, end and columns."""
        from rpsd.core import instant
        from rpsd.services.intake.csv_text import csv_text
        from rpsd.services.intake.ndjson_text import ndjson_text

        start, end, columns = (chosen.get(name) for name in ("start", "end", "columns"))
        samples = self._services.series.read(
            symbol,
            interval,
            start_ns=None if start is None else instant.parse(start),
            end_ns=None if end is None else instant.parse(end),
            columns=columns.split(",") if columns else None,
        )
        for piece in (ndjson_text if kind == "ndjson" else csv_text)(samples.t, samples.columns):
            yield piece.encode()

    def regime(self, symbol: str, interval: str, regime_type: str | None) -> dict[str, Any]:
        """The current regime by the production model, what each was like, their moves and a forecast."""
        asked, service = (symbol, interval, regime_type), self._services.regime
        return tabled(service.current(*asked), service.statistics(*asked), service.transitions(*asked, steps=STEPS))

    def series_info(self, symbol: str, interval: str) -> dict[str, Any]:
        """Columns, first and last time and more of one series."""
        return self._services.series.info(symbol, interval)

    def detect(self, symbol: str, start: str, end: str, options: dict[str, Any]) -> dict[str, Any]:
        """Regimes fitted on exactly this range."""
        from rpsd.core import instant

        self._services.warm()
        return self._services.regime.detect(symbol, instant.parse(start), instant.parse(end), **options)

    def predict(self, symbol: str, model: str | None, features: bool) -> dict[str, Any]:
        """What the model in production says of a live book."""
        import json

        service = self._services.forecast
        told: dict[str, Any] = json.loads(service.live(service.question(symbol, model, features)).text)
        return told

    def books(self) -> list[dict[str, Any]]:
        """Every order book."""
        return _all(self._services.book.page)

    def book(self, symbol: str) -> dict[str, Any]:
        """Where an order book stands."""
        return self._services.book.info(symbol)

    def book_faults(self, symbol: str, rule: str | None) -> list[dict[str, Any]]:
        """The newest records that were put aside."""
        return self._services.book.faults(symbol, rule)[1]

    def models(self) -> list[dict[str, Any]]:
        """Every model."""
        return _all(self._services.model.page)

    def model(self, name: str) -> dict[str, Any]:
        """The card of a model."""
        return self._services.model.card(name)

    def decisions(self, model: str | None, decision: str | None) -> list[dict[str, Any]]:
        """The latest decisions about training."""
        return self._services.retraining.page(None, 100, model, decision)[0]

    def shadow(self, name: str) -> dict[str, Any]:
        """How what serves has scored since its training."""
        return self._services.shadow.told(name)

    def promote(self, name: str, version: int, reason: str, force: bool) -> dict[str, Any]:
        """Put a version into production."""
        return self._services.model.promote(name, version, reason, BY, force=force)

    def rollback(self, name: str, version: int | None, reason: str, force: bool) -> dict[str, Any]:
        """Put a version that has served before back into production."""
        return self._services.model.rollback(name, version, reason, BY, force=force)

    def experiments(self) -> list[dict[str, Any]]:
        """Every experiment."""
        return _all(lambda after, limit: self._services.experiment.page(self._who(), after, limit))

    def runs(self, experiment: str | None, wanted: str, order: str, limit: int) -> list[dict[str, Any]]:
        """The first runs that meet a search."""
        service = self._services.run_reading
        return service.search(self._who(), experiment=experiment, wanted=wanted, order=order, limit=limit)[0]

    def experiment_run(self, identifier: str) -> dict[str, Any]:
        """One run of an experiment."""
        return self._services.run_reading.find(identifier, self._who())

    def compare_runs(self, identifiers: Sequence[str]) -> dict[str, Any]:
        """Runs side by side."""
        return self._services.run_reading.compare(identifiers, self._who())

    def export_runs(self, experiment: str, target: Path) -> int:
        """Write an experiment as an MLflow file store into the directory; how many files."""
        from rpsd.services.experiment.mlflow_export import write

        count = 0
        for name, data in self._services.mlflow_export.members(experiment, self._who(), str(target)):
            write(target, name, data)
            count += not name.endswith("/")
        return count

    def _who(self) -> "Principal":
        """Whoever may open the data directory may do all."""
        from rpsd.services.access.service import SCOPES, Principal

        return Principal(BY, BY, frozenset(SCOPES))

    def drift_reports(self, model: str | None, severity: str | None, limit: int) -> list[dict[str, Any]]:
        """The newest drift reports."""
        return self._services.drift.page(None, limit, model, severity)[0]

    def drift_report(self, identifier: int) -> dict[str, Any]:
        """One drift report."""
        return self._services.drift.find(identifier)

    def drift_scan(self, models: Sequence[str], progress: Progress) -> dict[str, Any]:
        """A finished scan."""
        from rpsd.services.drift.service import JOB

        return self._finished(JOB, self._services.drift.submit(models or None, by=BY), progress)

    def move_model(self, name: str, version: int, stage: str, reason: str) -> dict[str, Any]:
        """Put a version into another stage below production."""
        return self._services.model_alias.move(name, version, stage, reason, BY)

    def aliases(self, name: str) -> list[dict[str, Any]]:
        """The aliases of a model."""
        return self._services.model_alias.listed(name)

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Let an alias stand for a version."""
        self._services.model_alias.put(name, alias, version, BY)

    def drop_alias(self, name: str, alias: str) -> None:
        """Forget an alias."""
        self._services.model_alias.drop(name, alias, BY)

    def lineage(self, name: str) -> dict[str, Any]:
        """The versions that a model came from."""
        return self._services.model_card.lineage(name, None, 100)

    def export_model(self, name: str, version: str) -> tuple[bytes, str]:
        """A model file and its SHA-256."""
        return self._services.model_file.exported(name, version)

    def import_model(self, data: bytes, digest: str) -> dict[str, Any]:
        """Register the model in a file."""
        return self._services.model_file.imported(data, BY, digest=digest)

    def jobs(self, name: str | None, state: str | None) -> list[dict[str, Any]]:
        """The latest runs."""
        return self._services.job.page(None, 100, name, state)[0]

    def run_job(self, name: str, arguments: dict[str, Any], wait: bool, progress: Progress) -> dict[str, Any]:  # noqa: ARG002
        """Run a job in this process and wait for it: without a server nobody else would."""
        from rpsd.core.errors import UnknownJob
        from rpsd.jobs import JOBS

        if name not in (names := [job.name for job in JOBS]):
            raise UnknownJob(f"there is no job {name[:40]!r}; there are {', '.join(names)}")
        return self._finished(name, self._services.job.enqueue(name, arguments, by=BY), progress)

    def backtest(self, symbol: str, body: dict[str, Any], progress: Progress) -> dict[str, Any]:
        """A finished backtest."""
        from rpsd.core import instant
        from rpsd.services.book.backtest import JOB, Asked

        start, end = (None if body.get(name) is None else instant.parse(body[name]) for name in ("start", "end"))
        wish = {name: body[name] for name in ("taker_fee_bps", "maker_fee_bps", "params", "model_name") if name in body}
        run = self._services.backtest.submit(symbol, Asked(**wish, start_ns=start, end_ns=end), by=BY)
        return self._finished(JOB, run, progress)

    def followed(self, name: str, run: dict[str, Any], progress: Progress) -> dict[str, Any]:
        """The run once it has ended."""
        return self._finished(name, run, progress)

    def _finished(self, name: str, run: dict[str, Any], progress: Progress) -> dict[str, Any]:
        """The run once it has ended; this process does the work."""
        from rpsd.jobs import JOBS
        from rpsd.jobs.runner import Scheduler

        scheduler = Scheduler(self._services, tuple(job for job in JOBS if job.name == name))
        try:
            while run["state"] not in FINAL:
                scheduler.tick(self._services.clock())
                time.sleep(_POLL_SECONDS)
                run = self._services.job.find(int(run["id"]))
                progress(run["progress"], run["message"] or "")
        finally:
            scheduler.stop()
        return self._services.job.find(int(run["id"]))

    def cancel_job(self, identifier: str) -> dict[str, Any]:
        """Cancel a run."""
        return self._services.job.cancel(int(identifier) if identifier.isdecimal() else 0, by=BY)

    def keys(self) -> list[dict[str, Any]]:
        """Every key, without secrets."""
        return self._services.access.list()

    def create_key(self, name: str, scopes: Sequence[str], expires: str | None, limit: int | None) -> dict[str, Any]:
        """A new key; `key` in the answer is the token, shown this once."""
        from rpsd.core import instant

        expires_ns = None if expires is None else instant.parse(expires)
        row, token = self._services.access.create(name, scopes, expires_ns=expires_ns, limit=limit, by=BY)
        return {**row, "key": token}

    def adopt_keys(self, keys: Sequence[str], scopes: Sequence[str], name: str, expires: str | None) -> dict[str, Any]:
        """Let keys of an earlier system go on working."""
        from rpsd.core import instant

        expires_ns = None if expires is None else instant.parse(expires)
        return self._services.access.adopt(keys, name, scopes, expires_ns=expires_ns, by=BY)

    def rotate_key(self, identifier: str, overlap_seconds: float) -> dict[str, Any]:
        """A key in place of another; `key` in the answer is the token, shown this once."""
        row, token = self._services.access.rotate(identifier, overlap_seconds, by=BY)
        return {**row, "key": token}

    def revoke_key(self, identifier: str) -> None:
        """Revoke a key."""
        self._services.access.revoke(identifier, by=BY)

    def rotate_signing_keys(self) -> list[dict[str, Any]]:
        """Sign tokens with a new key."""
        return self._services.access.rotate_signing(by=BY)

    def create_backup(self, progress: Progress) -> dict[str, Any]:
        """Take a backup into backup.dir."""
        return self._services.backup.create(by=BY, progress=progress)

    @contextmanager
    def passing_backup(self, progress: Progress) -> Iterator[tuple[dict[str, Any], Iterator[bytes]]]:
        """A backup that is gone afterwards: its facts and its bytes."""
        backup = self._services.backup
        found = backup.create(once=True, by=BY, progress=progress)
        path = Path(found["path"])
        try:
            with path.open("rb") as file:
                yield found, iter(lambda: file.read(_CHUNK), b"")
        finally:
            backup.delete(path.name, by=BY)

    def backups(self) -> list[dict[str, Any]]:
        """Every backup in the backup directory."""
        return self._services.backup.list()

    def prune_backups(self) -> list[str]:
        """Remove backups older than backup.keep_days; their names."""
        return self._services.backup.prune(by=BY)

    def alerts(self, state: str | None) -> list[dict[str, Any]]:
        """The newest alerts, of one state or of both."""
        return self._services.alert.page(None, 1000, None, state)[0]

    def resolve_alert(self, identifier: int) -> dict[str, Any]:
        """Say that an alert has been seen to."""
        return self._services.alert.resolve_by_hand(identifier, BY)

    def test_alerts(self) -> list[dict[str, Any]]:
        """Send every receiver a test message; what came of it."""
        return self._services.outside.test(BY)

    def audit(self, limit: int, action: str | None = None, actor: str | None = None, since: str | None = None) -> list[dict[str, Any]]:
        """The latest rows of the audit log, of an action, of an actor, since a moment."""
        from rpsd.core import instant

        since_ns = None if since is None else instant.parse(since)
        return self._services.access.audit(None, limit, action=action, actor=actor, since_ns=since_ns)[0]

    def verify_audit(self, anchor: str | None = None) -> dict[str, Any]:
        """Whether the chain of the audit log holds, and an earlier anchor is in it."""
        return self._services.access.verify_audit(anchor)


def _all(page: Any) -> list[dict[str, Any]]:
    """Every entry of a list that pages by cursor."""
    rows, after = page(None, _PAGE)
    while after is not None:
        more, after = page(after, _PAGE)
        rows = [*rows, *more]
    return list(rows)
