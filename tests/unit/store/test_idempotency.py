"""The same request again gives the first answer; another one under its key is refused."""

from dataclasses import replace

import pytest

from rpsd.core.errors import IdempotencyConflict, StateConflict
from rpsd.store import query, setting
from rpsd.store.db import Connection, Database
from rpsd.store.idempotency import KEPT_NS, Once, prune, run_once

ONCE = Once("abc", "key1", "POST /x", "h1")


def test_the_first_answer_is_given_again(c: Connection) -> None:
    calls: list[int] = []

    def work() -> dict[str, int]:
        calls.append(1)
        return {"n": len(calls)}

    assert run_once(c, ONCE, 10, work) == ({"n": 1}, False)
    assert run_once(c, ONCE, 20, work) == ({"n": 1}, True)
    assert run_once(c, replace(ONCE, principal="key2"), 20, work) == ({"n": 2}, False)
    assert run_once(c, None, 20, work) == ({"n": 3}, False)
    for other in (replace(ONCE, body_hash="h2"), replace(ONCE, route="POST /y")):
        with pytest.raises(IdempotencyConflict):
            run_once(c, other, 20, work)
    assert run_once(c, ONCE, 10 + KEPT_NS, work) == ({"n": 4}, False)


def test_pruning_forgets_after_a_day(c: Connection) -> None:
    run_once(c, ONCE, 10, dict)
    assert prune(c, 9 + KEPT_NS) == 0
    assert prune(c, 10 + KEPT_NS) == 1


def test_a_failed_request_leaves_neither_effect_nor_answer(database: Database) -> None:
    def fails(c: Connection) -> None:
        setting.put(c, "effect", 1)
        run_once(c, ONCE, 1, lambda: {"ok": True})
        raise StateConflict("no")

    with pytest.raises(StateConflict):
        database.write(fails).result()
    assert database.read(lambda c: (setting.find(c, "effect"), query.value(c, "SELECT count(*) FROM idempotency"))) == (None, 0)
