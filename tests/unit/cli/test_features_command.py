"""`rpsd features` over a data directory without a server; the flow tests ask a running one."""

import json
from pathlib import Path

from rpsd.services.intake.csv_text import csv_text
from tests.unit.cli.conftest import Run
from tests.unit.services.feature.feature_bars import bars


def test_features_from_file_to_frame(rpsd: Run, tmp_path: Path) -> None:
    given = bars(0, 260)
    file = tmp_path / "bars.csv"
    file.write_text("".join(csv_text(given.t, given.columns)))
    rpsd("init")
    assert rpsd("series", "import", str(file), "--symbol", "AAA", "--interval", "1d")[0] == 0
    code, out, _ = rpsd("features", "list")
    assert code == 0
    assert "sma_20" in out
    assert "core_technical" in rpsd("features", "views")[1]
    code, out, err = rpsd("features", "materialise", "AAA:1d")
    assert code == 0, err
    assert "260" in out
    code, out, _ = rpsd("features", "materialise", "--json")
    assert json.loads(out)["result"]["views"]["core_technical"]["rows"] == 0
    code, out, _ = rpsd("features", "vector", "AAA", "--json")
    vector = json.loads(out)
    assert (vector["quality"], len(vector["features"])) == (1.0, 21)
    assert "rsi_14" in rpsd("features", "vector", "AAA")[1]
    code, out, _ = rpsd("features", "frame", "AAA", "--start", "2023-09-01", "--limit", "3")
    lines = out.splitlines()
    assert lines[0].startswith("t,known_at,sma_5,")
    assert len(lines) == 4
    last = json.loads(rpsd("features", "frame", "AAA", "--json")[1])
    assert {name: values[-1] for name, values in last["features"].items()} == vector["features"]
    code, _, err = rpsd("features", "vector", "AAA", "--view", "none")
    assert code == 66
    assert "unknown_view" in err
