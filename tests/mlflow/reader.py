"""Run by the interpreter that holds MLflow: opens the file store named first with MLflow's own client and prints what it finds as JSON."""

import json
import sys
from pathlib import Path


def main(root: str) -> None:
    from mlflow.tracking import MlflowClient  # which the tests' own interpreter does not have

    client = MlflowClient(Path(root).as_uri())
    told = {}
    for experiment in client.search_experiments():
        if experiment.name == "Default":  # which the client makes itself
            continue
        runs = {}
        for run in client.search_runs([experiment.experiment_id]):
            runs[run.info.run_id] = {
                "name": run.info.run_name,
                "status": run.info.status,
                "started_ms": run.info.start_time,
                "ended_ms": run.info.end_time,
                "user": run.data.tags["mlflow.user"],
                "params": run.data.params,
                "tags": run.data.tags,
                "metrics": {
                    name: [[point.step, point.timestamp, point.value] for point in client.get_metric_history(run.info.run_id, name)]
                    for name in run.data.metrics
                },
                "last": run.data.metrics,
                "artifacts": artifacts(client, run.info.run_id),
            }
        wanted = "metrics.`val/loss` < 0.3 and params.l2 = '0.1'"
        found = client.search_runs([experiment.experiment_id], wanted, order_by=["metrics.`val/loss`"])
        told[experiment.name] = {"tags": experiment.tags, "runs": runs, "search": [run.info.run_id for run in found]}
    print(json.dumps(told))


def artifacts(client, run: str) -> dict[str, str]:
    """Every file of the run in hex, by its path."""
    found, waiting = {}, [""]
    while waiting:
        for one in client.list_artifacts(run, waiting.pop() or None):
            if one.is_dir:
                waiting.append(one.path)
            else:
                found[one.path] = Path(client.download_artifacts(run, one.path)).read_bytes().hex()
    return found


if __name__ == "__main__":
    main(sys.argv[1])
