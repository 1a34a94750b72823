"""Twelve kinds of fault and wide spreads, 1,000 of each in the clean captures: all are named as what they are, and nothing else is."""

from functools import lru_cache

import pytest

from rpsd import samples
from rpsd.core.book import Rule, Tape
from tests import captures
from tests.unit.book.faults import FAULTS, Found, found, gaps
from tests.unit.book.messages import raw_updates

MANY = 1000


@lru_cache(2)
def capture(name: str) -> Tape:
    return samples.book_tape() if name == "btcusdt" else captures.perp_tape()


@pytest.mark.parametrize("name", ["btcusdt", "btcusd_perp"])
@pytest.mark.parametrize("rule", FAULTS, ids=lambda rule: rule.word)
@pytest.mark.parametrize("told", [False, True])
def test_every_fault_is_named(rule: Rule, name: str, told: bool) -> None:
    assert found(capture(name), rule, MANY, captures.TICK, told=told) == Found(rule, MANY, MANY, 0, 0)


def test_every_gap_is_named() -> None:
    assert gaps(raw_updates(), MANY) == Found(Rule.GAP, MANY, MANY, 0, 0)
