"""Which versions are kept, and what is left of the others."""

import pytest

from rpsd.core.errors import UnknownModel
from rpsd.core.model import Packet, Stage
from rpsd.store import model, model_alias, model_past
from rpsd.store.db import Connection

NAME = "regime:AAPL:1d:3_state"


def add(c: Connection, n: int, name: str = NAME) -> None:
    for _ in range(n):
        card = {"labels": ["Bear", "Bull"], "predecessor": None, "lineage": {"run": "r1"}, "gate": {"promoted": False}}
        facts = {"trained_from_ns": 1, "trained_until_ns": 2, "data_fingerprint": "f", "card": card, "now_ns": 3}
        model.add(c, name, Packet({}, {}).pack(), **facts)


def kept(c: Connection, name: str = NAME) -> list[int]:
    return [one.version for one in reversed(model.versions(c, name))]


def test_the_newest_stay_and_so_does_whatever_may_be_wanted(c: Connection) -> None:
    add(c, 30)
    add(c, 4, "other")
    for version in (1, 2, 3, 4, 5, 6, 7, 8):
        model.promote(c, NAME, version, "", "me", version)
    model_alias.put(c, NAME, "blue", 10, "me", 1)
    model_alias.put(c, NAME, "challenger", 11, "me", 1)
    model.move(c, NAME, 12, Stage.STAGING, "soon")
    assert model_past.prune(c, 5, 99) == 16
    # 8 serves, 3 to 7 are the last five that it came after; 10 and 11 have a name, 12 is in staging
    assert kept(c) == [3, 4, 5, 6, 7, 8, 10, 11, 12, 26, 27, 28, 29, 30]
    assert kept(c, "other") == [1, 2, 3, 4]
    assert model_past.prune(c, 5, 99) == 0


def test_a_dropped_version_leaves_its_facts_and_the_numbers_go_on(c: Connection) -> None:
    add(c, 7)
    assert model_past.prune(c, 5, 99) == 2
    with pytest.raises(UnknownModel):
        model.find(c, NAME, 1)
    left = model_past.find(c, NAME, 1)
    assert left is not None
    assert (left["labels"], left["run"], left["data_fingerprint"]) == (["Bear", "Bull"], "r1", "f")
    assert model_past.find(c, NAME, 7) is None
    add(c, 1)
    assert kept(c)[-1] == 8


def test_one_transaction_drops_a_part_alone(c: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_past, "AT_ONCE", 3)
    add(c, 12)
    assert [model_past.prune(c, 5, 99) for _ in range(4)] == [3, 3, 1, 0]
