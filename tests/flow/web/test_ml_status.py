"""The status of the learning layer through the front door: who may read it, and that it is of the declared form."""

from typing import Any

import httpx
import msgspec

from rpsd.web.ml_status import MlStatus


def test_it_is_read_with_a_key_or_from_the_networks_that_watch(running: Any) -> None:
    with running.client("read") as http, running.client(None) as watcher:
        answers = [one.get("/api/v1/ml/status") for one in (http, watcher)]
    for found in answers:
        assert found.status_code == 200
        told = msgspec.json.decode(found.content, type=MlStatus, strict=True)
        assert told.features_registered > 20
        assert told.feature_views > 0


def test_from_elsewhere_it_needs_the_scope(launch: Any) -> None:
    away = launch(MONITORING__METRICS_ALLOW="10.0.0.0/8")
    with httpx.Client(base_url=away.base) as http:
        assert http.get("/api/v1/ml/status").status_code == 401
        assert http.get("/api/v1/ml/status", headers={"x-api-key": away.keys["ingest"]}).status_code == 403
        assert http.get("/api/v1/ml/status", headers={"x-api-key": away.keys["read"]}).status_code == 200
