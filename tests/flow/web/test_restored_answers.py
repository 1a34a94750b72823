"""Answers after a restore are those from before the backup, for every operation that reads."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import httpx

from rpsd.services.backup.restore import restore
from rpsd.web.app import build_inner
from rpsd.web.auth import declared
from tests.fault.fuzz.request import Request
from tests.fault.fuzz.seed import Bindings
from tests.fault.fuzz.seeds import SEEDS, furnish, request_of
from tests.flow.web.conftest import open_appliance, serve

OF_THE_PROCESS = (
    "/health", "/api/v1/health", "/metrics", "/api/v1/ml/status", "/api/v1/events", "/api/v1/admin/config", "/api/v1/admin/doctor",
    "/openapi.json", "/static", "/api/v1/admin/backups", "/api/v1/admin/audit", "/api/v1/admin/maintenance", "/api/v1/admin/signing-keys",
)  # fmt: skip
"""These tell of the process, its machine or its settings; the audit log has gone on: its beginning is compared apart."""


class Asked:
    """What furnish() needs of a server."""

    def __init__(self, http: httpx.Client, port: int) -> None:
        self.http, self.port = http, port

    def json(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.http.request(method, path, json=body)
        assert answer.status_code < 400, (path, answer.text)
        return answer.json()

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        answer = self.http.request(method, path, json=body)
        return answer.status_code, answer.content


def reading(bindings: Bindings) -> dict[str, Request]:
    """A request for each operation that reads, by its name."""
    found = {}
    for seed in SEEDS:
        path = seed.route.partition(" ")[2]
        if seed.method == b"GET" and not path.startswith(OF_THE_PROCESS):
            found[f"{seed.route}?{seed.query}"] = request_of(seed, bindings, "all")
    return found


def answers(base: str, requests: dict[str, Request]) -> dict[str, Any]:
    """Status and body of each, without what a clock says."""
    told = {}
    with httpx.Client(base_url=base, timeout=60) as http:
        for name, request in requests.items():
            query = b"&".join(key + b"=" + value for key, value in request.query).decode()
            headers = {key.decode(): value.decode() for key, value in request.headers if key != b"host"}
            answer = http.get(f"{request.path.decode()}{query and '?'}{query}", headers=headers)
            told[name] = (answer.status_code, _settled(answer))
    return told


def _settled(answer: httpx.Response) -> Any:
    try:
        body = answer.json()
    except ValueError:
        return answer.content
    text = json.dumps(body, sort_keys=True)
    return json.loads(text, object_hook=lambda held: {k: v for k, v in held.items() if k not in _OF_THE_CLOCK})


_OF_THE_CLOCK = frozenset(
    {"request_id", "processing_time", "latency_ms", "timestamp", "age_seconds", "last_used", "freshness_seconds", "cache"}
)


def test_every_answer_is_what_it_was(tmp_path: Path) -> None:
    before = open_appliance(tmp_path / "before", {})
    server, thread = serve(before)
    admin = before.access.create("admin", ["read", "ingest", "predict", "train", "admin"], by="test")[1]
    try:
        base = f"http://127.0.0.1:{server.port}"
        with httpx.Client(base_url=base, headers={"x-api-key": admin}, timeout=60) as http:
            bindings = furnish(Asked(http, server.port))
            requests = reading(bindings)
            streamed = http.get("/api/v1/admin/audit").json()["audit"]
            made = before.backup.create(tmp_path / "b.rpsdbak")
            was = answers(base, requests)
        operations = {re.sub(r":\w+}", "}", path) for path, method, _ in declared(build_inner(before)) if method == "GET"}
    finally:
        server.stop()
        thread.join(30)
        before.close()
    assert len(requests) > 40
    asked = {name.partition(" ")[2].partition("?")[0] for name in requests}
    missing = {path for path in operations if not path.startswith(OF_THE_PROCESS)} - asked
    assert not missing
    shutil.copytree(tmp_path / "before" / "secrets", tmp_path / "after" / "secrets")
    after = open_appliance(tmp_path / "elsewhere", {})
    settings = after.settings
    after.close()
    assert settings.storage.data_dir == tmp_path / "elsewhere"
    shutil.rmtree(tmp_path / "elsewhere")
    (tmp_path / "after").rename(tmp_path / "elsewhere")
    assert restore(settings, Path(made["path"]))["restored"]
    after = open_appliance(tmp_path / "elsewhere", {})
    server, thread = serve(after)
    try:
        base = f"http://127.0.0.1:{server.port}"
        found = answers(base, requests)
        with httpx.Client(base_url=base, headers={"x-api-key": admin}, timeout=60) as http:
            assert http.get("/api/v1/admin/audit", params={"limit": 1000}).json()["audit"][-len(streamed) :] == streamed
    finally:
        server.stop()
        thread.join(30)
        after.close()
    assert {name: found[name] for name in found if found[name] != was[name]} == {}
