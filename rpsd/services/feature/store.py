"""The feature store as a whole: views, their rows, frames over time and vectors of now."""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from rpsd.config import Settings
from rpsd.services.alert import AlertService
from rpsd.services.feature.materialise import Materialiser
from rpsd.services.feature.view import FeatureViews
from rpsd.services.job import JobService
from rpsd.store.db import Database
from rpsd.telemetry import Metrics

if TYPE_CHECKING:
    from rpsd.services.feature.frame import FeatureFrames
    from rpsd.services.feature.vector import FeatureVectors


class FeatureStore:
    """Its four services, of which the last two wait until they are asked for: `views`, `materialiser`, `frames`, `vectors`."""

    def __init__(
        self, settings: Settings, database: Database, metrics: Metrics, job: JobService, alert: AlertService, clock: Callable[[], int]
    ) -> None:
        self._settings, self._database, self._clock = settings, database, clock
        self.views = FeatureViews(settings, database, clock)
        self.materialiser = Materialiser(settings, database, metrics, self.views, job, alert, clock)

    @cached_property
    def frames(self) -> "FeatureFrames":
        """Made when first asked for: no start needs them."""
        from rpsd.services.feature.frame import FeatureFrames

        return FeatureFrames(self._settings, self._database, self.views, self._clock)

    @cached_property
    def vectors(self) -> "FeatureVectors":
        """Made when first asked for; its memory of vectors is a cache, so that two made at once do no harm."""
        from rpsd.services.feature.vector import FeatureVectors

        return FeatureVectors(self._settings, self._database, self.views, self.frames, self._clock)
