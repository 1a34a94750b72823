"""The chain holds, and shows where it was broken."""

from collections.abc import Callable
from typing import Any

import apsw
import pytest

from rpsd.store import audit
from rpsd.store.db import Connection


def filled(c: Connection, n: int = 5) -> None:
    for number in range(n):
        audit.append(c, "me", "key.create", f"k{number}", {"n": number}, number)


def test_an_honest_chain_verifies_and_pages(c: Connection) -> None:
    assert audit.verify(c) is None
    filled(c)
    assert audit.verify(c) is None
    assert [row.seq for row in audit.page(c, None, 2)] == [5, 4]
    assert [row.detail for row in audit.page(c, 3, 9)] == [{"n": 1}, {"n": 0}]
    assert audit.anchor(c)[0] == 5


def test_rows_cannot_be_changed_by_statements(c: Connection) -> None:
    filled(c)
    for statement in ("DELETE FROM audit", "UPDATE audit SET actor = 'you'"):
        with pytest.raises(apsw.ConstraintError, match="append-only"):
            c.execute(statement)


@pytest.mark.parametrize("field", ["at_ns = 99", "actor = 'you'", "action = 'x'", "subject = 'x'", "detail = '{}'", "hash = zeroblob(32)"])
def test_the_first_bad_row_is_named(c: Connection, field: str) -> None:
    filled(c)
    c.execute("DROP TRIGGER audit_keeps_words")
    c.execute(f"UPDATE audit SET {field} WHERE seq = 3")
    assert audit.verify(c) == 3


def test_a_cut_end_shows_against_an_anchor(c: Connection) -> None:
    filled(c)
    anchor = audit.anchor(c)
    assert audit.verify(c, anchor) is None
    c.execute("DROP TRIGGER audit_keeps_rows")
    c.execute("DELETE FROM audit WHERE seq = 5")
    assert audit.verify(c) is None
    assert audit.verify(c, anchor) == 5
    audit.append(c, "me", "other", "", {}, 0)
    assert audit.verify(c, anchor) == 5


def test_a_row_replaced_together_with_its_hash_breaks_the_next(c: Connection, fresh: Callable[[], Connection]) -> None:
    filled(c)
    forger = fresh()
    filled(forger, 2)
    forged = audit.append(forger, "you", "key.create", "k2", {"n": 2}, 2)
    c.execute("DROP TRIGGER audit_keeps_words")
    c.execute("UPDATE audit SET actor = 'you', hash = ? WHERE seq = 3", (forged.hash,))
    assert audit.verify(c) == 4


def test_rows_that_changed_places_show(c: Connection) -> None:
    filled(c)
    for trigger in ("audit_keeps_words", "audit_keeps_rows"):
        c.execute(f"DROP TRIGGER {trigger}")
    for old, new in ((2, 99), (4, 2), (99, 4)):
        c.execute("UPDATE audit SET seq = ? WHERE seq = ?", (new, old))
    assert audit.verify(c) == 2


def test_a_row_taken_out_of_the_middle_shows(c: Connection) -> None:
    filled(c)
    c.execute("DROP TRIGGER audit_keeps_rows")
    c.execute("DELETE FROM audit WHERE seq = 3")
    assert audit.verify(c) == 3


def test_a_chain_made_anew_shows_against_an_anchor_alone(c: Connection, fresh: Callable[[], Connection]) -> None:
    filled(c)
    known = audit.anchor(c)
    forger = fresh()
    for number in range(9):
        audit.append(forger, "you", "key.create", f"k{number}", {"n": number}, number)
    assert audit.verify(forger) is None
    assert audit.verify(forger, known) == 5


def test_rows_are_found_by_action_actor_and_time(c: Connection) -> None:
    filled(c)
    audit.append(c, "you", "keyring.open", "x", {}, 10)
    audit.append(c, "you", "key.revoke", "k1", {}, 11)

    def found(**wanted: Any) -> list[int]:
        return [row.seq for row in audit.page(c, None, 100, audit.AuditFilter(**wanted))]

    assert found(action="key") == [7, 5, 4, 3, 2, 1]
    assert found(action="key.create") == [5, 4, 3, 2, 1]
    assert found(actor="you") == [7, 6]
    assert found(since_ns=4) == [7, 6, 5]
    assert found(action="key", actor="you", since_ns=11) == [7]
    assert found(action="ke") == []
    assert [row.seq for row in audit.page(c, 5, 2, audit.AuditFilter(action="key"))] == [4, 3]
