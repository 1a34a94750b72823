"""Books in the tracker and in files: every fit and backtest is a run, and a trained model travels to another appliance."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rpsd.config import read
from rpsd.core.errors import BadModelFile, Cancelled, GateRefused, TooShort
from rpsd.services.access.service import Principal
from rpsd.services.book.backtest import Asked
from rpsd.services.model import file as model_file
from rpsd.services.wiring import Services, open_services
from tests.conftest import Clock
from tests.unit.services.book.test_book_training import NAME, QUICK, tape
from tests.unit.services.conftest import NOW_NS
from tests.unit.services.model.test_model_file import changed

ANN = Principal("ann", "ann", frozenset({"read"}))
FEES: dict[str, Any] = {"taker_fee_bps": 4.5, "maker_fee_bps": 1.8}


def opened(directory: Path) -> Services:
    settings = read(environ={"RPSD_DATA_DIR": str(directory), "RPSD_STORAGE__MIN_FREE_BYTES": "0"})
    services = open_services(settings, clock=Clock(NOW_NS), worker=False)
    services.book.ingest("X", tape(), tick=0.1)
    return services


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """A model of X in production."""
    with opened(tmp_path_factory.mktemp("d")) as services:
        assert services.book_training.train(NAME, QUICK, by="test")["promoted"]
        yield services


def runs(services: Services, experiment: str, wanted: str) -> list[dict[str, Any]]:
    return services.run_reading.search(ANN, experiment=experiment, wanted=wanted)[0]


def test_a_fit_of_a_book_is_a_run_that_the_card_names(trained: Services) -> None:
    [run] = runs(trained, "rpsd.book", f"model = '{NAME}' and state = 'FINISHED'")
    assert trained.model.card(NAME)["card"]["lineage"]["run"] == run["id"]
    assert (run["owner"], run["tags"]["promoted"], run["params"]["bootstrap"]) == ("rpsd", "true", "100")
    assert run["metrics"]["scores.model.auc.value"] > 0.65


def test_a_fit_that_comes_to_nothing_is_a_run_too(trained: Services) -> None:
    trained.book.ingest("TINY", tape(100), tick=0.1)
    with pytest.raises(TooShort):
        trained.book_training.train("book:TINY:next_mid_move", QUICK)
    [failed] = runs(trained, "rpsd.book", "state = 'FAILED'")
    assert (failed["tags"]["error"], failed["tags"]["model"]) == ("too_short", "book:TINY:next_mid_move")


def test_a_backtest_is_a_run_with_its_report(trained: Services) -> None:
    asked = Asked(**FEES, params={"size": 0.01}, book=QUICK)
    job = trained.backtest.submit("X", asked, by="ann")
    told = trained.backtest.work(job["id"])
    run = trained.run_reading.find(told["run"], ANN)
    assert (run["state"], run["params"]["symbol"], run["artifacts"]) == ("FINISHED", "X", 1)
    report = trained.run_reading.artifact(told["run"], "report.json", ANN)[1]
    assert json.loads(report)["net"] == told["net"]
    stopped = trained.backtest.submit("X", asked, by="ann")
    with pytest.raises(Cancelled):
        trained.backtest.work(stopped["id"], cancelled=lambda: True)
    assert [run["tags"]["error"] for run in runs(trained, "rpsd.backtest", "state = 'KILLED'")] == ["cancelled"]


def test_a_trained_book_goes_out_and_serves_elsewhere_once_it_is_forced(trained: Services, tmp_path: Path) -> None:
    data, digest = trained.model_file.exported(NAME, "champion")
    assert hashlib.sha256(data).hexdigest() == digest
    with opened(tmp_path / "other") as other:
        made = other.model_file.imported(data, "me", digest=digest)
        assert (made["version"], made["stage"]) == (1, "candidate")
        with pytest.raises(GateRefused):
            other.model.promote(NAME, 1, "it was good there", "me")
        other.model.promote(NAME, 1, "try it", "boss", force=True)
        here, there = (json.loads(one.forecast.live(one.forecast.question("X", None)).text) for one in (trained, other))
        assert here["probabilities"] == there["probabilities"]
        told = other.book_training.train(NAME, {**QUICK, "folds": 3}, by="test")  # the next fit compares itself with what came
        assert told["evaluation"]["predecessor"] is not None


@pytest.mark.parametrize(
    ("card", "reason"),
    [({"cold_ns": "x"}, "cold starts"), ({"window": {"from_ns": 0, "until_ns": 1}}, "symbols"), ({"evaluation": 3}, "evaluation")],
)
def test_a_card_that_would_trip_those_who_read_it_is_refused(trained: Services, card: dict[str, Any], reason: str) -> None:
    data = trained.model_file.exported(NAME, "1")[0]
    with pytest.raises(BadModelFile, match=reason):
        model_file.opened(changed(data, card=card))
