"""The learning layer at a glance."""

from typing import Any, Final

import msgspec
from litestar import Request, get
from litestar.response import Response

from rpsd.web.exchange import of
from rpsd.web.operation import declare
from rpsd.web.wire import JSON, answer


class Counted(msgspec.Struct):
    """Versions of models by stage."""

    production: int
    candidates: int


class MlStatus(msgspec.Struct):
    """How much there is of everything, what was last found, and what comes next."""

    features_registered: int
    feature_views: int
    drift_monitor: dict[str, Any]
    experiment_tracking: dict[str, Any]
    models: Counted
    last_drift_scan: dict[str, Any] | None
    next_jobs: list[dict[str, Any]]
    timestamp: str


@get(
    "/api/v1/ml/status",
    opt=declare(
        "read", "Features, views, models, experiments, drift and the jobs to come.", "system", writes={JSON: MlStatus}, monitoring=True
    ),
    sync_to_thread=True,
)
def ml_status(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The status of the learning layer."""
    return answer(of(request), of(request).services.ml_status.told())


ROUTES: Final = (ml_status,)
