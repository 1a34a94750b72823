"""`rpsd predict` on a live book, and `rpsd retrain --model` of a book."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rpsd.config import read
from rpsd.core.book import Tape
from rpsd.services.wiring import open_services
from tests.flow.web.book_model import serve

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def fed(rpsd: Run, tmp_path: Path) -> Run:
    """The command line over a directory with a book whose bids are fuller, some minutes old, and a model of it."""
    settings = read(environ={"RPSD_DATA_DIR": str(tmp_path / "data"), "RPSD_STORAGE__MIN_FREE_BYTES": "0"})
    with open_services(settings, worker=False) as services:
        serve(services, "book:X:next_mid_move")
        sides = np.array([[[99.9, 8.0]]]), np.array([[[100.1, 2.0]]])
        services.book.ingest("X", Tape.of_books(np.array([time.time_ns()]), *sides, np.ones((1, 2), np.int64)), tick=0.1)
    return rpsd


def test_the_forecast_as_text_and_as_json(fed: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RPSD_BOOKS__STALENESS", "1h")
    code, out, err = fed("predict", "x", "--features", "--json")
    assert code == 0, err
    told = json.loads(out)
    assert (told["symbol"], told["prediction"], len(told["features"])) == ("X", "up", 27)
    code, out, err = fed("predict", "X")
    assert code == 0, err
    assert "up, next mid move" in out
    assert "book:X:next_mid_move version 1" in out


def test_a_stale_book_is_refused(fed: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RPSD_BOOKS__STALENESS", "1ms")
    code, _, err = fed("predict", "X")
    assert code != 0
    assert "stale" in err


def test_a_retrain_of_a_book_by_name_says_what_it_lacks(fed: Run) -> None:
    code, _, err = fed("retrain", "--model", "book:X:next_mid_move", "--wait")
    assert code != 0
    assert "book_train" in err
    assert "at least 5000 are needed" in err
