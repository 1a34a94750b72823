"""What must not be guessed comes from the system's generator, with 128 bits or more."""

import ast
import math
from collections import Counter
from typing import Any

import pytest

from rpsd.services.access.principal import Principal
from rpsd.services.access.ticket import Tickets
from tests.docs.pages import ROOT

LEAST_BITS = 128


def bits(texts: list[str]) -> float:
    """An upper bound of what the texts hold, from how often each character stands at each place; they have one length."""
    assert len({len(text) for text in texts}) == 1
    total = 0.0
    for place in zip(*texts, strict=True):
        counts = Counter(place)
        total -= sum(n / len(place) * math.log2(n / len(place)) for n in counts.values())
    return total


def test_secrets_of_keys_and_tickets_hold_128_bits(services: Any) -> None:
    keys = [services.access.create(f"key {n}", ["read"], by="admin")[1].rsplit("_", 1)[1] for n in range(300)]
    tickets = Tickets(services.clock)
    opened = [tickets.issue(Principal(f"key{n}", "x", frozenset({"read"})))[0] for n in range(300)]
    for texts in (keys, opened):
        assert len(set(texts)) == 300
        assert bits(texts) > 0.9 * LEAST_BITS  # 300 texts tell a little less of each place than it holds


def test_a_measure_of_counted_up_secrets_is_low() -> None:
    """The control."""
    assert bits([f"{n:032x}" for n in range(300)]) < 16


@pytest.mark.parametrize("room", ["services/access", "store", "config"])
def test_no_room_that_makes_secrets_knows_the_other_generator(room: str) -> None:
    for path in (ROOT / "rpsd" / room).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert "random" not in names, path
