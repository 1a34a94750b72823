"""What rpsd exports is what MLflow's own client reads: `make test-mlflow` installs that client in .cache/mlflow."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rpsd.config import read
from rpsd.core.experiment import RunState
from rpsd.services.access.service import SCOPES, Principal
from rpsd.services.experiment.mlflow_export import unpacked
from rpsd.services.experiment.run_log import Begun, Point
from rpsd.services.wiring import Services, open_services

ROOT = Path(__file__).resolve().parents[2]
PYTHON = Path(os.environ.get("MLFLOW_PYTHON", ROOT / ".cache/mlflow/bin/python"))
ME = Principal("me", "me", frozenset(SCOPES))
NOW = 1_767_225_600_123_456_789


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    settings = read(environ={"RPSD_DATA_DIR": str(tmp_path / "data"), "RPSD_STORAGE__MIN_FREE_BYTES": "0"})
    with open_services(settings, clock=lambda: NOW, worker=False) as opened:
        yield opened


def opened(store: Path) -> Any:
    """What MLflow's client finds in the store; newer releases read a file store only when told that they may."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW")}
    environment |= {"MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_DISABLE_TELEMETRY": "true"}
    reader = Path(__file__).with_name("reader.py")
    command = [PYTHON, "-W", "ignore", str(reader), str(store)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def test_the_stock_client_reads_it_all(services: Services, tmp_path: Path) -> None:
    home = str(services.experiment.create("trials ^GSPC", ME, description='with "quotes": and ä')["id"])
    losses = [Point("val/loss", 1.0 / (1 + step), step, NOW + step * 10**9) for step in range(25)]
    odd = [Point("odd", value, step) for step, value in enumerate([0.1, -1e300, 5e-324, 123456789.123456789])]
    params = {"l2": 0.1, "text": "a: 'b' #c\nd", "yes": True, "empty": ""}
    first = services.run.begin(home, Begun("first: run", params=params, tags={"note": "x=y"}, metrics=[*losses, *odd]), ME)["id"]
    services.run.keep(first, "model/größe.bin", bytes(range(256)), ME)
    services.run.keep(first, "card.json", b"{}", ME)
    services.run.finish(first, RunState.FINISHED, ME)
    others = {state: services.run.begin(home, Begun(parent=first, state=state), ME)["id"] for state in RunState}
    store = tmp_path / "a place" / "mlruns"
    unpacked(services.mlflow_export.tar(home, ME, str(store)), store)

    [(name, told)] = opened(store).items()
    assert name == "trials ^GSPC"
    assert told["tags"]["mlflow.note.content"] == 'with "quotes": and ä'
    assert {state: told["runs"][run]["status"] for state, run in others.items()} == {state: state.value for state in RunState}
    assert {told["runs"][run]["tags"]["mlflow.parentRunId"] for run in others.values()} == {first}
    run = told["runs"][first]
    assert (run["name"], run["user"], run["started_ms"]) == ("first: run", "me", NOW // 10**6)
    assert run["params"] == {"l2": "0.1", "text": "a: 'b' #c\nd", "yes": "true", "empty": ""}
    assert run["tags"]["note"] == "x=y"
    assert run["metrics"]["val/loss"] == [[point.step, point.t_ns // 10**6, point.value] for point in losses]  # type: ignore[operator]
    assert [value for _, _, value in run["metrics"]["odd"]] == [point.value for point in odd]
    assert run["last"]["val/loss"] == 1 / 25
    assert run["artifacts"] == {"model/größe.bin": bytes(range(256)).hex(), "card.json": b"{}".hex()}
    assert told["search"] == [first]
