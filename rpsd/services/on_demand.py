"""Services that nobody needs before the first request for them: made when first asked for, so that a start does not wait for their code."""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rpsd.config import Settings
    from rpsd.services.alert import AlertService
    from rpsd.services.backup.service import BackupService
    from rpsd.services.book.backtest import BacktestService
    from rpsd.services.book.further import BookFurther
    from rpsd.services.book.service import BookService
    from rpsd.services.compute import Compute
    from rpsd.services.denoise.compare import DenoiseCompare
    from rpsd.services.denoise.search import DenoiseSearch
    from rpsd.services.denoise.service import DenoiseService
    from rpsd.services.doctor.inside import Inside
    from rpsd.services.drift.service import DriftService
    from rpsd.services.events import EventHub
    from rpsd.services.experiment.fit_run import WorkRuns
    from rpsd.services.experiment.mlflow_export import MlflowExport
    from rpsd.services.experiment.run_log import RunService
    from rpsd.services.experiment.run_reading import RunReading
    from rpsd.services.experiment.service import ExperimentService
    from rpsd.services.health import HealthService
    from rpsd.services.inbox import Inbox
    from rpsd.services.job import JobService
    from rpsd.services.maintenance import Maintenance
    from rpsd.services.ml_status import MlStatus
    from rpsd.services.model.alias import ModelAliases
    from rpsd.services.model.card import ModelCards
    from rpsd.services.model.file import ModelFiles
    from rpsd.services.model.quarantine import Quarantine
    from rpsd.services.model.service import ModelService
    from rpsd.services.outside.offsite import Offsite
    from rpsd.services.outside.service import Outside
    from rpsd.services.probation import Probation
    from rpsd.services.regime.service import RegimeService
    from rpsd.services.retraining.service import RetrainingService
    from rpsd.services.retraining.shadow import ShadowService
    from rpsd.services.retraining.watch import Watch
    from rpsd.services.series import SeriesService
    from rpsd.store.db import Database
    from rpsd.telemetry import Metrics


class OnDemand:
    """None of them holds anything that must be one: made twice by two threads at once, either serves."""

    settings: "Settings"
    clock: Callable[[], int]
    database: "Database"
    metrics: "Metrics"
    compute: "Compute"
    events: "EventHub"
    alert: "AlertService"
    backup: "BackupService"
    health: "HealthService"
    book: "BookService"
    denoise: "DenoiseService"
    job: "JobService"
    model: "ModelService"
    regime: "RegimeService"
    quarantine: "Quarantine"
    outside: "Outside"
    series: "SeriesService"

    @cached_property
    def _work_runs(self) -> "WorkRuns":
        from rpsd.services.experiment.fit_run import WorkRuns

        return WorkRuns(self.database, self.clock)

    @cached_property
    def book_further(self) -> "BookFurther":
        """Features of a book that take more than its events."""
        from rpsd.services.book.further import BookFurther

        return BookFurther(self.settings, book=self.book, model=self.model)

    @cached_property
    def denoise_compare(self) -> "DenoiseCompare":
        """Several configurations side by side."""
        from rpsd.services.denoise.compare import DenoiseCompare

        return DenoiseCompare(self.settings, self.denoise)

    @cached_property
    def denoise_search(self) -> "DenoiseSearch":
        """A grid of parameters judged by risk or likelihood."""
        from rpsd.services.denoise.search import DenoiseSearch

        return DenoiseSearch(self.denoise, self.job, self.compute, self._work_runs)

    @cached_property
    def offsite(self) -> "Offsite":
        """Copies of backups elsewhere."""
        from rpsd.services.outside.offsite import Offsite

        return Offsite(
            self.settings, self.database, self.metrics, backup=self.backup, outside=self.outside, alert=self.alert, clock=self.clock
        )

    @cached_property
    def backtest(self) -> "BacktestService":
        """Trades on what a model of an order book says."""
        from rpsd.services.book.backtest import BacktestService

        return BacktestService(self.settings, self.compute, book=self.book, model=self.model, job=self.job, runs=self._work_runs)

    @cached_property
    def doctor(self) -> "Inside":
        """What the owner of the data finds when it looks at itself."""
        from rpsd.services.doctor.inside import Inside

        return Inside(
            self.settings, self.database, backup=self.backup, job=self.job, health=self.health, alert=self.alert, clock=self.clock
        )

    @cached_property
    def drift(self) -> "DriftService":
        """What models in production see and say, against their training."""
        from rpsd.services.drift.service import DriftService

        return DriftService(
            self.settings, self.database, self.compute, self.metrics, book=self.book, job=self.job, alert=self.alert, events=self.events,
            clock=self.clock,
        )  # fmt: skip

    @cached_property
    def inbox(self) -> "Inbox":
        """Files that are dropped into a folder."""
        from rpsd.services.inbox import Inbox

        return Inbox(self.settings, self.series, self.job, self.clock)

    @cached_property
    def model_alias(self) -> "ModelAliases":
        """Stages and aliases of model versions."""
        from rpsd.services.model.alias import ModelAliases

        return ModelAliases(self.database, self.clock)

    @cached_property
    def model_card(self) -> "ModelCards":
        """Cards and lineage of model versions."""
        from rpsd.services.model.card import ModelCards

        return ModelCards(self.database)

    @cached_property
    def model_file(self) -> "ModelFiles":
        """Export and import of model versions."""
        from rpsd.services.model.file import ModelFiles

        return ModelFiles(self.database, self.clock, self.model_alias, self.quarantine)

    @cached_property
    def experiment(self) -> "ExperimentService":
        """Experiments and who may touch them."""
        from rpsd.services.experiment.service import ExperimentService

        return ExperimentService(self.database, self.clock)

    @cached_property
    def run(self) -> "RunService":
        """What runs log."""
        from rpsd.services.experiment.run_log import RunService

        return RunService(self.database, self.clock)

    @cached_property
    def run_reading(self) -> "RunReading":
        """What runs have logged: search, comparison, histories."""
        from rpsd.services.experiment.run_reading import RunReading

        return RunReading(self.database)

    @cached_property
    def mlflow_export(self) -> "MlflowExport":
        """An experiment as an MLflow file store."""
        from rpsd.services.experiment.mlflow_export import MlflowExport

        return MlflowExport(self.database)

    @cached_property
    def retraining(self) -> "RetrainingService":
        """Who decides what is trained by itself."""
        from rpsd.services.retraining.service import RetrainingService
        from rpsd.store.drift import high

        return RetrainingService(
            self.settings, self.database, self.metrics, job=self.job, is_asked=self.regime.is_asked, drifted=high, clock=self.clock
        )

    @cached_property
    def shadow(self) -> "ShadowService":
        """Predecessor and challenger beside what serves, with their scores."""
        from rpsd.services.retraining.shadow import ShadowService
        from rpsd.store.model_alias import challenger

        return ShadowService(self.settings, self.database, self.compute, book=self.book, challenger=challenger, clock=self.clock)

    @cached_property
    def watch(self) -> "Watch":
        """Takes back what does worse than its predecessor."""
        from rpsd.services.retraining.watch import Watch

        return Watch(
            self.settings, self.database, self.metrics, model=self.model, shadow=self.shadow, alert=self.alert.raise_, clock=self.clock
        )

    @cached_property
    def maintenance(self) -> "Maintenance":
        """Whether an operator has put the appliance aside. It holds a state: open_services makes it before there is a second thread."""
        from rpsd.services.maintenance import Maintenance

        return Maintenance(self.database, self.clock)

    @cached_property
    def probation(self) -> "Probation":
        """Whether writes wait for an upgrade to prove itself. It holds a state: open_services makes it before there is a second thread."""
        from rpsd.services.probation import Probation

        return Probation(self.settings.storage.data_dir)

    @cached_property
    def ml_status(self) -> "MlStatus":
        """The learning layer at a glance."""
        from rpsd.services.ml_status import MlStatus

        return MlStatus(self.settings, self.database, self.clock, offered=lambda: self.job.offered, last_scan=self.drift.last_scan)
