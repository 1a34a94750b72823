"""Aliases: champion and challenger follow the stages, others stay where they were set."""

import pytest

from rpsd.core.errors import StateConflict, UnknownModel
from rpsd.core.model import Packet, Stage
from rpsd.store import model, model_alias
from rpsd.store.db import Connection

NAME = "regime:AAPL:1d:3_state"


def add(c: Connection, *, passed: bool = False) -> int:
    card = {"gate": {"promoted": passed, "reason": ""}}
    facts = {"trained_from_ns": 1, "trained_until_ns": 2, "data_fingerprint": "f", "card": card, "now_ns": 3}
    return model.add(c, NAME, Packet({}, {}).pack(), **facts).version


def challenger(c: Connection) -> int | None:
    found = model_alias.challenger(c, NAME)
    return None if found is None else found.version


def test_the_champion_is_what_serves(c: Connection) -> None:
    add(c)
    assert model_alias.find(c, NAME, "champion") is None
    model.promote(c, NAME, 1, "", "me", 1)
    assert model_alias.find(c, NAME, "champion") == model.production(c, NAME)
    with pytest.raises(StateConflict, match="champion"):
        model_alias.put(c, NAME, "champion", 1, "me", 1)


def test_the_challenger_is_set_by_hand_else_in_staging_else_has_passed(c: Connection) -> None:
    add(c, passed=True)  # 1: older than the champion, so no rival of it
    add(c)
    model.promote(c, NAME, 2, "", "me", 1)
    assert challenger(c) is None
    add(c)  # 3: kept back
    assert challenger(c) is None
    add(c, passed=True)  # 4
    add(c)  # 5: kept back
    assert challenger(c) == 4
    model.move(c, NAME, 3, Stage.STAGING, "look at it")
    assert challenger(c) == 3
    model_alias.put(c, NAME, "challenger", 5, "me", 9)
    assert challenger(c) == 5
    assert [(one.alias, one.version, one.set_by) for one in model_alias.listed(c, NAME)] == [("challenger", 5, "me"), ("champion", 2, None)]
    model.promote(c, NAME, 5, "", "me", 1)  # a champion is no challenger, whatever was set
    assert challenger(c) == 3
    model.move(c, NAME, 3, Stage.ARCHIVED, "no")
    assert challenger(c) is None


def test_other_aliases_stay_and_are_bounded(c: Connection) -> None:
    add(c)
    for number in range(model_alias.MOST):
        model_alias.put(c, NAME, f"a{number}", 1, "me", 1)
    model_alias.put(c, NAME, "a0", 1, "you", 2)  # the same again is no more
    with pytest.raises(StateConflict, match="aliases already"):
        model_alias.put(c, NAME, "more", 1, "me", 1)
    with pytest.raises(UnknownModel):
        model_alias.put(c, NAME, "a0", 2, "me", 1)
    assert model_alias.drop(c, NAME, "a0")
    assert not model_alias.drop(c, NAME, "a0")
    assert model_alias.find(c, NAME, "a0") is None
    found = model_alias.find(c, NAME, "a1")
    assert found is not None
    assert found.version == 1


def test_moves_between_stages_leave_production_alone(c: Connection) -> None:
    add(c)
    add(c)
    model.promote(c, NAME, 1, "", "me", 1)
    for version, stage in ((1, Stage.ARCHIVED), (2, Stage.PRODUCTION), (2, Stage.CANDIDATE)):
        with pytest.raises(StateConflict):
            model.move(c, NAME, version, stage, "")
    assert model.move(c, NAME, 2, Stage.STAGING, "soon").stage is Stage.STAGING
    assert model.count(c) == {Stage.PRODUCTION: 1, Stage.STAGING: 1}
