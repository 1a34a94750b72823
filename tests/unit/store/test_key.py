"""Keys: stored, found, revoked once, touched."""

import pytest

from rpsd.core.errors import StateConflict, UnknownKey
from rpsd.store import key
from rpsd.store.db import Connection

ROW = key.KeyRow("k1", "desk", b"\x00\xffhash", ("read", "ingest"), 10, expires_ns=99, limit=600)


def test_a_key_comes_back_as_it_went_in(c: Connection) -> None:
    key.add(c, ROW)
    key.add(c, key.KeyRow("k0", "bot", b"h", (), 5))
    assert key.find(c, "k1") == ROW
    assert key.find(c, "k2") is None
    assert [row.id for row in key.list_keys(c)] == ["k0", "k1"]
    with pytest.raises(StateConflict):
        key.add(c, ROW)


def test_the_first_revocation_stands_and_last_use_never_goes_back(c: Connection) -> None:
    key.add(c, ROW)
    assert key.revoke(c, "k1", 20).revoked_ns == 20
    assert key.revoke(c, "k1", 30).revoked_ns == 20
    for moment in (7, 5):
        key.touch(c, "k1", moment)
    found = key.find(c, "k1")
    assert found is not None
    assert found.last_used_ns == 7
    with pytest.raises(UnknownKey):
        key.revoke(c, "k9", 1)
