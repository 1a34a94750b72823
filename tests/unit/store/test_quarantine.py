"""The quarantine is bounded, whatever is sent."""

import hashlib

import pytest

from rpsd.core.model import Packet
from rpsd.store import model, quarantine
from rpsd.store.db import Connection


def put(c: Connection, data: bytes) -> quarantine.SetAside:
    return quarantine.put_file(c, data, hashlib.sha256(data).hexdigest(), None, "bad", "me", 1)


def test_rows_and_bytes_make_room_for_newer_ones(c: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine, "MOST", 4)
    monkeypatch.setattr(quarantine, "MOST_BYTES", 25)
    monkeypatch.setattr(quarantine, "LARGEST", 12)
    for letter in (b"a", b"b", b"c", b"d", b"e"):
        put(c, letter * 10)
    put(c, b"f" * 13)
    rows = quarantine.page(c, None, 10)
    assert [(row.id, row.kept) for row in rows] == [(6, False), (5, True), (4, True), (3, False)]
    assert quarantine.content(c, 5) == b"e" * 10


def test_the_same_bytes_are_kept_once(c: Connection) -> None:
    first, second = put(c, b"same"), put(c, b"same")
    assert quarantine.content(c, first.id) is None
    assert quarantine.content(c, second.id) == b"same"


def test_a_stored_version_is_noted_once_for_each_damage(c: Connection) -> None:
    facts = {"trained_from_ns": 1, "trained_until_ns": 2, "data_fingerprint": "f", "card": {}, "now_ns": 3}
    model.add(c, "m", Packet({}, {}).pack(), **facts)
    c.execute("UPDATE model SET packet = zeroblob(9)")
    assert quarantine.put_stored(c, "m", 1, "damaged", 1) is not None
    assert quarantine.put_stored(c, "m", 1, "damaged", 1) is None
    c.execute("UPDATE model SET packet = zeroblob(10)")
    again = quarantine.put_stored(c, "m", 1, "damaged", 1)
    assert again is not None
    assert again.bytes == 10
    assert quarantine.drop(c, again.id) == again
    assert quarantine.drop(c, again.id) is None
