"""The registry: versions, promotion, packets."""

import apsw
import numpy as np
import pytest

from rpsd.core.errors import CorruptData, StateConflict, UnknownModel
from rpsd.core.model import ModelVersion, Packet, Stage
from rpsd.store import model
from rpsd.store.db import Connection


def add(c: Connection, name: str = "regime:AAPL:1d:3_state", k: int = 3, **more: object) -> ModelVersion:
    packet = Packet({"k": k}, {"means": np.arange(k, dtype=float)}).pack()
    facts = {"trained_from_ns": 1, "trained_until_ns": 2, "data_fingerprint": "f", "card": {"bic": 1.5}, "now_ns": 3} | more
    return model.add(c, name, packet, **facts)  # type: ignore[arg-type]


def test_versions_count_up_and_give_their_packet_back(c: Connection) -> None:
    first, second = add(c), add(c, k=2, reason="less states")
    assert (first.version, second.version, second.stage, second.reason) == (1, 2, Stage.CANDIDATE, "less states")
    assert first.card == {"bic": 1.5}
    assert model.packet(c, first.name, 1).head == {"k": 3}
    assert model.packet(c, first.name, 2).arrays["means"].tolist() == [0.0, 1.0]
    assert [row.version for row in model.versions(c, first.name)] == [2, 1]


def test_exactly_one_version_is_in_production(c: Connection) -> None:
    name = add(c).name
    add(c)
    assert model.production(c, name) is None
    model.promote(c, name, 1, "first", "me", 10)
    second = model.promote(c, name, 2, "better", "you", 20)
    assert (second.predecessor, second.promoted_by, second.promoted_ns, second.reason) == (1, "you", 20, "better")
    assert model.production(c, name) == second
    assert model.find(c, name, 1).stage is Stage.ARCHIVED
    assert model.promote(c, name, 1, "back", "me", 30).predecessor == 2
    assert model.count(c) == {Stage.PRODUCTION: 1, Stage.ARCHIVED: 1}
    with pytest.raises(apsw.ConstraintError):
        c.execute("UPDATE model SET stage = 'production'")


def test_refusals(c: Connection) -> None:
    name = add(c).name
    model.promote(c, name, 1, "", "me", 1)
    with pytest.raises(StateConflict):
        model.promote(c, name, 1, "", "me", 1)
    with pytest.raises(StateConflict):
        add(c, stage=Stage.PRODUCTION)
    with pytest.raises(CorruptData):
        model.add(c, "m", b"nonsense", trained_from_ns=0, trained_until_ns=0, data_fingerprint="", card={}, now_ns=0)
    for missing in (lambda: model.find(c, name, 9), lambda: model.versions(c, "none"), lambda: model.packet(c, "none", 1)):
        with pytest.raises(UnknownModel):
            missing()


def test_pages_show_the_newest_of_each_name(c: Connection) -> None:
    for name in ("b", "a", "a", "c"):
        add(c, name)
    assert [(row.name, row.version) for row in model.page(c, None, 2)] == [("a", 2), ("b", 1)]
    assert [row.name for row in model.page(c, "b", 5)] == ["c"]


def test_a_damaged_packet_is_named(c: Connection) -> None:
    name = add(c).name
    c.execute("UPDATE model SET packet = zeroblob(99)")
    with pytest.raises(CorruptData, match=name):
        model.packet(c, name, 1)
