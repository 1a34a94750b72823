"""The same request again gives the first answer; another one under its key is refused."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rpsd.core.errors import IdempotencyConflict, StateConflict
from rpsd.store import idempotency, query, setting
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


def used(c: Connection) -> list[tuple[str, int, int]]:
    return list(c.execute("SELECT principal, answers, bytes FROM idempotency_use ORDER BY principal"))


def kept(c: Connection) -> list[tuple[str, int, int]]:
    """What used() must say, counted."""
    return list(c.execute("SELECT principal, count(*), sum(octet_length(answer)) FROM idempotency GROUP BY principal ORDER BY principal"))


def test_the_oldest_answers_of_a_principal_go_and_nobody_elses(c: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "MOST_ANSWERS", 100)
    run_once(c, replace(ONCE, principal="other"), 0, dict)
    for number in range(300):
        run_once(c, replace(ONCE, key=f"k{number}"), number, lambda: {"n": 1})
    assert used(c) == kept(c)
    [(_, answers, _), other] = used(c)
    assert 100 - 32 <= answers <= 100
    assert other == ("other", 1, 2)
    assert run_once(c, replace(ONCE, key="k299"), 300, dict) == ({"n": 1}, True)
    assert run_once(c, replace(ONCE, key="k0"), 300, lambda: {"n": 2}) == ({"n": 2}, False)


def test_large_answers_go_sooner_and_one_alone_may_be_larger_than_the_bound(c: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "MOST_BYTES", 5_000)
    for number in range(100):
        run_once(c, replace(ONCE, key=f"k{number}"), number, lambda: {"text": "x" * 100})
    assert 0 < used(c)[0][2] <= 5_000
    run_once(c, replace(ONCE, key="huge"), 100, lambda: {"text": "x" * 9_000})
    assert run_once(c, replace(ONCE, key="huge"), 101, dict)[1]
    assert used(c) == kept(c) == [("key1", 1, 9_012)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9), st.integers(1, KEPT_NS), st.booleans()), max_size=30))
def test_what_is_counted_is_what_is_kept(c: Connection, steps: list[tuple[str, int, int, bool]]) -> None:
    now_ns = 1
    for principal, key, later_ns, pruned in steps:
        now_ns += later_ns
        run_once(c, replace(ONCE, principal=principal, key=str(key)), now_ns, lambda: {"é": "ü"})
        if pruned:
            prune(c, now_ns)
        assert used(c) == kept(c)
