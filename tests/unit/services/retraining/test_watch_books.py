"""The watch on a model of an order book: scored move by move on what came after its training, and taken back when it does worse."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from rpsd.book.live_score import live_scores
from rpsd.config import read
from rpsd.core.model import Packet
from rpsd.core.retraining import Choice
from rpsd.services.model.service import Candidate, Verdict
from rpsd.services.wiring import Services, open_services
from rpsd.store import model as models
from tests.conftest import Clock
from tests.unit.services.book.test_book_training import NAME, QUICK, STEP_NS, tape
from tests.unit.services.conftest import NOW_NS

LATER_NS = NOW_NS + 2000 * STEP_NS


@pytest.fixture(scope="module")
def fed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """A model of X, and a worse one in its place, which takes up for down; then 2,000 further books."""
    clock = Clock(NOW_NS)
    settings = read(environ={"RPSD_DATA_DIR": str(tmp_path_factory.mktemp("d")), "RPSD_STORAGE__MIN_FREE_BYTES": "0"})
    with open_services(settings, clock=clock, worker=False) as services:
        services.book.ingest("X", tape(), tick=0.1)
        services.book_training.train(NAME, QUICK, by="test")
        version, packet = services.model.production(NAME)
        arrays = dict(packet.arrays) | {word: -packet.arrays[word] for word in ("odd",)}
        card = dict(version.card) | {"predecessor": 1}
        services.model.register(Candidate(NAME, Packet(packet.head, arrays), card, Verdict(True, "by force")), "me")
        clock.now_ns = LATER_NS
        services.book.ingest("X", tape(2000, seed=5, end_ns=LATER_NS - STEP_NS), tick=0.1)
        yield services


def packet_of(services: Services, version: int) -> Packet:
    return services.database.read(lambda c: models.packet(c, NAME, version))


def test_a_move_counts_once_and_only_after_the_training(fed: Services) -> None:
    tapes = fed.book.stretches("X")
    good, bad = packet_of(fed, 1), packet_of(fed, 2)
    t, values = live_scores(tapes, [good, bad])
    assert values.shape == (t.size, 2)
    assert (np.diff(t) > 0).all()
    assert t[0] > good.head["trained_until_ns"]
    assert 1000 < t.size < 2000  # four books in five are followed by a move
    assert values.max() <= 0
    gains = values[:, 0] - values[:, 1]
    assert gains.mean() > 0.1
    assert live_scores([], [good])[0].size == 0


def test_a_model_that_takes_up_for_down_is_taken_back(fed: Services, monkeypatch: Any) -> None:
    done = fed.watch.look()
    [taken] = done["rolled_back"]
    assert (taken["model"], taken["version"]) == (NAME, 1)
    assert "nats a move over" in taken["reason"]
    assert fed.model.production(NAME)[0].version == 1
    [row] = fed.retraining.page(choice=Choice.ROLLBACK)[0]
    assert row["model"] == NAME
    assert fed.shadow.told(NAME)["unit"] == "nats a move"
    plan = fed.retraining.plan([NAME])
    assert "fewer" not in plan[NAME].reason  # books have no count of bars
