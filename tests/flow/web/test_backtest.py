"""A backtest through the front door: fees are asked for, the report adds up, and a model is told when it is in sample."""

from typing import Any

import pytest

from rpsd.cli.book_backtest import told
from rpsd.cli.plot.backtest import picture
from rpsd.core.book import Tape
from rpsd.jobs import JOBS
from rpsd.jobs.runner import Scheduler
from rpsd.samples import book_tape
from rpsd.services.book.backtest import JOB
from rpsd.services.wiring import Services
from tests.flow.web.book_model import serve
from tests.flow.web.conftest import Running

FEES = {"taker_fee_bps": 4.5, "maker_fee_bps": 1.8}


def _fed(services: Services, symbol: str) -> Tape:
    """The first events of the bundled capture under this symbol."""
    whole = book_tape("btcusdt")
    tape = whole.taken(whole.t < whole.t[8000])
    services.book.ingest(symbol, tape, on_error="skip", tick=0.1)
    return tape


def _finished(services: Services, run: dict[str, Any]) -> dict[str, Any]:
    offered, arguments = services.job.offered, services.job.arguments
    scheduler = Scheduler(services, tuple(job for job in JOBS if job.name == JOB))  # what other tests have queued stays queued
    services.job.offered, services.job.arguments = offered, arguments
    try:
        while (now := services.job.find(run["id"]))["state"] in ("queued", "running"):
            scheduler.tick(services.clock())
    finally:
        scheduler.stop()
    return now


@pytest.mark.parametrize("missing", ["taker_fee_bps", "maker_fee_bps"])
def test_a_backtest_without_fees_is_refused(running: Running, missing: str) -> None:
    body = {name: fee for name, fee in FEES.items() if name != missing}
    with running.client("train") as client:
        answer = client.post("/api/v1/books/NO-FEES/backtest", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == f"/{missing}"


def test_shuffled_events_and_unknown_books_are_refused(running: Running) -> None:
    with running.client("train") as client:
        shuffled = client.post("/api/v1/books/NO-BOOK/backtest", json={**FEES, "book": {"split": "random"}})
        unknown = client.post("/api/v1/books/NO-BOOK/backtest", json=FEES)
    assert (shuffled.status_code, shuffled.json()["code"]) == (422, "random_split_refused")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_book")


def test_the_report_of_a_model_that_was_never_fitted_to_the_tape(running: Running, tmp_path: Any) -> None:
    services, name = running.services, "book:BACKTEST-A:next_mid_move"
    _fed(services, "BACKTEST-A")
    serve(services, name)
    wish = {**FEES, "model_name": name, "params": {"size": 0.01, "threshold": 0.7}}
    with running.client("train") as client:
        answer = client.post("/api/v1/books/BACKTEST-A/backtest", json=wish)
    assert answer.status_code == 202, answer.text
    run = _finished(services, answer.json()["job"])
    assert run["state"] == "succeeded", run
    report = run["result"]
    assert report["fee_bps"] == {"taker": 4.5, "maker": 1.8}
    assert report["trades"] == len(report["trips"]["net"]) > 10
    assert report["net"] == pytest.approx(report["gross"] - report["spread"] - report["impact"] - report["fees"], abs=1e-6)
    assert (report["verdict"], report["in_sample"]) == ("not_profitable", False)
    assert [row["name"] for row in report["baselines"]] == ["do_nothing", "queue_imbalance", "coin", "foresight"]
    text = told(report)
    assert text.startswith("Not profitable: ")
    assert max(map(len, text.splitlines()[1:])) <= 100
    files = [tmp_path / "one.png", tmp_path / "two.png"]
    for file in files:
        picture(file, report, "BACKTEST-A")
    assert files[0].read_bytes() == files[1].read_bytes()
