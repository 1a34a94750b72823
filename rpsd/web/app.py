"""The application: every resource's routes in one Litestar app, with the edge around it."""

from typing import TYPE_CHECKING, Any, Final, Self

from litestar import Litestar, Router

from rpsd.web import (
    admin,
    alert,
    backtest,
    backup,
    book,
    book_train,
    denoise,
    denoise_batch,
    denoise_compare,
    denoise_search,
    doctor,
    drift,
    experiment,
    feature,
    feature_frame,
    feature_view,
    job,
    key,
    live,
    maintenance,
    ml_status,
    model,
    model_alias,
    model_card,
    model_file,
    outbound,
    predict,
    regime,
    release,
    retraining,
    run,
    run_log,
    series,
    system,
    token,
)
from rpsd.web.auth import authorised, check
from rpsd.web.edge import Edge
from rpsd.web.problem import respond
from rpsd.web.stream import events

if TYPE_CHECKING:
    from rpsd.services.wiring import Services

ROUTES: Final[tuple[Any, ...]] = (
    *system.ROUTES,
    *series.ROUTES,
    *book.ROUTES,
    *backtest.ROUTES,
    *denoise.ROUTES,
    *denoise_batch.ROUTES,
    *denoise_compare.ROUTES,
    *denoise_search.ROUTES,
    *live.ROUTES,
    *ml_status.ROUTES,
    *feature.ROUTES,
    *feature_view.ROUTES,
    *feature_frame.ROUTES,
    *regime.ROUTES,
    *model.ROUTES,
    *model_alias.ROUTES,
    *retraining.ROUTES,
    *model_card.ROUTES,
    *model_file.ROUTES,
    *book_train.ROUTES,
    *predict.ROUTES,
    *experiment.ROUTES,
    *run.ROUTES,
    *run_log.ROUTES,
    *job.ROUTES,
    *drift.ROUTES,
    *admin.ROUTES,
    *maintenance.ROUTES,
    *release.ROUTES,
    *backup.ROUTES,
    *doctor.ROUTES,
    *key.ROUTES,
    *token.ROUTES,
    *alert.ROUTES,
    *outbound.ROUTES,
    *events.ROUTES,
)


def build_app(services: "Services", *, admin: bool = False) -> Edge:
    """The ASGI application; with `admin` the one for the admin socket, whose requests act as the administrator.

    Raises TypeError when a route declares no scope.
    """
    return Edge(build_inner(services), services, admin=admin)


def build_inner(services: "Services") -> Litestar:
    """The Litestar app without its edge; the limits, hosts, logs and metrics are the edge's business."""
    origins = services.settings.server.cors_origins
    # in one router: registered one by one, Litestar rebuilds its index for each, and wraps a path's first handler twice
    app = _Application(
        [_Routes("/", route_handlers=ROUTES)],
        before_request=authorised,
        exception_handlers={Exception: respond},
        openapi_config=None,  # made on demand by web/openapi.py
        logging_config=None,
        request_max_body_size=None,
        cors_config=_cors(origins) if origins else None,
        debug=False,
        pdb_on_exception=False,
    )
    check(app)
    return app


class _Application(Litestar):
    """The framework without its support of pydantic and attrs: nothing here is theirs, and loading them takes a tenth of the start."""

    @staticmethod
    def _get_default_plugins(plugins: list[Any]) -> list[Any]:
        from litestar.plugins.core import MsgspecDIPlugin

        return [*plugins, MsgspecDIPlugin()]


class _Routes(Router):
    """A router for one application alone."""

    def __deepcopy__(self, _memo: dict[int, Any]) -> Self:
        """Itself: its handlers are copies already, and to copy them again with all they declare takes a tenth of the start."""
        return self


def _cors(origins: tuple[str, ...]) -> Any:
    from litestar.config.cors import CORSConfig

    return CORSConfig(
        allow_origins=list(origins),
        allow_methods=["GET", "POST", "PUT", "DELETE"],
        allow_headers=["content-type", "x-api-key", "authorization", "idempotency-key", "x-request-id"],
        expose_headers=["x-request-id", "location", "retry-after", "rpsd-result", "rpsd-next", "server-timing"],
    )
