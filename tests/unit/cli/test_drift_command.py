"""`rpsd drift` on a data directory without a server."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

Run = Callable[..., tuple[int, str, str]]


def csv(returns: np.ndarray, first: int) -> str:
    """Daily closes from day `first` of the epoch on; the price at its begin is what these seeds make of it."""
    days = np.datetime64("2020-01-01") + np.arange(first, first + returns.size)
    prices = 100 * np.exp(np.cumsum(returns))
    return "t,close\n" + "".join(f"{day},{price:.6f}\n" for day, price in zip(days, prices, strict=True))


def test_scan_list_and_show(rpsd: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    returns = rng.normal(0.0, np.where(np.arange(400) // 50 % 2, 0.02, 0.005))
    rpsd("init")
    assert rpsd("drift", "list")[1].startswith("No reports yet")
    code, out, err = rpsd("drift", "scan")
    assert code == 0, err
    assert out.splitlines()[0].split() == ["models", "0"]
    file = tmp_path / "aapl.csv"
    file.write_text(csv(returns, 0))
    assert rpsd("series", "import", str(file), "--symbol", "AAPL", "--interval", "1d")[0] == 0
    assert rpsd("retrain", "--model", "regime:AAPL:1d:2_state")[0] == 0
    if "production" not in rpsd("models", "list")[1]:
        assert rpsd("models", "promote", "regime:AAPL:1d:2_state", "1", "--reason", "test", "--force")[0] == 0
    further = np.concatenate([[returns.sum()], rng.normal(-0.02, 0.09, 80)])
    file.write_text(csv(further, 400))
    assert rpsd("series", "import", str(file), "--symbol", "AAPL", "--interval", "1d")[0] == 0
    code, out, err = rpsd("drift", "scan", "regime:AAPL:1d:2_state", "--json")
    assert code == 0, err
    assert json.loads(out)["result"]["significant"] == 1
    listed = json.loads(rpsd("drift", "list", "--json")[1])["reports"]
    assert [one["model"] for one in listed] == ["regime:AAPL:1d:2_state"]
    assert rpsd("drift", "list", "--severity", "HIGH")[1].startswith("No reports yet")
    shown = rpsd("drift", "show", str(listed[0]["id"]))[1]
    assert "observed.return" in shown
    assert "reference" in shown
    assert rpsd("drift", "show", "999")[0] == 66
    code, _, err = rpsd("drift", "scan", "regime:NONE:1d:2_state")
    assert (code, "no_model" in err) == (66, True)
