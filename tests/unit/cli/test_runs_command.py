"""`rpsd runs` over a data directory without a server."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from rpsd.config import read
from rpsd.core.experiment import RunState
from rpsd.services.access.service import SCOPES, Principal
from rpsd.services.experiment.run_log import Begun, Point
from rpsd.services.wiring import open_services

WHO = Principal("me", "me", frozenset(SCOPES))
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ids(tmp_path: Path) -> list[str]:
    """Two runs of the experiment `trials`, the second a child of the first."""
    settings = read(environ={"RPSD_DATA_DIR": str(tmp_path / "data"), "RPSD_STORAGE__MIN_FREE_BYTES": "0"})
    with open_services(settings, worker=False) as services:
        home = str(services.experiment.create("trials", WHO)["id"])
        made = []
        for number in (1, 2):
            begun = Begun(
                f"run {number}",
                parent=made[0] if made else None,
                params={"l2": number, "kind": "ridge"},
                metrics=[Point("loss", 1 / number, step) for step in range(3)],
            )
            made.append(services.run.begin(home, begun, WHO)["id"])
        services.run.keep(made[0], "out/a.txt", b"text", WHO)
        services.run.finish(made[0], RunState.FINISHED, WHO)
    return made


def test_list_show_and_compare(rpsd: Run, ids: list[str]) -> None:
    code, out, _ = rpsd("runs", "list", "--experiment", "trials", "--order-by", "metrics.loss")
    assert (code, [line.split()[0] for line in out.splitlines()[1:]]) == (0, [ids[1][:10], ids[0][:10]])
    assert "loss 0.5" in out
    code, out, _ = rpsd("runs", "list", "--filter", "state = 'FINISHED'", "--json")
    assert [run["id"] for run in json.loads(out)["runs"]] == [ids[0]]
    code, out, _ = rpsd("runs", "show", ids[0][:8])
    assert (code, "params.l2" in out, "children" in out, "greatest" in out) == (0, True, True, True)
    code, out, _ = rpsd("runs", "compare", ids[0][:10], ids[1])
    assert (code, "params.l2" in out, "params.kind" in out, "metrics.loss" in out) == (0, True, False, True)
    code, out, _ = rpsd("runs", "experiments")
    assert (code, "trials" in out) == (0, True)


def test_what_is_not_there_says_so(rpsd: Run, ids: list[str]) -> None:
    assert rpsd("runs", "show", "zzzz")[0] == 66
    assert rpsd("runs", "list", "--experiment", "none")[0] == 66
    code, _, err = rpsd("runs", "list", "--filter", "colour = 'red'")
    assert (code, "there is no 'colour'" in err) == (65, True)
    assert rpsd("runs", "list", "--filter", "name = 'x'")[1].strip() == "No run meets this."


def test_an_export_is_a_directory(rpsd: Run, ids: list[str], tmp_path: Path) -> None:
    code, out, _ = rpsd("runs", "export", "--experiment", "trials", "--to", str(tmp_path / "store"), "--json")
    assert (code, json.loads(out)["directory"]) == (0, str(tmp_path / "store"))
    [place] = (tmp_path / "store").glob(f"*/{ids[0]}")
    assert (place / "artifacts/out/a.txt").read_bytes() == b"text"
    assert len((place / "metrics/loss").read_text().splitlines()) == 3
    assert sum(1 for file in (tmp_path / "store").rglob("*") if file.is_file()) == json.loads(out)["files"]
