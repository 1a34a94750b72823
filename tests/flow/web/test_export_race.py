"""An export that is under way when a run is dropped goes on without what is gone."""

from typing import Any

from rpsd.services.access.service import SCOPES, Principal

Running = Any


def test_a_run_that_is_dropped_meanwhile_leaves_the_export_whole(running: Running) -> None:
    with running.client() as http:
        home = http.post("/api/v1/experiments", json={"name": "raced"}).json()["id"]
        runs = [http.post(f"/api/v1/experiments/{home}/runs", json={"params": {"k": k}}).json()["id"] for k in range(2)]
        for run in runs:
            for name in ("a.bin", "b.bin"):
                content = f"{run} {name}".encode()
                octets = {"content-type": "application/octet-stream"}
                stored = http.post(f"/api/v1/runs/{run}/artifacts", params={"name": name}, content=content, headers=octets)
                assert stored.status_code == 201, stored.text
        who = Principal("raced", "raced", frozenset(SCOPES))
        members = running.services.mlflow_export.members(str(home), who)
        names = []
        for name, _ in members:
            names.append(name)
            if name.endswith("/a.bin") and len(runs) == 2:
                assert http.delete(f"/api/v1/runs/{runs.pop(0)}").status_code == 200
    ends = [name.rpartition("/")[2] for name in names if name.endswith(".bin")]
    assert ends == ["a.bin", "a.bin", "b.bin"]
