"""`rpsd regimes` on files and stored series: the same answer by every way, its tables, its picture, and what it refuses."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rpsd import samples
from rpsd.cli import regime_report

Run = Callable[..., tuple[int, str, str]]

SP500 = str(samples.path("sp500_1d"))
RANGE = ("--start", "2014-01-01", "--end", "2018-12-31")


def told(answer: tuple[int, str, str]) -> Any:
    code, out, err = answer
    assert code == 0, err
    return json.loads(out)


@pytest.fixture
def stored(rpsd: Run) -> Run:
    """The command line over a directory that holds the index."""
    rpsd("init")
    told(rpsd("series", "import", SP500, "--symbol", "^GSPC", "--interval", "1d", "--json"))
    return rpsd


def test_a_file_and_a_stored_range_give_the_same_answer(stored: Run) -> None:
    wish = (*RANGE, "--regime-type", "2_state", "--mode", "walk_forward", "--refit-every", "63", "--json")
    of_file, of_range = told(stored("regimes", SP500, *wish)), told(stored("regimes", "^GSPC", *wish))
    assert (of_file.pop("ticker"), of_range.pop("ticker")) == (SP500, "^GSPC")
    assert (of_file["mode"], of_file["causal"]) == ("walk_forward", True)
    for name in ("processing_time", "cache"):
        del of_file[name], of_range[name]
    assert of_file == of_range


def test_a_range_that_is_not_said_is_the_window_of_a_model(stored: Run) -> None:
    found = told(stored("regimes", "^GSPC", "--mode", "filtered", "--json"))
    assert (found["trained_from"][:7], found["trained_until"][:10]) == ("2017-01", "2018-12-31")
    assert told(stored("regimes", SP500, "--json"))["trained_from"][:7] == "1999-01"  # of a file all of it


def test_the_tables_of_a_file_fit_a_terminal(rpsd: Run) -> None:
    code, text, err = rpsd("regimes", SP500, "--regime-type", "5_state", "--start", "2008-01-01")
    assert code == 0, err
    for heading in ("  now  ", "name holds", "from / to", "left by then", "21 bars", "doubtful"):
        assert heading in text
    assert max(map(len, text.splitlines())) <= 100


def test_heavy_tails_are_told_with_the_model() -> None:
    state = {"df": 4.26, "label": "Single"}
    told = {"model": "student_t_hmm/numba", "states": [state, state], "log_likelihood": -1234.56}
    line = " ".join(regime_report.fit(told).split())
    assert line == "model student_t_hmm/numba, 4.3 degrees of freedom; log-likelihood -1,234.6"
    assert "degrees" not in regime_report.fit({**told, "states": [{**state, "df": None}]})
    assert regime_report.fit({**told, "model_version": 3}) == ""


def test_the_mean_that_names_go_by_stands_beside_the_return_of_the_path(rpsd: Run) -> None:
    answer = told(rpsd("regimes", SP500, *RANGE, "--json"))
    bear = answer["states"][0]
    expected = f"{np.expm1(bear['mean'] / 100 * answer['annualisation']['bars_per_year']):+.1%}"
    [line] = [line for line in regime_report.states(answer).splitlines() if bear["label"] in line]
    assert line.split()[3:5] == [expected, f"{bear['annual_return']:+.1%}"]
    assert line.split()[3] not in (line.split()[4], "-")


def test_auto_shows_the_whole_table_and_the_reason(rpsd: Run) -> None:
    wish = ("regimes", SP500, "--regime-type", "auto", "--start", "2016-01-01")
    table = told(rpsd(*wish, "--json"))["selection"]
    text = rpsd(*wish)[1]
    [chosen] = [row for row in table if row["chosen"]]
    lines = text.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("  states  log-likelihood"))
    assert [int(line.split()[0]) for line in lines[start + 1 : start + 1 + len(table)]] == [row["n_states"] for row in table]
    assert f"chosen: {chosen['n_states']}, {chosen['reason']}" in " ".join(text.split())


def test_the_stored_model_is_told_with_its_tables(stored: Run) -> None:
    told(stored("retrain", "--model", "regime:^GSPC:1d:3_state", "--wait", "--json"))
    found = told(stored("regimes", "^GSPC", "--json"))
    assert (found["model_version"], len(found["states"]), len(found["forecast"])) == (1, 3, 21)
    expected = np.array(list(found["current"]["probabilities"].values())) @ np.linalg.matrix_power(found["transition_matrix"], 21)
    np.testing.assert_allclose(list(found["forecast"][-1]["probabilities"].values()), expected, rtol=1e-9)
    text = stored("regimes", "^GSPC")[1]
    assert "as of               2018-12-31" in text
    assert "version 1" in text
    assert "left by then" in text


def test_a_picture_is_written_and_the_same_each_time(rpsd: Run, tmp_path: Path) -> None:
    first, second = tmp_path / "a.png", tmp_path / "b.png"
    for file in (first, second):
        answer = told(rpsd("regimes", SP500, *RANGE, "--plot", str(file), "--json"))
    assert answer["plot"] == str(second)
    assert not {"prices", "probabilities"} & set(answer)
    assert set(answer["residuals"]) >= {"n", "excess_kurtosis"}
    assert not {"values", "qq"} & set(answer["residuals"])
    drawn = first.read_bytes()
    assert drawn == second.read_bytes()
    assert (drawn[:8], int.from_bytes(drawn[16:20], "big"), int.from_bytes(drawn[20:24], "big")) == (b"\x89PNG\r\n\x1a\n", 1300, 800)


@pytest.mark.parametrize("mode", ["filtered", "walk_forward", "smoothed"])
def test_every_mode_and_stored_ranges_are_drawn(stored: Run, tmp_path: Path, mode: str) -> None:
    file = tmp_path / "a.png"
    code, out, err = stored("regimes", "^GSPC", "--mode", mode, "--regime-type", "2_state", "--plot", str(file))
    assert code == 0, err
    assert out.startswith(f"{file}: the regimes of ^GSPC drawn\n")
    assert file.stat().st_size > 10_000


def test_minutes_and_a_single_regime_are_drawn(rpsd: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    prices = 100 * np.exp(np.cumsum(rng.normal(0, 0.001, 400)))
    file = tmp_path / "one.csv"
    minutes = np.datetime64("2024-01-02T14:30") + np.arange(400) + np.arange(400) // 100 * 1340
    file.write_text("t,value\n" + "".join(f"{at}:00Z,{price}\n" for at, price in zip(minutes, prices, strict=True)))
    picture = tmp_path / "a.png"
    found = told(rpsd("regimes", str(file), "--interval", "1m", "--regime-type", "auto", "--plot", str(picture), "--json"))
    assert [state["label"] for state in found["states"]] == ["Single"]
    text = rpsd("regimes", str(file), "--interval", "1m", "--regime-type", "auto")[1]
    assert "Single, probability 100.0%\n" in text


def test_standard_input(rpsd: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    text = Path(SP500).read_text()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    found = told(rpsd("regimes", "-", *RANGE, "--json"))
    assert (found["ticker"], found["n_states"]) == ("-", 3)


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (("nowhere.csv",), 66, "unknown_file"),
        ((SP500, "--regime-type", "9_state"), 65, "unknown_regime_type"),
        ((SP500, "--mode", "sideways"), 65, "invalid_request"),
        ((SP500, "--start", "2018-12-01"), 65, "too_short"),
        ((SP500, "--end", "1980-01-01"), 65, "too_short"),
        ((SP500, "--start", "2018-12-01", "--end", "2018-01-01"), 65, "bad_range"),
        ((SP500, "--start", "yesterday"), 65, "bad_time"),
        ((SP500, "--column", "bid"), 66, "unknown_column"),
        ((SP500, "--columns", "return,value:bid"), 66, "unknown_column"),
        ((SP500, "--columns", "moon"), 65, "invalid_request"),
        ((SP500, *RANGE, "--plot", "/nowhere/a.png"), 66, "unknown_file"),
        (("^GSPC", "--column", "close"), 64, "usage"),
        ((SP500, "--refit-every", "0"), 64, "usage"),
        (("^GSPC",), 66, "unknown_series"),
        (("^GSPC", "--end", "2018-01-01"), 66, "unknown_series"),
    ],
)
def test_what_cannot_be_done_is_said(rpsd: Run, arguments: tuple[str, ...], code: int, word: str) -> None:
    rpsd("init")
    found, out, err = rpsd("regimes", *arguments)
    assert (found, out) == (code, ""), err
    assert f"({word})" in err


def test_without_its_extra_the_command_says_what_to_install(rpsd: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code, _, err = rpsd("regimes", SP500, *RANGE, "--plot", str(tmp_path / "a.png"))
    assert code == 78
    assert "pip install 'rpsd[plot]'" in err
    assert list(tmp_path.glob("*.png*")) == []
