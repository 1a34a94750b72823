"""The feature store as a whole: views, their rows, frames over time and vectors of now."""

from collections.abc import Callable

from rpsd.config import Settings
from rpsd.services.alert import AlertService
from rpsd.services.feature_frame import FeatureFrames
from rpsd.services.feature_vector import FeatureVectors
from rpsd.services.feature_view import FeatureViews
from rpsd.services.job import JobService
from rpsd.services.materialise import Materialiser
from rpsd.store.db import Database
from rpsd.telemetry import Metrics


class FeatureStore:
    """Its four services, made together: `views`, `materialiser`, `frames`, `vectors`."""

    def __init__(
        self, settings: Settings, database: Database, metrics: Metrics, job: JobService, alert: AlertService, clock: Callable[[], int]
    ) -> None:
        self.views = FeatureViews(settings, database, clock)
        self.materialiser = Materialiser(settings, database, metrics, self.views, job, alert, clock)
        self.frames = FeatureFrames(settings, database, self.views, clock)
        self.vectors = FeatureVectors(settings, database, self.views, self.frames, clock)
