"""The chain holds, and shows where it was broken."""

from collections.abc import Callable

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
