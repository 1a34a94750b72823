"""Drift of models of order books: their features and how their forecasts fare, on tapes before and after the training."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rpsd.book.watched import BIAS, BRIER, watched
from rpsd.config import read
from rpsd.services.wiring import Services, open_services
from tests.conftest import Clock
from tests.unit.services.book.test_book_training import NAME, QUICK, STEP_NS, tape
from tests.unit.services.conftest import NOW_NS


@pytest.fixture
def trained(tmp_path: Path) -> Iterator[tuple[Services, Clock]]:
    clock = Clock(NOW_NS)
    settings = read(environ={"RPSD_DATA_DIR": str(tmp_path / "d"), "RPSD_STORAGE__MIN_FREE_BYTES": "0"})
    with open_services(settings, clock=clock, worker=False) as services:
        services.book.ingest("X", tape(), tick=0.1)
        services.book_training.train(NAME, QUICK, by="test")
        yield services, clock


def scan(services: Services) -> dict[str, Any]:
    services.drift.scan(progress=lambda _share, _words: None, cancelled=lambda: False)
    return services.drift.find(services.drift.page()[0][0]["id"])


def feed(services: Services, clock: Clock, n: int, **world: Any) -> None:
    clock.now_ns += (n + 1) * STEP_NS
    services.book.ingest("X", tape(n, end_ns=clock.now_ns - STEP_NS, **world), tick=0.1)


def test_the_same_book_is_no_drift_and_too_few_events_are_told(trained: tuple[Services, Clock]) -> None:
    services, clock = trained
    report = scan(services)
    assert (report["rows"], report["severity"]) == ([], "NONE")
    assert report["skipped"]["qi1"] == "the window has 0 values, 50 are needed"
    feed(services, clock, 2000, seed=11)
    report = scan(services)
    assert report["severity"] == "NONE"
    found = {row["feature"]: row for row in report["rows"]}
    assert not found[BRIER]["significant"]
    assert not found[BIAS]["significant"]
    assert len(found) + len(report["skipped"]) == 27 + 2


def test_a_book_that_obeys_the_model_no_more_shows_in_its_forecasts(trained: tuple[Services, Clock]) -> None:
    services, clock = trained
    feed(services, clock, 2000, seed=12, pull=-2.0)
    assert scan(services)["severity"] == "NONE"  # the first such window alone is no alarm
    feed(services, clock, 1000, seed=13, pull=-2.0)
    report = scan(services)
    found = {row["feature"]: row for row in report["rows"]}
    assert (found[BRIER]["kind"], found[BRIER]["significant"]) == ("prediction", True)
    assert found[BRIER]["mean_shift"] > 0
    assert report["kinds"]["prediction"] != "NONE"
    assert [alert["subject"] for alert in services.alert.active()] == ([NAME] if report["severity"] == "HIGH" else [])


def test_brier_and_bias_are_those_of_the_probabilities(trained: tuple[Services, Clock]) -> None:
    services, _ = trained
    packet = services.model.production(NAME)[1]  # type: ignore[index]
    t, seen, said = watched(packet, services.book.stretches("X"), 1000)
    assert 900 <= t.size <= 1000
    assert (np.diff(t) > 0).all()
    assert len(seen) == 27
    assert ((said[BRIER] >= 0) & (said[BRIER] <= 2)).all()
    assert (np.abs(said[BIAS]) <= 1).all()
    assert abs(said[BIAS].mean()) < 0.1  # calibrated on this very tape
    assert said[BRIER].mean() < 2 / 3  # better than a third each
