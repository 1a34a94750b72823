"""`rpsd models` beyond list and show: stages, aliases, lineage, and model files."""

import hashlib
import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Run
from tests.unit.cli.test_commands import CSV, told

NAME = "regime:X:1d:2_state"


@pytest.fixture
def trained(rpsd: Run, tmp_path: Path) -> Run:
    """Version 1 of a model in production."""
    file = tmp_path / "x.csv"
    file.write_text(CSV)
    rpsd("init")
    told(rpsd("series", "import", str(file), "--symbol", "X", "--interval", "1d", "--json"))
    told(rpsd("retrain", "--model", NAME, "--json"))
    if told(rpsd("models", "show", NAME, "--json"))["stage"] != "production":
        told(rpsd("models", "promote", NAME, "1", "--reason", "for this test", "--force", "--json"))
    return rpsd


def test_a_model_goes_out_comes_in_and_gets_names(trained: Run, tmp_path: Path) -> None:
    sent = told(trained("models", "export", NAME, str(tmp_path), "--json"))
    file = Path(sent["file"])
    assert (file.name, file.stat().st_size) == ("regime_X_1d_2_state_champion.rpsdmodel", sent["bytes"])
    assert hashlib.sha256(file.read_bytes()).hexdigest() == sent["digest"]
    assert not list(tmp_path.glob("*.partial"))
    made = told(trained("models", "import", str(file), "--digest", sent["digest"], "--json"))
    assert (made["version"], made["stage"], made["file_digest"]) == (2, "candidate", sent["digest"])
    assert "version 2 of regime:X:1d:2_state is in stage staging" in trained("models", "stage", NAME, "2", "staging", "--reason", "try")[1]
    told(trained("models", "alias", NAME, "blue", "2", "--json"))
    listed = {row["alias"]: row["version"] for row in told(trained("models", "alias", NAME, "--json"))["aliases"]}
    assert listed == {"blue": 2, "challenger": 2, "champion": 1}
    assert "blue" not in trained("models", "alias", NAME, "blue", "--drop")[1]
    again = told(trained("models", "export", NAME, str(tmp_path / "again"), "--version", "challenger", "--json"))
    assert Path(again["file"]) == tmp_path / "again"
    chain = told(trained("models", "lineage", NAME, "--json"))["chain"]
    assert (chain[0]["version"], len(chain[0]["run"])) == (1, 32)
    assert trained("models", "lineage", NAME)[1].splitlines()[0].split()[:2] == ["version", "stage"]
    run = told(trained("runs", "show", chain[0]["run"], "--json"))
    assert (run["state"], run["tags"]["model"]) == ("FINISHED", NAME)


REFUSED = (
    (("alias", NAME, "Blue!", "1"), 65, "invalid_request"),
    (("alias", NAME, "champion", "1"), 73, "state_conflict"),
    (("alias", NAME, "blue", "--drop"), 66, "unknown_model"),
    (("stage", NAME, "1", "archived", "--reason", "x"), 73, "state_conflict"),
    (("stage", NAME, "1", "production", "--reason", "x"), 65, "invalid_request"),
    (("stage", NAME, "9", "archived", "--reason", "x"), 66, "unknown_model"),
    (("lineage", "regime:NONE:1d:2_state"), 66, "unknown_model"),
    (("export", NAME, "/nowhere/at/all"), 66, "unknown_file"),
    (("export", NAME, "x", "--version", "green"), 66, "unknown_model"),
    (("import", "/nowhere/at/all"), 66, "unknown_file"),
    (("import", "/"), 66, "unknown_file"),
)


def test_what_cannot_be_is_told(trained: Run) -> None:
    for arguments, status, code in REFUSED:
        found, _, err = trained("models", *arguments, "--json")
        assert (found, json.loads(err)["code"]) == (status, code), (arguments, err)
    assert trained("models", "alias", NAME, "blue")[0] == trained("models", "alias", NAME, "blue", "2", "--drop")[0] == 64


def test_a_file_that_is_no_model_is_set_aside(trained: Run, tmp_path: Path) -> None:
    file = tmp_path / "model.pkl"
    file.write_bytes(b"\x80\x04\x95")
    found, _, err = trained("models", "import", str(file), "--json")
    assert (found, json.loads(err)["code"]) == (65, "bad_model_file")
    sent = told(trained("models", "export", NAME, str(tmp_path), "--json"))
    found, _, err = trained("models", "import", sent["file"], "--digest", "0" * 64, "--json")
    assert (found, json.loads(err)["code"]) == (65, "bad_model_file")
    assert len(told(trained("models", "list", "--json"))["models"]) == 1
