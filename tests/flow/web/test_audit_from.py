"""Whoever changes something over HTTP is audited with the address it came from."""

from typing import Any

Running = Any


def test_rows_of_experiments_live_columns_jobs_views_and_alerts_tell_from_where(running: Running) -> None:
    before = running.services.access.audit(None, 1)[0][0]["seq"]
    with running.client() as http:
        rows = {"t": ["2024-01-02", "2024-01-03", "2024-01-04"], "close": [1.0, 2.0, 1.5]}
        assert http.post("/api/v1/series/FROM/1d/samples", json=rows).status_code == 200
        made = http.post("/api/v1/experiments", json={"name": "from where"}).json()["id"]
        run = http.post(f"/api/v1/experiments/{made}/runs", json={}).headers["location"]
        http.patch(f"/api/v1/experiments/{made}", json={"description": "x"})
        http.delete(run)
        http.delete(f"/api/v1/experiments/{made}")
        live = {"denoise": [{"column": "close", "method": "ema"}]}
        assert http.put("/api/v1/series/FROM/1d/live", json=live).status_code == 200
        assert http.delete("/api/v1/series/FROM/1d/live").status_code == 200
        job = http.post("/api/v1/jobs/anchor/run").json()["job"]
        assert job["by"] == http.get(job_path(job)).json()["by"]
        http.delete(job_path(job))
        http.post("/api/v1/admin/alerts/test")
        view = {"name": "from_where", "features": [{"name": "r", "op": "log_return", "input": "close"}]}
        http.post("/api/v1/feature-views", json=view)
    found = {row["action"]: row["detail"].get("from") for row in running.services.access.audit(None, 100)[0] if row["seq"] > before}
    wanted = {
        "series.create",
        "experiment.create",
        "experiment.delete",
        "run.delete",
        "series.live",
        "series.live.end",
        "job.run",
        "alert.test",
    }
    assert wanted <= set(found), found
    assert set(found.values()) == {"127.0.0.1"}, found


def job_path(job: dict[str, Any]) -> str:
    return f"/api/v1/jobs/{job['id']}"
